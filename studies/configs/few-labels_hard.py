# Hard labels of the teacher, where it is surer than the threshold, in place of its soft targets.
_base_ = '../../configs/mini/kd_ptv3-mini-m_ptv3-mini-s_1xb4-30e_mini-scannet-seg-4labeled.py'
hard = dict(_delete_=True, type='PseudoLabelLoss', threshold=0.9, loss_weight=1.0)
model = dict(terms=dict(kd=dict(loss=hard)))

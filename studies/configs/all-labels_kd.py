# KD with the weight and temperature of kd_few_labels, all rooms labeled.
_base_ = '../../configs/mini/kd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
model = dict(terms=dict(kd=dict(loss=dict(temperature=1.0, loss_weight=10.0))))

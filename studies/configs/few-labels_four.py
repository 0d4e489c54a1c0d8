# KD on the four labeled rooms alone.
_base_ = '../../configs/mini/kd_ptv3-mini-m_ptv3-mini-s_1xb4-30e_mini-scannet-seg-4labeled.py'
train_dataloader = dict(drop_last=True, batch_sampler=None, dataset=dict(type='LabeledScans'))

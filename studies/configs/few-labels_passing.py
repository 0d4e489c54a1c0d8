# No teacher; unlabeled rooms pass through the network all the same: batch normalization sees them.
_base_ = '../../configs/mini/ptv3-mini-s_1xb4-30e_mini-scannet-seg-4labeled.py'
train_dataloader = dict(dataset=dict(type='PartialLabels'), **_base_.labeled_batches)

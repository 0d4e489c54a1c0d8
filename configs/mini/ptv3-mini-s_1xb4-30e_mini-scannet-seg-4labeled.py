# The student on four labeled rooms alone, in as many steps as those that see all rooms.
_base_ = [
    '../_base_/models/ptv3_mini.py',
    '../_base_/datasets/mini-scannet-seg-4labeled.py',
    '../_base_/schedules/mini-30e.py',
    '../_base_/mini_runtime.py',
]
model = _base_.sizes.s
train_dataloader = dict(dataset=dict(type='LabeledScans'))

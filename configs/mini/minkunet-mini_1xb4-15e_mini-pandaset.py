_base_ = [
    '../_base_/models/minkunet_mini.py',
    '../_base_/datasets/mini-pandaset.py',
    '../_base_/schedules/mini-15e.py',
    '../_base_/mini_runtime.py',
]
model = dict(
    data_preprocessor=dict(voxel_size=0.4),
    backbone=dict(in_channels=4, **_base_.sizes.three_stages.backbone),
    decode_head=dict(num_classes=12, ignore_index=12),
)

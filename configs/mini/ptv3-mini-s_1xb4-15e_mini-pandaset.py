_base_ = [
    '../_base_/models/ptv3_mini.py',
    '../_base_/datasets/mini-pandaset.py',
    '../_base_/schedules/mini-15e.py',
    '../_base_/mini_runtime.py',
]
model = dict(
    data_preprocessor=dict(voxel_size=0.4),
    backbone=dict(in_channels=4, depth=10, **_base_.sizes.s.backbone),
    decode_head=dict(num_classes=12, ignore_index=12, **_base_.sizes.s.decode_head),
)

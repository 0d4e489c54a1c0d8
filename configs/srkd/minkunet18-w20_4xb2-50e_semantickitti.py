_base_ = [
    '../_base_/models/minkunet18_w20.py',
    '../_base_/datasets/semantickitti.py',
    '../_base_/schedules/onecycle-50e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(voxel_size=0.05),
    backbone=dict(in_channels=4),
    decode_head=dict(num_classes=19, ignore_index=19),
)

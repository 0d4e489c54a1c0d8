_base_ = [
    '../_base_/models/litept_s.py',
    '../_base_/datasets/nuscenes-lidarseg.py',
    '../_base_/schedules/onecycle-50e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(voxel_size=0.05),
    backbone=dict(in_channels=4, depth=13),  # 13: 400 m, as far as a scaled scan reaches
    decode_head=dict(num_classes=16, ignore_index=16),
)

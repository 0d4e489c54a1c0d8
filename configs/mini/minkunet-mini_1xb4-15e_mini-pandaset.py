_base_ = [
    '../_base_/models/minkunet_mini.py',
    '../_base_/datasets/mini-pandaset.py',
    '../_base_/schedules/mini-15e.py',
    '../_base_/mini_runtime.py',
]
model = dict(
    data_preprocessor=dict(voxel_size=0.4),
    backbone=dict(  # three stages: with four, spconv refuses clouds less than 16 voxels high
        in_channels=4,
        num_stages=3,
        encoder_channels=[8, 16, 32],
        encoder_blocks=[1, 1, 1],
        decoder_channels=[32, 24, 16],
        decoder_blocks=[1, 1, 1],
    ),
    decode_head=dict(num_classes=12, ignore_index=12),
)

# MinkUNet with one block per stage, for clouds of a few thousand voxels.
_base_ = './minkunet18_w20.py'
model = dict(
    data_preprocessor=dict(voxel_size=0.1, max_voxels=None),
    backbone=dict(
        base_channels=8,
        encoder_channels=[8, 16, 32, 48],
        encoder_blocks=[1, 1, 1, 1],
        decoder_channels=[48, 32, 24, 16],
        decoder_blocks=[1, 1, 1, 1],
    ),
    decode_head=dict(channels=16),
)

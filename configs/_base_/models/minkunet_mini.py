# MinkUNet with one block per stage, for clouds of a few thousand voxels. `sizes` holds what
# the others change.
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
sizes = dict(
    _delete_=True,  # those of two blocks per stage
    # with four stages, spconv refuses clouds less than 16 voxels high
    three_stages=dict(
        backbone=dict(
            num_stages=3,
            encoder_channels=[8, 16, 32],
            encoder_blocks=[1, 1, 1],
            decoder_channels=[32, 24, 16],
            decoder_blocks=[1, 1, 1],
        )
    ),
)

# MinkUNet18-W20 of mmdet3d on spconv: every width is 20/32 of the published one. `sizes` holds what
# the others change.
voxel_size = 0.02
num_classes = 20
model = dict(
    type='MinkUNet',
    data_preprocessor=dict(
        type='VoxelSegDataPreprocessor', voxel_size=voxel_size, max_voxels=102400
    ),
    backbone=dict(
        type='MinkUNetBackbone',
        in_channels=6,
        num_stages=4,
        base_channels=20,
        encoder_channels=[20, 40, 80, 160],
        encoder_blocks=[2, 2, 2, 2],
        decoder_channels=[160, 80, 60, 60],
        decoder_blocks=[2, 2, 2, 2],
        block_type='basic',
        sparseconv_backend='spconv',
    ),
    decode_head=dict(
        type='VoxelSegHead',
        channels=60,
        num_classes=num_classes,
        ignore_index=num_classes,
        loss_decode=dict(type='mmdet.CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(),
)
sizes = dict(
    minkunet18_w16=dict(
        backbone=dict(
            base_channels=16, encoder_channels=[16, 32, 64, 128], decoder_channels=[128, 64, 48, 48]
        ),
        decode_head=dict(channels=48),
    ),
    minkunet34_w20=dict(backbone=dict(encoder_blocks=[2, 3, 4, 6])),
)

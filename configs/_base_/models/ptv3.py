# Point Transformer V3 in mmdet3d's voxel segmentor. Base width; `sizes` holds what the others change.
voxel_size = 0.02
num_classes = 20
model = dict(
    type='MinkUNet',  # mmdet3d's voxel segmentor: backbone(voxels, coors) -> head -> raw points
    data_preprocessor=dict(
        type='VoxelSegDataPreprocessor', voxel_size=voxel_size, max_voxels=102400
    ),
    backbone=dict(
        type='PointTransformerV3',
        in_channels=6,
        order=('z', 'z-trans', 'hilbert', 'hilbert-trans'),
        stride=(2, 2, 2, 2),
        enc_depths=(2, 2, 2, 6, 2),
        enc_channels=(32, 64, 128, 256, 512),
        enc_num_head=(2, 4, 8, 16, 32),
        enc_patch_size=(1024, 1024, 1024, 1024, 1024),
        dec_depths=(2, 2, 2, 2),
        dec_channels=(64, 64, 128, 256),
        dec_num_head=(4, 4, 8, 16),
        dec_patch_size=(1024, 1024, 1024, 1024),
        mlp_ratio=4,
        qkv_bias=True,
        drop_path=0.3,
        shuffle_orders=True,
        # fixed, so that a sample's features do not depend on its batch; published weights want None
        depth=12,
    ),
    decode_head=dict(
        type='VoxelSegHead',
        channels=64,
        num_classes=num_classes,
        ignore_index=num_classes,
        loss_decode=dict(type='mmdet.CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(),
)
sizes = dict(
    # SRKD's student: every width halved and the same number of heads
    half=dict(
        backbone=dict(enc_channels=(16, 32, 64, 128, 256), dec_channels=(32, 32, 64, 128)),
        decode_head=dict(channels=32),
    ),
    # a teacher above 100 M parameters: every width times 1.5
    large=dict(
        backbone=dict(
            enc_channels=(48, 96, 192, 384, 768),
            enc_num_head=(3, 6, 12, 24, 48),
            dec_channels=(96, 96, 192, 384),
            dec_num_head=(6, 6, 12, 24),
        ),
        decode_head=dict(channels=96),
    ),
)

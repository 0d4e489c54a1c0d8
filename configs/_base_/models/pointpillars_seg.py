# PointPillars for segmentation: mmdet3d's SECOND and SECONDFPN on pillars of 0.2 m, read by every
# row. For outdoor scans with x, y, z, intensity; classes and ignored label of SemanticKITTI.
voxel_size = 0.05
num_classes = 19
model = dict(
    type='MinkUNet',  # mmdet3d's voxel segmentor: backbone(voxels, coors) -> head -> raw points
    data_preprocessor=dict(
        type='VoxelSegDataPreprocessor', voxel_size=voxel_size, max_voxels=102400
    ),
    backbone=dict(
        type='PointPillarsSegBackbone',
        in_channels=4,
        bev_range=(-51.2, -51.2, 51.2, 51.2),  # 512 x 512 pillars
        pillar_size=0.2,
        pillar_channels=64,
        second=dict(
            type='SECOND',
            out_channels=[64, 128, 256],
            layer_nums=[3, 5, 5],
            layer_strides=[2, 2, 2],
        ),
        neck=dict(type='SECONDFPN', out_channels=[128, 128, 128], upsample_strides=[1, 2, 4]),
        out_channels=128,
    ),
    decode_head=dict(
        type='VoxelSegHead',
        channels=128,
        num_classes=num_classes,
        ignore_index=num_classes,
        loss_decode=dict(type='mmdet.CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(),
)

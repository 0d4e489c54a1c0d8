# CenterPoint's pillars on the range of the mini streets, coarser and with fewer layers.
_base_ = 'mmdet3d::_base_/models/centerpoint_pillar02_second_secfpn_nus.py'
reach = [-25.6, -51.2, -5.0, 25.6, 51.2, 3.0]
pillar = [0.4, 0.4, 8]
shrunk = dict(voxel_size=pillar[:2], pc_range=reach[:2], out_size_factor=2)
model = dict(
    data_preprocessor=dict(
        voxel_layer=dict(
            max_num_points=12, point_cloud_range=reach, voxel_size=pillar, max_voxels=(6000, 12000)
        )
    ),
    pts_voxel_encoder=dict(
        voxel_size=pillar,
        point_cloud_range=reach,
        norm_cfg=dict(type='PillarBatchNorm1d', eps=1e-3, momentum=0.01),
    ),
    pts_middle_encoder=dict(output_shape=(256, 128)),
    pts_backbone=dict(layer_nums=[1, 2, 2], out_channels=[64, 128, 128]),
    pts_neck=dict(
        in_channels=[64, 128, 128], out_channels=[64, 64, 64], upsample_strides=[1, 2, 4]
    ),
    pts_bbox_head=dict(in_channels=192, bbox_coder=shrunk),
    train_cfg=dict(
        pts=dict(
            grid_size=[128, 256, 1], voxel_size=pillar, point_cloud_range=reach, out_size_factor=2
        )
    ),
    test_cfg=dict(pts=shrunk),
)

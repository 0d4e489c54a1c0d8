# PointPillars of KITTI on a smaller range, with coarser pillars and fewer layers: a frame takes a
# sixteenth of the operations.
_base_ = 'mmdet3d::_base_/models/pointpillars_hv_secfpn_kitti.py'
reach = [0, -19.2, -3, 38.4, 19.2, 1]
pillar = [0.2, 0.2, 4]
model = dict(
    data_preprocessor=dict(
        voxel_layer=dict(
            max_num_points=12, point_cloud_range=reach, voxel_size=pillar, max_voxels=(6000, 12000)
        )
    ),
    voxel_encoder=dict(
        voxel_size=pillar,
        point_cloud_range=reach,
        norm_cfg=dict(type='PillarBatchNorm1d', eps=1e-3, momentum=0.01),
    ),
    middle_encoder=dict(output_shape=[192, 192]),
    backbone=dict(layer_nums=[1, 2, 2], out_channels=[64, 128, 128]),
    neck=dict(in_channels=[64, 128, 128], out_channels=[64, 64, 64]),
    bbox_head=dict(
        in_channels=192,
        feat_channels=192,
        anchor_generator=dict(
            ranges=[
                [0, -19.2, -0.6, 38.4, 19.2, -0.6],
                [0, -19.2, -0.6, 38.4, 19.2, -0.6],
                [0, -19.2, -1.78, 38.4, 19.2, -1.78],
            ]
        ),
    ),
)

_base_ = './pointpillars_mini.py'
reach = [0, -19.2, -3, 51.2, 19.2, 1]
model = dict(
    data_preprocessor=dict(voxel_layer=dict(point_cloud_range=reach)),
    voxel_encoder=dict(point_cloud_range=reach),
    middle_encoder=dict(output_shape=[192, 256]),
    bbox_head=dict(
        num_classes=1,
        anchor_generator=dict(
            ranges=[[0, -19.2, -1.78, 51.2, 19.2, -1.78]], sizes=[[3.9, 1.6, 1.56]]
        ),
    ),
    train_cfg=dict(assigner=[_base_.model.train_cfg.assigner[2]]),
)

# The procedural streets of `tools/make_mini_data.py kitti`: KITTI's layout at another place, the range
# that the mini detectors see, loaders sized for two CPU cores.
_base_ = 'mmdet3d::_base_/datasets/kitti-3d-3class.py'
data_root = 'data/mini_kitti/'
point_cloud_range = [0, -19.2, -3, 38.4, 19.2, 1]
class_names = ['Pedestrian', 'Cyclist', 'Car']
metainfo = dict(classes=class_names)
load = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=4, use_dim=4)
db_sampler = dict(
    data_root=data_root,
    info_path=data_root + 'kitti_dbinfos_train.pkl',
    rate=1.0,
    prepare=dict(
        filter_by_difficulty=[-1], filter_by_min_points=dict(Car=5, Pedestrian=5, Cyclist=5)
    ),
    classes=class_names,
    sample_groups=dict(Car=8, Pedestrian=6, Cyclist=6),
    points_loader=load,
)
# No ObjectNoise: a hundred tries to shift each object cost more than a training step of the student.
train_pipeline = [
    load,
    dict(type='LoadAnnotations3D', with_bbox_3d=True, with_label_3d=True),
    dict(type='ObjectSample', db_sampler=db_sampler),
    dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5),
    dict(
        type='GlobalRotScaleTrans',
        rot_range=[-0.78539816, 0.78539816],
        scale_ratio_range=[0.95, 1.05],
    ),
    dict(type='PointsRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='ObjectRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='PointShuffle'),
    dict(type='Pack3DDetInputs', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d']),
]
test_pipeline = [
    load,
    dict(type='PointsRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='Pack3DDetInputs', keys=['points']),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,  # a worker forked each epoch costs page faults in all steps, loading little
    persistent_workers=False,
    drop_last=True,
    dataset=dict(
        _delete_=True,
        type='KittiDataset',
        data_root=data_root,
        ann_file='kitti_infos_train.pkl',
        data_prefix=dict(pts='training/velodyne_reduced'),
        pipeline=train_pipeline,
        modality=dict(use_lidar=True, use_camera=False),
        metainfo=metainfo,
        box_type_3d='LiDAR',
        test_mode=False,
    ),
)
val_dataloader = dict(
    num_workers=1, dataset=dict(data_root=data_root, pipeline=test_pipeline, metainfo=metainfo)
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'kitti_infos_val.pkl')
test_evaluator = val_evaluator

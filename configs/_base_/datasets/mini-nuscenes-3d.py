# The procedural streets of `tools/make_mini_data.py nuscenes-detection`: nuScenes' layout at another place,
# scored by nuscenes-devkit on its own split mini_val, loaders sized for two CPU cores.
_base_ = 'mmdet3d::_base_/datasets/nus-3d.py'
data_root = 'data/mini_nuscenes_detection/'
# Streets are long and narrow, y forward: 95 % of what is scored lies within 25.6 m of the center line.
point_cloud_range = [-25.6, -51.2, -5.0, 25.6, 51.2, 3.0]
# The order of CenterPoint's tasks; the anchors of nuScenes' anchor heads belong to no class.
class_names = [
    'car',
    'truck',
    'construction_vehicle',
    'bus',
    'trailer',
    'barrier',
    'motorcycle',
    'bicycle',
    'pedestrian',
    'traffic_cone',
]
metainfo = dict(classes=class_names, version='v1.0-mini')  # of the tables that the metric opens
load = [
    dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=5),
    # Key frames alone, 0.5 s apart: without sweeps this step sets the ring number to a time lag of 0,
    # so networks find the five columns (x, y, z, intensity, lag) that CenterPoint has on nuScenes.
    dict(type='LoadPointsFromMultiSweeps', sweeps_num=0, use_dim=[0, 1, 2, 3, 4]),
]
train_pipeline = [
    *load,
    dict(type='LoadAnnotations3D', with_bbox_3d=True, with_label_3d=True),
    dict(
        type='GlobalRotScaleTrans',
        rot_range=[-0.3925, 0.3925],
        scale_ratio_range=[0.95, 1.05],
        translation_std=[0, 0, 0],
    ),
    dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5, flip_ratio_bev_vertical=0.5),
    dict(type='PointsRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='ObjectRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='ObjectNameFilter', classes=class_names),
    dict(type='PointShuffle'),
    dict(type='Pack3DDetInputs', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d']),
]
test_pipeline = [
    *load,
    dict(type='PointsRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='Pack3DDetInputs', keys=['points']),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,  # a worker forked each epoch costs page faults in all steps, loading little
    persistent_workers=False,
    drop_last=True,
    dataset=dict(data_root=data_root, pipeline=train_pipeline, metainfo=metainfo),
)
val_dataloader = dict(
    num_workers=1, dataset=dict(data_root=data_root, pipeline=test_pipeline, metainfo=metainfo)
)
test_dataloader = val_dataloader
val_evaluator = dict(data_root=data_root, ann_file=data_root + 'nuscenes_infos_val.pkl')
test_evaluator = val_evaluator

# A handful of real KITTI frames, cars alone: splits are made with
# `tools/dataset_converters/kitti_infos.py`, scores come with the number of objects and their ceiling.
_base_ = './mini-kitti-3d.py'
data_root = 'data/kitti_frames/'
point_cloud_range = [0, -19.2, -3, 51.2, 19.2, 1]
class_names = ['Car']
metainfo = dict(classes=class_names)
load = _base_.load
db_sampler = {
    **_base_.db_sampler,
    'data_root': data_root,
    'info_path': data_root + 'kitti_dbinfos_train.pkl',
    'prepare': dict(filter_by_difficulty=[-1], filter_by_min_points=dict(Car=5)),
    'classes': class_names,
    'sample_groups': dict(Car=10),
}
train_pipeline = [
    load,
    _base_.train_pipeline[1],
    dict(type='ObjectSample', db_sampler=db_sampler),
    dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5),
    _base_.train_pipeline[4],
    dict(type='PointsRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='ObjectRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='ObjectNameFilter', classes=class_names),
    dict(type='PointShuffle'),
    _base_.train_pipeline[-1],
]
test_pipeline = [
    load,
    dict(type='PointsRangeFilter', point_cloud_range=point_cloud_range),
    _base_.test_pipeline[-1],
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        times=1,  # more for a split of fewer frames
        dataset={
            **_base_.train_dataloader.dataset,
            'data_root': data_root,
            'pipeline': train_pipeline,
            'metainfo': metainfo,
        },
    )
)
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline, metainfo=metainfo))
test_dataloader = val_dataloader
val_evaluator = dict(
    type='KittiMetricWithCeiling', ann_file=data_root + 'kitti_infos_val.pkl', min_objects=10
)
test_evaluator = val_evaluator

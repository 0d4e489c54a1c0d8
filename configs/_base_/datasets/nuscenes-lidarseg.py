# nuScenes-lidarseg, 16 classes, key frames: xyz and intensity (in [0, 1]) as features. Labels are
# 0..15, 16 is "no label". Info files: mmdet3d's tools/create_data.py nuscenes, with
# nuScenes-lidarseg unpacked into the data root before.
_base_ = './seg_loaders.py'
class_names = (
    'barrier',
    'bicycle',
    'bus',
    'car',
    'construction_vehicle',
    'motorcycle',
    'pedestrian',
    'traffic_cone',
    'trailer',
    'truck',
    'driveable_surface',
    'other_flat',
    'sidewalk',
    'terrain',
    'manmade',
    'vegetation',
)
data_root = 'data/nuscenes/'
data_prefix = dict(pts='samples/LIDAR_TOP', pts_semantic_mask='lidarseg/v1.0-trainval')

# How relation losses cut a scan into super-voxels: the paper's cylinders around the sensor, and so
# many of them that a step compares a share of the scan (tools/analysis_tools/super_voxel_share.py).
super_voxels = dict(partition=dict(type='CylinderPartition'), num_super_voxels=24)

load = [
    dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=[0, 1, 2, 3]),
    dict(type='DivideIntensity', divisor=255),
    dict(
        type='LoadAnnotations3D',
        with_bbox_3d=False,
        with_label_3d=False,
        with_seg_3d=True,
        seg_3d_dtype='np.uint8',
    ),
    dict(type='PointSegClassMapping'),
]
augment = [  # PTv3's recipe for nuScenes (Pointcept configs/nuscenes/semseg-pt-v3m1-0-base.py)
    dict(
        type='RandomFlip3D',
        sync_2d=False,
        flip_ratio_bev_horizontal=0.5,
        flip_ratio_bev_vertical=0.5,
    ),
    dict(
        type='GlobalRotScaleTrans',
        rot_range=[-3.1415926, 3.1415926],
        scale_ratio_range=[0.9, 1.1],
        translation_std=[0, 0, 0],
    ),
    dict(type='RandomJitterPoints', jitter_std=[0.005] * 3, clip_range=[-0.02, 0.02]),
]
recipe = [*augment, dict(type='GridSamplePoints', size=0.05)]
train_pipeline = [
    *load,
    *recipe,
    dict(type='Mix3D', pre_transform=[*load, *recipe], p=0.8),
    dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask']),
]
test_pipeline = [*load, dict(type='Pack3DDetInputs', keys=['points'])]
# The ten views of the same recipe: five scales, each plain and flipped along both axes. (Pointcept
# also runs each view on fragments of a finer grid; here a voxel's points share its prediction.)
tta_pipeline = [
    *load,
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(
                    type='RandomFlip3D',
                    sync_2d=False,
                    flip_ratio_bev_horizontal=flip,
                    flip_ratio_bev_vertical=flip,
                )
                for flip in (0.0, 1.0)
            ],
            [
                dict(
                    type='GlobalRotScaleTrans',
                    rot_range=[0, 0],
                    scale_ratio_range=[scale, scale],
                    translation_std=[0, 0, 0],
                )
                for scale in (0.9, 0.95, 1.0, 1.05, 1.1)
            ],
            [dict(type='Pack3DDetInputs', keys=['points'])],
        ],
    ),
]

dataset = dict(
    type='NuScenesLidarSegDataset',
    data_root=data_root,
    data_prefix=data_prefix,
    metainfo=dict(classes=class_names),
    modality=dict(use_lidar=True, use_camera=False),
    ignore_index=len(class_names),
)
train_dataloader = dict(
    dataset=dict(
        ann_file='nuscenes_infos_train.pkl', pipeline=train_pipeline, test_mode=False, **dataset
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='nuscenes_infos_val.pkl', pipeline=test_pipeline, test_mode=True, **dataset
    )
)
test_dataloader = val_dataloader
# with submission_prefix='FOLDER' the predictions are written, too: docs/with_mmdet3d.md
test_evaluator = dict(submission=dict(type='NuScenesLidarSegSubmission'))

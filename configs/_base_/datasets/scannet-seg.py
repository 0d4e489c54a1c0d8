# ScanNet v2, 20 classes, through mmdet3d's own data set class and info files: whole scenes, xyz and
# rgb (in [0, 1]) as features. Labels are 0..19, 20 is "no label".
_base_ = './seg_loaders.py'
class_names = (
    'wall',
    'floor',
    'cabinet',
    'bed',
    'chair',
    'sofa',
    'table',
    'door',
    'window',
    'bookshelf',
    'picture',
    'counter',
    'desk',
    'curtain',
    'refrigerator',
    'showercurtrain',
    'toilet',
    'sink',
    'bathtub',
    'otherfurniture',
)
data_root = 'data/scannet/'
data_prefix = dict(
    pts='points', pts_instance_mask='instance_mask', pts_semantic_mask='semantic_mask'
)

# How relation losses cut a scan into super-voxels: rooms have no origin, so cubes.
super_voxels = dict(partition=dict(type='CubePartition', size=1.0))

load = [
    dict(
        type='LoadPointsFromFile',
        coord_type='DEPTH',
        shift_height=False,
        use_color=True,
        load_dim=6,
        use_dim=[0, 1, 2, 3, 4, 5],
    ),
    dict(
        type='LoadAnnotations3D',
        with_bbox_3d=False,
        with_label_3d=False,
        with_mask_3d=False,
        with_seg_3d=True,
    ),
    dict(type='PointSegClassMapping'),
]
augment = [
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
# What PTv3 and SRKD's release train ScanNet with (method: Pointcept's recipe), place by place; their
# rotation about z has p = 0.5. Two scans are mixed before the crop, so a sample's size stays bounded.
recipe = [
    dict(type='CenterShift'),
    dict(type='RandomPointDropout', ratio=0.2, p=0.2),
    *augment[:-1],
    dict(type='RandomTilt', angle=3.1415926 / 64, p=0.5),
    augment[-1],
    dict(type='ElasticDistortion', fields=[(0.2, 0.4), (0.8, 1.6)]),
    dict(type='ChromaticAutoContrast', p=0.2),
    dict(type='ChromaticTranslation', p=0.95, ratio=0.05),
    dict(type='ChromaticJitter', p=0.95, std=0.05),
    dict(type='GridSamplePoints', size=0.02),
    dict(type='CenterShift', apply_z=False),
]
mix = [
    dict(type='Mix3D', pre_transform=[*load, *recipe], p=0.8),
    dict(type='SphereCrop', max_points=102400),
]
center = dict(type='CenterShift')  # the features hold xyz
normalize = dict(type='NormalizePointsColor', color_mean=None)
train_pipeline = [
    *load,
    *recipe,
    *mix,
    normalize,
    dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask']),
]
test_pipeline = [*load, center, normalize, dict(type='Pack3DDetInputs', keys=['points'])]
tta_pipeline = [
    *load,
    center,
    normalize,
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(
                    type='RandomFlip3D',
                    sync_2d=False,
                    flip_ratio_bev_horizontal=horizontal,
                    flip_ratio_bev_vertical=vertical,
                )
                for horizontal in (0.0, 1.0)
                for vertical in (0.0, 1.0)
            ],
            [dict(type='Pack3DDetInputs', keys=['points'])],
        ],
    ),
]

dataset = dict(
    type='ScanNetEverySceneDataset',  # mmdet3d's resampled list repeats large rooms, for crops
    data_root=data_root,
    data_prefix=data_prefix,
    metainfo=dict(classes=class_names),
    modality=dict(use_lidar=True, use_camera=False),
    ignore_index=len(class_names),
)
train_dataloader = dict(
    dataset=dict(
        ann_file='scannet_infos_train.pkl', pipeline=train_pipeline, test_mode=False, **dataset
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='scannet_infos_val.pkl', pipeline=test_pipeline, test_mode=True, **dataset
    )
)
test_dataloader = val_dataloader
# with submission_prefix='FOLDER' the predictions are written, too: docs/with_mmdet3d.md
test_evaluator = dict(submission=dict(type='ScanNetSubmission'))

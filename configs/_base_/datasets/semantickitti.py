# SemanticKITTI, 19 classes of single scans, through mmdet3d's own data set class and info files:
# xyz and remission as features. Labels are 0..18, 19 is "no label". The names are mmdet3d's: 'bus'
# stands for other-vehicle, 'trunck' and 'terrian' for trunk and terrain.
_base_ = './seg_loaders.py'
class_names = (
    'car',
    'bicycle',
    'motorcycle',
    'truck',
    'bus',
    'person',
    'bicyclist',
    'motorcyclist',
    'road',
    'parking',
    'sidewalk',
    'other-ground',
    'building',
    'fence',
    'vegetation',
    'trunck',
    'terrian',
    'pole',
    'traffic-sign',
)
label_map = {  # semantic-kitti.yaml of the SemanticKITTI API; moving things count as what they are
    0: 19,
    1: 19,  # unlabeled, outlier
    10: 0,
    252: 0,  # car
    11: 1,  # bicycle
    15: 2,  # motorcycle
    18: 3,
    258: 3,  # truck
    13: 4,
    16: 4,
    20: 4,
    256: 4,
    257: 4,
    259: 4,  # bus, on-rails, other vehicles
    30: 5,
    254: 5,  # person
    31: 6,
    253: 6,  # bicyclist
    32: 7,
    255: 7,  # motorcyclist
    40: 8,
    60: 8,  # road, lane marking
    44: 9,  # parking
    48: 10,  # sidewalk
    49: 11,  # other ground
    50: 12,  # building
    51: 13,  # fence
    70: 14,  # vegetation
    71: 15,  # trunk
    72: 16,  # terrain
    80: 17,  # pole
    81: 18,  # traffic sign
    52: 19,
    99: 19,  # other structure, other object
}
data_root = 'data/semantickitti/'
data_prefix = dict(pts='', pts_semantic_mask='')  # info files hold sequences/00/velodyne/...

# How relation losses cut a scan into super-voxels: the paper's cylinders around the sensor, and so
# many of them that a step compares a share of the scan (tools/analysis_tools/super_voxel_share.py).
super_voxels = dict(partition=dict(type='CylinderPartition'), num_super_voxels=24)

load = [
    dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=4, use_dim=[0, 1, 2, 3]),
    dict(
        type='LoadAnnotations3D',
        with_bbox_3d=False,
        with_label_3d=False,
        with_seg_3d=True,
        seg_3d_dtype='np.int32',
        seg_offset=2**16,  # above it: instance ids
        dataset_type='semantickitti',
        known_ids=sorted(label_map),
    ),
    dict(type='PointSegClassMapping'),
]
augment = [  # as in PTv3's recipe for nuScenes
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
# LaserMix or PolarMix, as in mmdet3d's own recipe (minkunet34 .. laser-polar-mix-3x_semantickitti).
mix = dict(
    type='RandomChoice',
    transforms=[
        [
            dict(
                type='LaserMix',
                num_areas=[3, 4, 5, 6],
                pitch_angles=[-25, 3],
                pre_transform=load,
                prob=1,
            )
        ],
        [
            dict(
                type='PolarMix',
                instance_classes=[0, 1, 2, 3, 4, 5, 6, 7],
                swap_ratio=0.5,
                rotate_paste_ratio=1.0,
                pre_transform=load,
                prob=1,
            )
        ],
    ],
    prob=[0.5, 0.5],
)
train_pipeline = [
    *load,
    mix,
    *augment,
    dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask']),
]
test_pipeline = [*load, dict(type='Pack3DDetInputs', keys=['points'])]
# The 36 views of mmdet3d's own protocol (configs/_base_/datasets/semantickitti.py): four flips,
# rotation by -45, 0 and 45 degrees, three scales.
tta_pipeline = [
    *load,
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
            [
                dict(
                    type='GlobalRotScaleTrans',
                    rot_range=[angle, angle],
                    scale_ratio_range=[scale, scale],
                    translation_std=[0, 0, 0],
                )
                for angle in (-0.78539816, 0.0, 0.78539816)
                for scale in (0.95, 1.0, 1.05)
            ],
            [dict(type='Pack3DDetInputs', keys=['points'])],
        ],
    ),
]

dataset = dict(
    type='SemanticKittiDataset',
    data_root=data_root,
    data_prefix=data_prefix,
    metainfo=dict(classes=class_names, seg_label_mapping=label_map, max_label=259),
    modality=dict(use_lidar=True, use_camera=False),
    ignore_index=len(class_names),
)
train_dataloader = dict(
    dataset=dict(
        ann_file='semantickitti_infos_train.pkl',
        pipeline=train_pipeline,
        test_mode=False,
        **dataset,
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='semantickitti_infos_val.pkl', pipeline=test_pipeline, test_mode=True, **dataset
    )
)
test_dataloader = val_dataloader
# With submission_prefix='FOLDER' the predictions are written, too (docs/with_mmdet3d.md), as the ids
# of learning_map_inv in semantic-kitti.yaml.
test_evaluator = dict(
    submission=dict(
        type='SemanticKittiSubmission',
        ids=[10, 11, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 70, 71, 72, 80, 81],
    )
)

# PandaSet in SemanticKITTI's layout, its 42 raw ids merged into 12 classes: xyz and intensity as
# features. Labels are 0..11, 12 is "no label". No public benchmark: the merging is ours, made of
# what occurs in the drives, with SemanticKITTI's classes in mind. Info files:
# tools/dataset_converters/pandaset_infos.py.
_base_ = './seg_loaders.py'
class_names = (
    'car',
    'truck',
    'other-vehicle',
    'two-wheeler',
    'person',
    'road',
    'other-ground',
    'vegetation',
    'building',
    'sign',
    'barrier',
    'other-static',
)
merged = {  # raw ids of PandaSet's class list; the others have no label
    'car': (13, 14),  # car, pickup truck
    'truck': (15, 16),  # medium-sized truck, semi-truck
    # towed, construction, uncommon, emergency, bus, train, trolley, tram
    'other-vehicle': (17, 19, 20, 22, 23, 27, 28, 29),
    'two-wheeler': (18, 21, 24, 25, 26),  # motorcycle, pedicab, mobility device, scooter, bicycle
    'person': (30, 31),  # alone, with object
    'road': (7, 8, 9, 10),  # road, lane, stop line and other markings
    'other-ground': (6, 11, 12),  # ground, sidewalk, driveway
    'vegetation': (5,),
    'building': (41,),
    'sign': (36, 38),  # signs, construction signs
    'barrier': (34, 35, 37, 39),  # pylons, road barriers, cones, construction barriers
    'other-static': (40, 42),  # rolling containers, other static object
}
# without a class: 0; smoke, exhaust, spray, reflection, animals
label_map = {raw: len(class_names) for raw in range(43)}
label_map.update({raw: class_names.index(name) for name, ids in merged.items() for raw in ids})
data_root = 'data/pandaset/'
data_prefix = dict(pts='', pts_semantic_mask='')  # info files hold 002/velodyne/...

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
        seg_offset=2**16,
        dataset_type='semantickitti',
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
train_pipeline = [
    *load,
    *augment,
    dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask']),
]
test_pipeline = [*load, dict(type='Pack3DDetInputs', keys=['points'])]
# The 36 views that mmdet3d takes of SemanticKITTI.
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
    type='LabelMapSegDataset',
    data_root=data_root,
    data_prefix=data_prefix,
    metainfo=dict(classes=class_names, seg_label_mapping=label_map, max_label=42),
    modality=dict(use_lidar=True, use_camera=False),
    ignore_index=len(class_names),
)
train_dataloader = dict(
    dataset=dict(
        ann_file='pandaset_infos_train.pkl', pipeline=train_pipeline, test_mode=False, **dataset
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='pandaset_infos_val.pkl', pipeline=test_pipeline, test_mode=True, **dataset
    )
)
test_dataloader = val_dataloader

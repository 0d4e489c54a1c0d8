"""Small real detectors and clouds with boxes that many tests share."""

import torch
from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
from mmengine.structures import InstanceData
from toy import build

RANGE = (0, -5.12, -3, 10.24, 5.12, 1)
CLASSES = 2


def pointpillars(width: int = 8, cell: float = 0.32, reach: tuple = RANGE) -> dict:
    """Config of PointPillars with two stages, for boxes of two classes."""
    voxel_size = (cell, cell, reach[5] - reach[2])
    shape = [round((reach[i + 3] - reach[i]) / cell) for i in (1, 0)]
    return dict(
        type='VoxelNet',
        data_preprocessor=dict(
            type='Det3DDataPreprocessor',
            voxel=True,
            voxel_layer=dict(
                max_num_points=8,
                point_cloud_range=list(reach),
                voxel_size=list(voxel_size),
                max_voxels=(400, 800),
            ),
        ),
        voxel_encoder=dict(
            type='PillarFeatureNet',
            in_channels=4,
            feat_channels=[width],
            voxel_size=voxel_size,
            point_cloud_range=reach,
        ),
        middle_encoder=dict(type='PointPillarsScatter', in_channels=width, output_shape=shape),
        **_trunk(width),
        bbox_head=dict(
            type='Anchor3DHead',
            num_classes=CLASSES,
            in_channels=2 * width,
            feat_channels=2 * width,
            use_direction_classifier=True,
            assign_per_class=True,
            anchor_generator=dict(
                type='AlignedAnchor3DRangeGenerator',
                ranges=[[*reach[:2], -1.8, *reach[3:5], -1.8]] * CLASSES,
                sizes=[[0.8, 0.6, 1.7], [3.9, 1.6, 1.6]],
                rotations=[0, 1.57],
                reshape_out=False,
            ),
            diff_rad_by_sin=True,
            bbox_coder=dict(type='DeltaXYZWLHRBBoxCoder'),
            loss_cls=dict(type='mmdet.FocalLoss', use_sigmoid=True, loss_weight=1.0),
            loss_bbox=dict(type='mmdet.SmoothL1Loss', beta=1 / 9, loss_weight=2.0),
            loss_dir=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=False, loss_weight=0.2),
        ),
        train_cfg=dict(
            assigner=[
                dict(
                    type='Max3DIoUAssigner',
                    iou_calculator=dict(type='mmdet3d.BboxOverlapsNearest3D'),
                    pos_iou_thr=0.5,
                    neg_iou_thr=0.35,
                    min_pos_iou=0.35,
                    ignore_iof_thr=-1,
                )
            ]
            * CLASSES,
            allowed_border=0,
            pos_weight=-1,
            debug=False,
        ),
        test_cfg=dict(
            use_rotate_nms=True,
            nms_across_levels=False,
            nms_thr=0.01,
            score_thr=0.0,
            min_bbox_size=0,
            nms_pre=20,
            max_num=10,
        ),
    )


def centerpoint(width: int = 8) -> dict:
    """Config of a CenterPoint with pillars and a head of two tasks."""
    pillars = pointpillars(width)
    reach, voxel_size = list(RANGE), pillars['voxel_encoder']['voxel_size']
    grid = [32, 32, 1]
    codes = dict(reg=(2, 2), height=(1, 2), dim=(3, 2), rot=(2, 2), vel=(2, 2))
    return dict(
        type='CenterPoint',
        data_preprocessor=pillars['data_preprocessor'],
        pts_voxel_encoder=pillars['voxel_encoder'] | dict(legacy=False),
        pts_middle_encoder=pillars['middle_encoder'],
        pts_backbone=pillars['backbone'],
        pts_neck=pillars['neck'],
        pts_bbox_head=dict(
            type='CenterHead',
            in_channels=2 * width,
            tasks=[
                dict(num_class=1, class_names=['Pedestrian']),
                dict(num_class=2, class_names=['Car', 'Van']),
            ],
            common_heads=codes,
            share_conv_channel=width,
            bbox_coder=dict(
                type='CenterPointBBoxCoder',
                post_center_range=reach,
                max_num=20,
                score_threshold=0.0,
                out_size_factor=2,
                voxel_size=voxel_size[:2],
                code_size=9,
                pc_range=reach[:2],
            ),
            separate_head=dict(type='SeparateHead', init_bias=-2.19, final_kernel=3),
            loss_cls=dict(type='mmdet.GaussianFocalLoss', reduction='mean'),
            loss_bbox=dict(type='mmdet.L1Loss', reduction='mean', loss_weight=0.25),
            norm_bbox=True,
        ),
        train_cfg=dict(
            pts=dict(
                grid_size=grid,
                voxel_size=voxel_size,
                point_cloud_range=reach,
                out_size_factor=2,
                dense_reg=1,
                gaussian_overlap=0.1,
                max_objs=20,
                min_radius=2,
                code_weights=[1.0] * 10,
            )
        ),
        test_cfg=dict(
            pts=dict(
                post_center_limit_range=reach,
                max_per_img=20,
                max_pool_nms=False,
                min_radius=[1, 1],
                score_threshold=0.0,
                pc_range=reach[:2],
                out_size_factor=2,
                voxel_size=voxel_size[:2],
                nms_type='rotate',
                pre_max_size=20,
                post_max_size=10,
                nms_thr=0.2,
            )
        ),
    )


def _trunk(width: int) -> dict:
    return dict(
        backbone=dict(
            type='SECOND',
            in_channels=width,
            layer_nums=[1, 1],
            layer_strides=[2, 2],
            out_channels=[width, 2 * width],
        ),
        neck=dict(
            type='SECONDFPN',
            in_channels=[width, 2 * width],
            upsample_strides=[1, 2],
            out_channels=[width, width],
        ),
    )


def scenes(
    sizes: tuple[int, ...] = (300, 200), seed: int = 0, objects: int = 3, code_size: int = 7
) -> dict:
    """What a data loader gives: random clouds with boxes of two classes."""
    generator = torch.Generator().manual_seed(seed)
    low, high = torch.tensor(RANGE[:3]), torch.tensor(RANGE[3:])
    clouds, samples = [], []
    for index, size in enumerate(sizes):
        cloud = torch.rand(size, 4, generator=generator)
        cloud[:, :3] = low + cloud[:, :3] * (high - low)
        center = low + torch.rand(objects, 3, generator=generator) * (high - low)
        label = torch.arange(objects) % CLASSES
        extent = torch.tensor([[0.8, 0.6, 1.7], [3.9, 1.6, 1.6]])[label]
        rest = torch.rand(objects, code_size - 6, generator=generator)
        truth = InstanceData(
            bboxes_3d=LiDARInstance3DBoxes(torch.cat([center, extent, rest], 1), code_size),
            labels_3d=label,
        )
        sample = Det3DDataSample(
            metainfo=dict(box_type_3d=LiDARInstance3DBoxes, lidar_path=f'{index:06d}.bin')
        )
        sample.gt_instances_3d = truth
        clouds.append(cloud)
        samples.append(sample)
    return dict(inputs=dict(points=clouds), data_samples=samples)


def detector_distiller(student: dict, teacher: dict, checkpoint: str, terms: dict, **more):
    """Build a ``DistillDetector``."""
    return build(
        dict(
            type='DistillDetector',
            student=student,
            teacher=dict(config=teacher, checkpoint=checkpoint),
            terms=terms,
            **more,
        )
    )


REACH = [0, -12.8, -3, 25.6, 12.8, 1]


def shrink(cfg: dict) -> dict:
    """Put a detector of mmdet3d, in place, on 64 x 64 cells of 0.4 m."""
    prefix = 'pts_' if 'pts_backbone' in cfg else ''
    middle = cfg[f'{prefix}middle_encoder']
    sparse = middle.type == 'SparseEncoder'
    size = [0.4, 0.4, 0.1] if sparse else [0.4, 0.4, 4]
    place = dict(voxel_size=size, point_cloud_range=REACH)
    cfg.data_preprocessor.voxel_layer.update(**place, max_voxels=(600, 600))
    if sparse:
        middle.sparse_shape = [41, 64, 64]
    else:
        cfg[f'{prefix}voxel_encoder'].update(place)
        middle.output_shape = [64, 64]
    head = cfg[f'{prefix}bbox_head']
    if head.type == 'CenterHead':
        cfg.train_cfg.pts.update(grid_size=[64, 64, 1], **place)
        cfg.test_cfg.pts.update(voxel_size=size[:2], pc_range=REACH[:2])
        head.bbox_coder.update(voxel_size=size[:2], pc_range=REACH[:2], max_num=100)
    else:
        spans = head.anchor_generator.ranges
        head.anchor_generator.ranges = [[*REACH[:2], z, *REACH[3:5], z] for _, _, z, *_ in spans]
    return cfg

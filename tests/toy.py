"""Small real networks and clouds that many tests share."""

import copy
from pathlib import Path

import mmengine
import numpy as np
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope

import projects.SRKD  # noqa: F401 - registers every component

NUM_CLASSES = 5  # label 5 is "no label"


def minkunet(width: int = 8, voxel_size: float = 0.1, num_classes: int = NUM_CLASSES) -> dict:
    """Config of a two-stage MinkUNet segmentor on spconv."""
    backbone = dict(
        type='MinkUNetBackbone',
        in_channels=6,
        num_stages=2,
        base_channels=width,
        encoder_channels=[width, 2 * width],
        encoder_blocks=[1, 1],
        decoder_channels=[2 * width, width],
        decoder_blocks=[1, 1],
        sparseconv_backend='spconv',
    )
    return _segmentor(backbone, width, voxel_size, num_classes)


def ptv3(
    width: int = 16, voxel_size: float = 0.1, num_classes: int = NUM_CLASSES, **changes
) -> dict:
    """Config of a two-stage PTv3 segmentor without drop path."""
    backbone = dict(
        type='PointTransformerV3',
        in_channels=6,
        order=('z', 'hilbert'),
        stride=(2,),
        enc_depths=(1, 1),
        enc_channels=(width, 2 * width),
        enc_num_head=(2, 4),
        enc_patch_size=(64, 64),
        dec_depths=(1,),
        dec_channels=(width,),
        dec_num_head=(2,),
        dec_patch_size=(64,),
        drop_path=0.0,
        shuffle_orders=False,
        depth=10,
    )
    return _segmentor(backbone | changes, width, voxel_size, num_classes)


def _segmentor(backbone: dict, channels: int, voxel_size: float, num_classes: int) -> dict:
    return dict(
        type='MinkUNet',
        data_preprocessor=dict(type='VoxelSegDataPreprocessor', voxel_size=voxel_size),
        backbone=backbone,
        decode_head=dict(
            type='VoxelSegHead',
            channels=channels,
            num_classes=num_classes,
            ignore_index=num_classes,
            loss_decode=dict(type='mmdet.CrossEntropyLoss', avg_non_ignore=True),
        ),
    )


def build(config: dict):
    """Build a network without letting its constructor edit the config."""
    with DefaultScope.overwrite_default_scope('mmdet3d'):  # fixtures of a module have none yet
        return MODELS.build(ConfigDict(copy.deepcopy(config)))


def save_checkpoint(config: dict, path: Path, seed: int = 0) -> str:
    """Write the weights of a freshly initialized network and return the path."""
    torch.manual_seed(seed)
    torch.save({'state_dict': build(config).state_dict()}, path)
    return str(path)


def batch(
    sizes: tuple[int, ...] = (300, 200), seed: int = 0, num_classes: int = NUM_CLASSES
) -> dict:
    """What a data loader gives: random clouds of some meters with labels, some unlabeled."""
    generator = torch.Generator().manual_seed(seed)
    clouds, samples = [], []
    for size in sizes:
        cloud = torch.rand(size, 6, generator=generator)
        cloud[:, :3] *= torch.tensor([2.0, 1.5, 1.0])
        label = torch.randint(0, num_classes + 1, (size,), generator=generator)
        clouds.append(cloud)
        samples.append(Det3DDataSample(gt_pts_seg=PointData(pts_semantic_mask=label)))
    return dict(inputs=dict(points=clouds), data_samples=samples)


KD = dict(
    student_tap='decode_head.conv_seg',
    loss=dict(type='SoftTargetKLLoss', temperature=2.0, loss_weight=0.3),
)
IMITATE = dict(
    student_tap='backbone',
    connector=dict(type='LinearConnector'),
    loss=dict(type='FeatureMSELoss', loss_weight=0.1),
)


def distiller(student: dict, teacher: dict, checkpoint: str, **terms):
    """Build a ``DistillSegmentor``; without terms it has a logit and a feature term."""
    return build(
        dict(
            type='DistillSegmentor',
            student=student,
            teacher=dict(config=teacher, checkpoint=checkpoint),
            terms=terms or dict(kd=KD, imitate=IMITATE),
        )
    )


def total(losses: dict) -> torch.Tensor:
    """What mmengine would backpropagate."""
    return sum(value for name, value in losses.items() if 'loss' in name)


def write_scannet(root: Path, train: int = 6, val: int = 2, points: int = 400) -> Path:
    """Write random clouds in ScanNet's mmdet3d layout; two scans of every room."""
    rng = np.random.default_rng(0)
    ids = np.array([0, 1, 2, 3, 4, 5])  # NYU40: 0 is "no label"
    for folder in ('points', 'instance_mask', 'semantic_mask', 'seg_info'):
        (root / folder).mkdir(parents=True)
    np.save(root / 'seg_info/train_resampled_scene_idxs.npy', np.arange(train))
    for split, start, count in (('train', 0, train), ('val', train, val)):
        infos = []
        for i in range(start, start + count):
            name = f'scene{i // 2:04d}_{i % 2:02d}.bin'
            cloud = rng.random((points, 6)) * (2, 1.5, 1, 255, 255, 255)
            cloud.astype(np.float32).tofile(root / 'points' / name)
            label = rng.choice(ids, points).astype(np.int64)
            label.tofile(root / 'semantic_mask' / name)
            label.tofile(root / 'instance_mask' / name)
            infos.append(
                dict(
                    lidar_points=dict(num_pts_feats=6, lidar_path=name),
                    pts_semantic_mask_path=name,
                    pts_instance_mask_path=name,
                    instances=[],
                )
            )
        mmengine.dump(
            dict(metainfo=dict(dataset='scannet'), data_list=infos),
            root / f'scannet_infos_{split}.pkl',
        )
    return root

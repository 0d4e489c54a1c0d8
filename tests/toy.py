"""Small real networks and clouds that many tests share."""

import copy
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.registry import init_default_scope

import projects.SRKD  # noqa: F401 - registers every component

init_default_scope('mmdet3d')  # as a runner does with `default_scope`

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


def ptv3(width: int = 16, voxel_size: float = 0.1, num_classes: int = NUM_CLASSES, **changes) -> dict:
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
    return MODELS.build(copy.deepcopy(config))


def save_checkpoint(config: dict, path: Path, seed: int = 0) -> str:
    """Write the weights of a freshly initialised network and return the path."""
    torch.manual_seed(seed)
    torch.save({'state_dict': build(config).state_dict()}, path)
    return str(path)


def batch(sizes: tuple[int, ...] = (300, 200), seed: int = 0, num_classes: int = NUM_CLASSES) -> dict:
    """What a data loader gives: random clouds of some metres with labels, some unlabelled."""
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
    return MODELS.build(
        dict(
            type='DistillSegmentor',
            student=copy.deepcopy(student),
            teacher=dict(config=copy.deepcopy(teacher), checkpoint=checkpoint),
            terms=copy.deepcopy(terms or dict(kd=KD, imitate=IMITATE)),
        )
    )


def total(losses: dict) -> torch.Tensor:
    """What mmengine would backpropagate."""
    return sum(value for name, value in losses.items() if 'loss' in name)

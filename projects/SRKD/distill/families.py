"""Families of networks that can be distilled, asked while building.

Rows of two networks meet through raw points: a segmentor must lay its points into voxels of one
size, a detector must read points alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet3d.models.backbones import SPVCNNBackbone
from mmdet3d.models.detectors import (
    DfM,
    ImVoxelNet,
    MultiViewDfM,
    SingleStageMono3DDetector,
)
from mmdet3d.models.segmentors import Cylinder3D
from mmdet3d.registry import MODELS

from ..base import UsageError, UsageTypeError
from ..models import VoxelSegDataPreprocessor

_SEGMENTORS = (
    "expected a voxel segmentor: type='MinkUNet' with the backbone MinkUNetBackbone, PTv3, LitePT, "
    'CDSegNet or pillars, its points laid into cubic voxels'
)
_DETECTORS = (
    'expected a detector that reads points: VoxelNet (PointPillars, SECOND), MVXFasterRCNN without '
    'img_backbone, CenterPoint or PointRCNN'
)
_CAMERAS = (SingleStageMono3DDetector, ImVoxelNet, DfM, MultiViewDfM)


def check_segmentor(config: Mapping, role: str) -> None:
    """Refuse a segmentor whose rows are no cubic voxels.

    Args:
        config: Its model config.
        role: What it is called, ``student`` or ``teacher``.

    Raises:
        UsageTypeError: For Cylinder3D and SPVCNN.
        UsageError: If the preprocessor makes no voxels, as for PointNet++, DGCNN and PAConv.
    """
    preprocessor = config.get('data_preprocessor') or {}
    voxel_type = preprocessor.get('voxel_type', 'hard')
    if _is(config, Cylinder3D) or voxel_type == 'cylindrical':
        raise UsageTypeError(
            f'{role}.type={_name(config)} lays points into cylindrical cells, which match no other '
            f'network: {_SEGMENTORS}'
        )
    backbone = config.get('backbone') or {}
    if _is(backbone, SPVCNNBackbone):
        raise UsageTypeError(
            f'{role}.backbone.type={_name(backbone)} needs torchsparse, which this project does '
            f'not use: {_SEGMENTORS}'
        )
    if not _is(preprocessor, VoxelSegDataPreprocessor) and not preprocessor.get('voxel'):
        raise UsageError(
            f'{role}.data_preprocessor makes no voxels, so {_name(config)} with the backbone '
            f'{_name(backbone)} has no rows to be matched: {_SEGMENTORS}'
        )


def check_detector(config: Mapping, role: str) -> None:
    """Refuse a network that is no detector of points.

    Args:
        config: Its model config, without ``CompressedDetector`` around it.
        role: What it is called, ``student`` or ``teacher``.

    Raises:
        UsageTypeError: If it reads images.
    """
    if _is(config, _CAMERAS):
        raise UsageTypeError(f'{role}.type={_name(config)} reads images: {_DETECTORS}')
    if config.get('img_backbone') is not None:
        raise UsageTypeError(
            f'{role}.img_backbone: {_name(config)} reads images beside points: {_DETECTORS}'
        )


def _is(config: Mapping, kinds: type | tuple[type, ...]) -> bool:
    kind: Any = config.get('type')
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    return isinstance(kind, type) and issubclass(kind, kinds)


def _name(config: Mapping) -> str:
    kind = config.get('type')
    return kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))

"""Segmentation parts that mmdet3d lacks: a voxeliser, a head with two losses, a pillar backbone."""

from .data_preprocessor import VoxelSegDataPreprocessor
from .pillar_backbone import PointPillarsSegBackbone
from .voxel_seg_head import VoxelSegHead

__all__ = ['PointPillarsSegBackbone', 'VoxelSegDataPreprocessor', 'VoxelSegHead']

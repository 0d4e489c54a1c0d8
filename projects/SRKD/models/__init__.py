"""Segmentation parts that mmdet3d lacks: a device-agnostic voxeliser and a head with two losses."""

from .data_preprocessor import VoxelSegDataPreprocessor
from .voxel_seg_head import VoxelSegHead

__all__ = ['VoxelSegDataPreprocessor', 'VoxelSegHead']

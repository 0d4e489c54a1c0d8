"""What mmdet3d lacks: a voxelizer, head and pillar backbone for segmentors; narrowed detectors."""

from .compression import build_compressed, compressed, divisor_of, inherit
from .data_preprocessor import VoxelSegDataPreprocessor
from .pillar_backbone import PointPillarsSegBackbone
from .row_norm import RowBatchNorm1d
from .voxel_seg_head import VoxelSegHead

__all__ = [
    'PointPillarsSegBackbone',
    'RowBatchNorm1d',
    'VoxelSegDataPreprocessor',
    'VoxelSegHead',
    'build_compressed',
    'compressed',
    'divisor_of',
    'inherit',
]

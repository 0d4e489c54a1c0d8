"""What mmdet3d lacks: a voxelizer, head and pillar backbone for segmentors; narrowed detectors."""

from .aligned_seg_head import AlignedSegHead
from .compression import build_compressed, compressed, divisor_of, inherit
from .data_preprocessor import VoxelSegDataPreprocessor
from .inputs import ChosenInputsPreprocessor
from .pillar_backbone import PointPillarsSegBackbone
from .pillar_norm import PillarBatchNorm1d, RowBatchNorm1d
from .voxel_seg_head import VoxelSegHead

__all__ = [
    'AlignedSegHead',
    'ChosenInputsPreprocessor',
    'PointPillarsSegBackbone',
    'PillarBatchNorm1d',
    'RowBatchNorm1d',
    'VoxelSegDataPreprocessor',
    'VoxelSegHead',
    'build_compressed',
    'compressed',
    'divisor_of',
    'inherit',
]

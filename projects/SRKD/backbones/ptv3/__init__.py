"""Point Transformer V3; torch only."""

from .model import PointTransformerV3
from .point_cloud import PointCloud

__all__ = ['PointCloud', 'PointTransformerV3']

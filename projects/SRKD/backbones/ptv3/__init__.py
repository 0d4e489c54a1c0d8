"""Point Transformer V3; torch only."""

from .model import PointTransformerV3, PublishedPointTransformerV3
from .point_cloud import PointCloud

__all__ = ['PointCloud', 'PointTransformerV3', 'PublishedPointTransformerV3']

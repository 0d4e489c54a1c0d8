"""Backbones that mmdet3d lacks."""

from .cdsegnet import CDSegNet
from .litept import LitePT
from .ptv3 import PointTransformerV3, PublishedPointTransformerV3

__all__ = ['CDSegNet', 'LitePT', 'PointTransformerV3', 'PublishedPointTransformerV3']

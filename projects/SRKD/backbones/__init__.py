"""Backbones that mmdet3d lacks."""

from .ptv3 import PointTransformerV3

__all__ = ['PointTransformerV3']

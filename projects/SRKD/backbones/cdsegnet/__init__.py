"""CDSegNet; torch only (``segmentor.py`` apart, which needs mmdet3d)."""

from .model import CDSegNet

__all__ = ['CDSegNet']

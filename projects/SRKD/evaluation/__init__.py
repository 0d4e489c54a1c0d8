"""Metrics that MMDetection3D lacks."""

from .seg_metric import SegMetricWithVoxels

__all__ = ['SegMetricWithVoxels']

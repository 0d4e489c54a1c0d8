"""Metrics that MMDetection3D lacks, and what its own need in order to run without CUDA."""

from ..ops.rotated_iou import rotate_iou_eval, rotated_intersection, rotated_iou_3d
from .kitti_metric import KittiMetricWithCeiling
from .nuscenes_part_metric import NuScenesPartMetric
from .seg_metric import SegMetricWithVoxels
from .submission import SUBMISSION_FORMATS, SubmissionFormat

__all__ = [
    'KittiMetricWithCeiling',
    'SUBMISSION_FORMATS',
    'NuScenesPartMetric',
    'SegMetricWithVoxels',
    'SubmissionFormat',
    'rotate_iou_eval',
    'rotated_intersection',
    'rotated_iou_3d',
]

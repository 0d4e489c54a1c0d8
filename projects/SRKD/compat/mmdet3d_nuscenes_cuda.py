"""nuScenes' score of camera boxes without CUDA.

Breaks: "Torch not compiled with CUDA enabled", or no driver found, while results are written.
Where: mmdet3d 1.4.0 ``evaluation/metrics/nuscenes_metric.py``: ``nusc_box_to_cam_box3d``, three
    ``.cuda()``. Boxes of a LiDAR do not pass through it.
Delete when: the function stays on the CPU, where all its inputs are.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from unittest.mock import patch

import torch
from torch import Tensor


def _stays(original: Callable) -> Callable:

    @wraps(original)
    def nusc_box_to_cam_box3d(boxes: list) -> tuple:
        with patch.object(Tensor, 'cuda', lambda tensor: tensor):
            return original(boxes)

    nusc_box_to_cam_box3d.original = original
    return nusc_box_to_cam_box3d


def apply() -> bool:
    """Wrap the conversion where CUDA is missing."""
    if find_spec('mmdet3d') is None or torch.cuda.is_available():
        return False
    from mmdet3d.evaluation.metrics import nuscenes_metric

    if not hasattr(nuscenes_metric.nusc_box_to_cam_box3d, 'original'):
        nuscenes_metric.nusc_box_to_cam_box3d = _stays(nuscenes_metric.nusc_box_to_cam_box3d)
    return True

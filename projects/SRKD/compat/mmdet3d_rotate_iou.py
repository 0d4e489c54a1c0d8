"""KITTI's rotated overlaps without CUDA.

Breaks: ``KittiMetric`` raises ``CudaSupportError`` while numba compiles a kernel for the GPU.
Where: mmdet3d 1.4.0 ``evaluation/functional/kitti_utils/rotate_iou.py``, imported by
    ``bev_box_overlap`` and ``d3_box_overlap`` of ``eval.py`` each time they are called.
Delete when: mmdet3d computes these overlaps on a CPU.

A module with the one function that is asked for takes the place of the original.
"""

import sys
from importlib.util import find_spec
from types import ModuleType

NAME = 'mmdet3d.evaluation.functional.kitti_utils.rotate_iou'


def apply() -> bool:
    """Put :func:`~projects.SRKD.evaluation.rotate_iou_eval` where numba finds no GPU."""
    if find_spec('mmdet3d') is None or find_spec('numba') is None:
        return False
    from numba import cuda

    if cuda.is_available():
        return False
    from ..ops.rotated_iou import rotate_iou_eval

    module = sys.modules.get(NAME) or ModuleType(NAME, __doc__)
    module.rotate_iou_gpu_eval = rotate_iou_eval
    sys.modules[NAME] = module
    return True

"""mmdet3d's own preprocessor voxelizes for MinkUNet on the device of the points.

Breaks: ``Det3DDataPreprocessor(voxel_type='minkunet')`` on CPU points: "Torch not compiled with
    CUDA enabled", or indices on a GPU for points that are not there.
Where: mmdet3d 1.4.0 ``models/data_preprocessors/data_preprocessor.py``: ``voxelize``, two
    ``.cuda()``.
Delete when: the method stays on the device of its input.
"""
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from unittest.mock import patch

from torch import Tensor


def _stays(original: Callable) -> Callable:

    @wraps(original)
    def voxelize(self, points: list[Tensor], data_samples: list) -> dict[str, Tensor]:
        if points[0].is_cuda:
            return original(self, points, data_samples)
        with patch.object(Tensor, 'cuda', lambda tensor: tensor):
            return original(self, points, data_samples)

    voxelize.original = original
    return voxelize


def apply() -> bool:
    """Wrap the method."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.models.data_preprocessors import Det3DDataPreprocessor
    if not hasattr(Det3DDataPreprocessor.voxelize, 'original'):
        Det3DDataPreprocessor.voxelize = _stays(Det3DDataPreprocessor.voxelize)
    return True

"""mmdet3d's own preprocessor on a CPU, and with clouds that leave no voxel.

Breaks: ``Det3DDataPreprocessor(voxel_type='minkunet')`` on CPU points: "Torch not compiled with
    CUDA enabled", or indices on a GPU for points that are not there. A batch whose last cloud has
    no point in the range: "index -1 is out of bounds", or one sample too few, in a detector.
Where: mmdet3d 1.4.0 ``models/data_preprocessors/data_preprocessor.py``: ``voxelize``, two
    ``.cuda()``; ``models/detectors/voxelnet.py`` and others count a batch by its last voxel.
Delete when: the method stays on the device of its input, and batches are counted by their clouds.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from unittest.mock import patch

from torch import Tensor

from ..base import UsageError


def _stays(original: Callable) -> Callable:

    @wraps(original)
    def voxelize(self, points: list[Tensor], data_samples: list | None) -> dict[str, Tensor]:
        if points[0].is_cuda:
            voxels = original(self, points, data_samples)
        else:
            with patch.object(Tensor, 'cuda', lambda tensor: tensor):
                voxels = original(self, points, data_samples)
        if self.voxel_type == 'hard':
            _check_last(voxels['coors'], points, data_samples)
        return voxels

    voxelize.original = original
    return voxelize


def _check_last(coors: Tensor, points: list[Tensor], data_samples: list | None) -> None:
    """Refuse a batch whose last cloud has no row in ``coors`` ``(N, 4)``, batch, z, y, x."""
    last = len(points) - 1
    if len(coors) == 0 or int(coors[-1, 0]) < last:
        name = data_samples[last].get('lidar_path') if data_samples else None
        raise UsageError(
            f'cloud {name or f"number {last} of the batch"} has no point in the point_cloud_range, '
            'expected at least one: filter such frames out of the info file, or widen the range'
        )


def apply() -> bool:
    """Wrap the method."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.models.data_preprocessors import Det3DDataPreprocessor

    if not hasattr(Det3DDataPreprocessor.voxelize, 'original'):
        Det3DDataPreprocessor.voxelize = _stays(Det3DDataPreprocessor.voxelize)
    return True

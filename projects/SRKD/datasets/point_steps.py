"""Transforms of loaded points: the intensity's unit, and the identity of raw points.

Shape letters: n points, D columns of a point.
"""

from __future__ import annotations

import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ..base import UsageError

_EXACT = 2**24  # float32 counts exactly up to here


@TRANSFORMS.register_module()
class DivideIntensity(BaseTransform):
    """Bring the intensities, column 3 of the points, to [0, 1].

    nuScenes stores 0 to 255; the PTv3 recipes divide by 255. (mmdet3d's ``norm_intensity`` is a
    tanh, which makes almost all of them 1.)

    Args:
        divisor: Largest intensity of the sensor.
    """

    def __init__(self, divisor: float = 255.0) -> None:
        if not divisor > 0:
            raise UsageError(f'divisor of DivideIntensity must be positive, but got {divisor}')
        self.divisor = divisor

    def transform(self, results: dict) -> dict:
        """Change ``points``, ``(n, D)`` with D at least 4."""
        points = results['points']
        if points.tensor.shape[1] < 4:
            raise UsageError(
                f'points of DivideIntensity must have at least 4 columns (x, y, z, intensity), '
                f'but got {points.tensor.shape[1]}: see use_dim of the loader'
            )
        points.tensor[:, 3] /= self.divisor
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(divisor={self.divisor})'


@TRANSFORMS.register_module()
class AddPointIdentity(BaseTransform):
    """Append two columns to the points: row number in the file, and ``sample_idx`` of the scan.

    They survive every transform, cropping and mixing of scans included, and say which point of
    which file a training point was: what is stored per raw point finds its rows again.
    ``VoxelSegDataPreprocessor(identity_columns=True)`` takes them off and keeps them on the data
    sample. Matching itself needs them not: both networks see one augmented cloud. Place it right
    after loading.

    Required Keys:

    - points (:obj:`BasePoints`), ``(n, D)``
    - sample_idx (int)

    Modified Keys:

    - points, ``(n, D + 2)``

    Raises:
        UsageError: If a number exceeds 2^24, from where float32 does not count exactly.
    """

    def transform(self, results: dict) -> dict:
        """Append the columns."""
        points, slot = results['points'], int(results['sample_idx'])
        for what, count in (('points', len(points)), ('scans', slot)):
            if count > _EXACT:
                raise UsageError(
                    f'AddPointIdentity numbers at most 2^24 = {_EXACT} {what} exactly in float32, '
                    f'but got {count} in {results.get("lidar_path", "a scan without a path")}'
                )
        row = torch.arange(len(points), dtype=points.tensor.dtype)
        identity = torch.stack([row, torch.full_like(row, slot)], 1)  # (n, 2)
        tensor = torch.cat([points.tensor, identity], 1)
        results['points'] = type(points)(
            tensor, points_dim=tensor.shape[1], attribute_dims=points.attribute_dims
        )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'

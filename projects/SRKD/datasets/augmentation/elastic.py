"""Elastic distortion of a scan."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from scipy.ndimage import uniform_filter1d

from ...base import UsageError
from ...base.checks import check_probability

_REACH = 8  # cells; averaging and interpolation reach three to each side
_MOST_CELLS = 2**24  # 384 MiB of noise


@TRANSFORMS.register_module()
class ElasticDistortion(BaseTransform):
    """Bend a scan by a smooth random field of displacements.

    Normal noise on a grid of the given cell size, twice averaged over three cells along each axis,
    is interpolated linearly at the points and added to their coordinates, once per field.
    Source: Graham et al. 2018 (SparseConvNet); values as in the ScanNet recipe of PTv3.

    Args:
        fields: Pairs (cell size, magnitude), meters. The displacement of a point has a standard
            deviation of about a tenth of the magnitude.
        p: Probability of a change.
    """

    def __init__(
        self, fields: Sequence[tuple[float, float]] = ((0.2, 0.4), (0.8, 1.6)), p: float = 0.95
    ) -> None:
        check_probability(p=p)
        fields = [tuple(field) for field in fields]
        if not all(len(field) == 2 and min(field) > 0 for field in fields):
            raise UsageError(
                'fields of ElasticDistortion must be pairs (cell size, magnitude) of positive '
                f'lengths in meters, but got {fields}'
            )
        self.fields = fields
        self.p = p

    def transform(self, results: dict) -> dict:
        """Change the coordinates of ``points``, ``(n, D)``."""
        points = results['points']
        if len(points) and np.random.rand() < self.p:
            coord = points.coord.double().numpy()
            for cell, magnitude in self.fields:
                coord = coord + magnitude * _smooth_field(coord, cell)
            points.coord = points.coord.new_tensor(coord)
        return results


def _smooth_field(coord: np.ndarray, cell: float) -> np.ndarray:
    """Sample a smooth random field at ``coord`` (n, 3); returns (n, 3)."""
    place = (coord - coord.min(axis=0)) / cell  # in cells
    for axis in range(3):
        place[:, axis] = _without_gaps(place[:, axis])
    # one cell of margin on both sides, so that no point needs a value from outside
    size = np.floor(place.max(axis=0)).astype(int) + 3
    if size.prod() > _MOST_CELLS:
        raise UsageError(
            f'ElasticDistortion would need {" x ".join(map(str, size))} cells of {cell} m for a '
            f'scan of {len(coord)} points, expected at most {_MOST_CELLS}: its points lie too far '
            'apart for this cell size'
        )
    noise = np.random.standard_normal((*size, 3))
    for axis in (0, 1, 2) * 2:
        noise = uniform_filter1d(noise, 3, axis=axis, mode='constant')
    # torch's interpolation takes a seventh of the time of scipy's. It wants x last, in -1 .. 1.
    grid = torch.from_numpy(noise).permute(3, 2, 1, 0)[None]  # (1, 3, depth z, height y, width x)
    place = 2 * (place + 1) / (size - 1) - 1
    place = torch.from_numpy(place)[None, :, None, None]  # (1, n, 1, 1, 3)
    return F.grid_sample(grid, place, align_corners=True)[0, :, :, 0, 0].T.numpy()


def _without_gaps(place: np.ndarray) -> np.ndarray:
    """Cut whole cells out of wide empty stretches of one axis; places ``(n,)`` in cells.

    The field ``_REACH`` cells away is independent of the field here, so one point far out costs no
    memory and changes nothing for the others.
    """
    order = np.argsort(place)
    gaps = np.diff(place[order])
    cut = np.where(gaps > _REACH, np.floor(gaps - _REACH), 0.0)
    if not cut.any():
        return place
    shift = np.zeros_like(place)
    shift[order[1:]] = np.cumsum(cut)
    return place - shift

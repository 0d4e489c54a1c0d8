"""Whether the numbers of a scan can be what its columns mean.

A file of another number type, byte order or column count is read without an error, and so are
millimeters and map coordinates. All of it shows in a few minima and maxima.
Shape letters: n points, D columns.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..base import UsageError

GRAIN = 0.01  # meters; a coordinate that float32 resolves worse makes voxels of its own
HALF_WITHIN = 500.0  # meters from the center; beyond lies no half of any scan in meters
_FEW = 16  # points that may well be one place
_APART = 1e-6  # meters; less than this is one place, as integers read as floats are
_MAP = 1e8  # meters; no map of the earth has larger coordinates
_SOME = 4096  # points that tell how far half of a scan reaches
LARGEST = 1e6  # of a feature: colors end at 255 or 65535, times within a sweep at 1e6 us


def check_point_values(
    points: np.ndarray, path: str, ranges: Mapping[int, tuple[float, float]] | None = None
) -> None:
    """Refuse coordinates that are no meters near the origin, and features out of their range.

    Args:
        points: ``(n, D)``, columns x, y, z first, n at least 1.
        path: The file, for the message.
        ranges: Least and greatest value by column.

    Raises:
        UsageError: If a value is NaN or infinite; if more than a few points all lie in one place;
            if float32 resolves the coordinates worse than ``GRAIN``; if half of the points lie
            further than ``HALF_WITHIN`` from their center; if a feature exceeds ``LARGEST`` or its
            range.

    Example:
        >>> check_point_values(np.array([[448262.0, 5411933.0, 0.0]], np.float32), 'utm.bin')
        Traceback (most recent call last):
        ...
        projects.SRKD.base.errors.UsageError: points file utm.bin has coordinates up to 5.41e+06 \
m, where float32 resolves only 0.5 m: expected meters near the origin, subtract an offset before \
writing the file
    """
    _check_finite(points, path)
    coord = points[:, :3]  # (n, 3)
    if len(coord) > _FEW and np.ptp(coord, 0).max() < _APART:
        raise UsageError(
            f'points file {path} has all its {len(points)} points in one place, '
            f'{[float(value) for value in coord[0]]}, expected meters in float32: was the file '
            'written to its end, and as floats?'
        )
    reach = np.float32(np.abs(coord).max())
    grain = np.spacing(reach)
    if grain > GRAIN:
        cure = (
            'meters near the origin, subtract an offset before writing the file'
            if reach < _MAP
            else 'float32 in the byte order of this machine, without a header, in as many columns '
            'as load_dim says, in meters'
        )
        raise UsageError(
            f'points file {path} has coordinates up to {reach:.3g} m, where float32 resolves only '
            f'{grain:.2g} m: expected {cure}'
        )
    some = coord[:: max(1, len(coord) // _SOME)]
    spread = float(np.median(np.abs(some - np.median(some, 0)).max(1)))
    if spread > HALF_WITHIN:
        raise UsageError(
            f'points file {path} has half of its {len(points)} points further than {spread:.0f} m '
            f'from their center, expected at most {HALF_WITHIN:.0f} m: coordinates are meters, are '
            'these millimeters?'
        )
    _check_features(points, path, ranges or {})


def _check_finite(points: np.ndarray, path: str) -> None:
    broken = ~np.isfinite(points)
    if broken.any():
        rows = broken.any(1)
        what = 'coordinates' if broken[:, :3].any() else 'features'
        raise UsageError(
            f'points file {path} has NaN or infinite {what} in {int(rows.sum())} of '
            f'{len(points)} points, the first is point {int(rows.argmax())}; expected finite '
            'numbers'
        )


def _check_features(
    points: np.ndarray, path: str, ranges: Mapping[int, tuple[float, float]]
) -> None:
    for column in range(3, points.shape[1]):
        low, high = ranges.get(column, (-LARGEST, LARGEST))
        least, most = float(points[:, column].min()), float(points[:, column].max())
        if least < low or most > high:
            raise UsageError(
                f'points file {path} has values from {least:.4g} to {most:.4g} in column {column}, '
                f'expected {low:g} to {high:g}: another scale, or other columns than load_dim and '
                'use_dim say'
            )

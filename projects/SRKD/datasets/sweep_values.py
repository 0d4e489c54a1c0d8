"""Whether what an info file tells of earlier scans can bring them to the labeled one."""

from __future__ import annotations

from numbers import Real

import numpy as np

from ..base import UsageError

LONGEST_LAG = 10.0  # seconds; ten sweeps of nuScenes lie within 0.5 s
_ROTATES = 0.01  # most that a rotation's products differ from the unit matrix


def check_sweeps(results: dict) -> None:
    """Refuse sweeps whose time or pose is missing, no number, or of another unit.

    Args:
        results: Of loading, with ``lidar_path``, ``timestamp`` in seconds and, where there are
            earlier scans, ``lidar_sweeps``: each with ``timestamp`` and ``lidar_points`` of
            ``lidar_path`` and ``lidar2sensor`` ``(4, 4)``.

    Raises:
        UsageError: Names scan, sweep and key.

    Example:
        >>> check_sweeps(dict(timestamp=None, lidar_path='a.bin'))
        Traceback (most recent call last):
        ...
        projects.SRKD.base.errors.UsageError: the info file has timestamp None for a.bin, expected \
finite seconds
    """
    scan = results.get('lidar_path', 'a scan without a path')
    now = _seconds(results, f'for {scan}')
    sweeps = results.get('lidar_sweeps', [])
    if not isinstance(sweeps, list):
        raise UsageError(
            f'the info file has a {type(sweeps).__name__} as lidar_sweeps of {scan}, expected a '
            'list, empty where there is no earlier scan'
        )
    for i, sweep in enumerate(sweeps):
        where = f'for lidar_sweeps[{i}] of {scan}'
        lidar = sweep.get('lidar_points') if isinstance(sweep, dict) else None
        if not isinstance(lidar, dict) or not isinstance(lidar.get('lidar_path'), str):
            raise UsageError(
                f'the info file has no lidar_points.lidar_path {where}, expected the path of its '
                'points'
            )
        lag = now - _seconds(sweep, where)
        if abs(lag) > LONGEST_LAG:
            raise UsageError(
                f'the info file has a timestamp {where} that lies {lag:.3g} s before the scan, '
                f'expected at most {LONGEST_LAG:g} s: are both seconds, not microseconds?'
            )
        _check_pose(lidar.get('lidar2sensor'), where)


def _seconds(told: dict, where: str) -> float:
    value = told.get('timestamp')
    if not isinstance(value, Real) or not np.isfinite(value):
        raise UsageError(f'the info file has timestamp {value!r} {where}, expected finite seconds')
    return float(value)


def _check_pose(told: object, where: str) -> None:
    try:
        pose = np.array(told, dtype=np.float64)
    except (TypeError, ValueError):  # texts, rows of several lengths
        pose = np.zeros(0)
    rotates = pose.shape == (4, 4) and np.isfinite(pose).all() and np.allclose(
        pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=_ROTATES)  # fmt: skip
    if not rotates:
        found = f'one of shape {pose.shape}' if pose.size else repr(told)
        if pose.shape == (4, 4):
            found = f'{pose[:3, :3].round(3).tolist()} in its first three rows and columns'
        raise UsageError(
            f'the info file has no rigid lidar2sensor {where}: found {found}, expected 4 x 4 '
            'finite numbers, a rotation and a shift in meters'
        )

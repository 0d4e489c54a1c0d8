"""Where the sensor stood: poses of a sequence in SemanticKITTI's (KITTI odometry's) layout.

Shape letters: F scans of a sequence.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ...base import FileMissingError, UsageError, nearest_path


def read_poses(sequence: str | os.PathLike, scans: int = 0) -> np.ndarray:
    """Read the lidar poses of a sequence folder.

    ``poses.txt`` holds, a scan a line, the 3 x 4 matrix from the left camera to the first scan's
    camera, P; the line ``Tr`` of ``calib.txt`` the one from lidar to camera. The lidar's pose
    is Tr^-1 P Tr.

    Args:
        sequence: Folder with ``poses.txt`` and ``calib.txt``.
        scans: How many scans must have a pose.

    Returns:
        ``(F, 4, 4)`` float64, from the lidar of a scan to the lidar of the first one, meters.

    Raises:
        FileMissingError: If one of the files does not exist.
        UsageError: If one of them is malformed, or has too few poses.
    """
    sequence = Path(sequence)
    lines = _lines(sequence / 'poses.txt')
    camera = np.stack(
        [_matrix(line.split(), sequence / 'poses.txt', i) for i, line in enumerate(lines, 1)]
        or [np.empty((0, 4, 4))]
    ).reshape(-1, 4, 4)  # (F, 4, 4)
    if len(camera) < scans:
        raise UsageError(
            f'{sequence / "poses.txt"} has {len(camera)} poses, expected at least {scans}: one per '
            f'scan of {sequence / "velodyne"}'
        )
    to_camera = _lidar_to_camera(sequence / 'calib.txt')
    return np.linalg.inv(to_camera) @ camera @ to_camera


def _lidar_to_camera(path: Path) -> np.ndarray:
    lines = _lines(path)
    for number, line in enumerate(lines, 1):
        key, _, values = line.partition(':')
        if key.strip() == 'Tr':
            return _matrix(values.split(), path, number)
    keys = ', '.join(line.partition(':')[0] for line in lines)
    raise UsageError(f'{path} has no line "Tr:" (lidar to camera), it has {keys or "no lines"}')


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise FileMissingError(
            f'{path} does not exist, expected it beside the scans (it comes with the calibration '
            f"files of KITTI odometry, poses with SemanticKITTI's labels); {nearest_path(path)}"
        )
    return [line for line in path.read_text().splitlines() if line.strip()]


def _matrix(words: list[str], path: Path, number: int) -> np.ndarray:
    try:
        values = np.array(words, np.float64)
    except ValueError as error:
        raise UsageError(
            f'line {number} of {path} holds something that is no number, expected the 12 numbers '
            'of a 3 x 4 matrix'
        ) from error
    if len(values) != 12 or not np.isfinite(values).all():
        raise UsageError(
            f'line {number} of {path} has {len(values)} numbers, expected the 12 finite numbers of '
            'a 3 x 4 matrix'
        )
    return np.vstack([values.reshape(3, 4), [0, 0, 0, 1]])

"""The clouds of a root in KITTI's layout: found, judged and cut to the image.

Shape letters: n points.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...base import FileMissingError, UsageError, nearest_path, write_whole
from .kitti_files import Calibration

REDUCED, FULL = 'training/velodyne_reduced', 'training/velodyne'
_FARTHEST, _BRIGHTEST = 1000.0, 255.0  # meters, and the largest reflectance that LiDARs write
_OTHERS = {
    'float64': ('<f8', 4), 'big-endian float32': ('>f4', 4), 'five columns': ('<f4', 5),
    'three columns': ('<f4', 3), 'six columns': ('<f4', 6),
}  # fmt: skip
_EDGE = 0.02  # share of points by which cuts of the same scan may differ: rounding, mmdet3d's 100 m


def find_cloud(root: Path, frame: str) -> Path:
    """The cut cloud of a frame, or else the whole one.

    Raises:
        FileMissingError: If there is neither.
    """
    clouds = [root / folder / f'{frame}.bin' for folder in (REDUCED, FULL)]
    path = next((path for path in clouds if path.is_file()), None)
    if path is None:
        raise FileMissingError(f'the points {clouds[0]} do not exist, nor do {clouds[1]}; '
                               f'{nearest_path(clouds[0])}')  # fmt: skip
    return path


def read_cloud(path: Path) -> np.ndarray:
    """Points (n, 4): x, y, z in meters and reflectance.

    Raises:
        UsageError: If the file is empty, no whole number of points, or holds numbers that no
            LiDAR measures; names the layout in which they would be right.
    """
    content = path.read_bytes()
    if not content:
        raise UsageError(f'{path} is empty, expected float32 x, y, z and reflectance of each point')
    wrong = _wrong(content, '<f4', 4)
    if wrong:
        fitting = [name for name, layout in _OTHERS.items() if not _wrong(content, *layout)]
        hint = f'; read as {fitting[0]} it would be right' if fitting else ''
        raise UsageError(f'{path} {wrong}, expected float32 x, y, z (meters) and reflectance of '
                         f'each point{hint}')  # fmt: skip
    return np.frombuffer(content, '<f4').reshape(-1, 4)


def _wrong(content: bytes, dtype: str, columns: int) -> str:
    """What is wrong with points of a layout, '' if nothing."""
    width = np.dtype(dtype).itemsize * columns
    if len(content) % width:
        return f'holds {len(content)} bytes, no multiple of {width}'
    points = np.frombuffer(content, dtype).reshape(-1, columns)
    finite = np.isfinite(points).all(1)
    if not finite.all():
        return (f'has NaN or infinity in {int((~finite).sum())} of {len(points)} points, the first '
                f'is point {int((~finite).argmax())}')  # fmt: skip
    far = np.abs(points[:, :3]).max()
    if far > _FARTHEST:
        return f'has a coordinate of {far:.3g} m'
    light = points[:, 3:4]
    if light.size and not (light.min() >= 0 and light.max() <= _BRIGHTEST):
        return f'has reflectances from {light.min():.3g} to {light.max():.3g}'
    return ''


def cut_cloud(root: Path, frame: str, camera: Calibration, height: int, width: int) -> np.ndarray:
    """Points (n, 4) of a frame that its image sees, those of an earlier cut as they are.

    Raises:
        FileMissingError: If the frame has no cloud.
        UsageError: If the cloud is broken, none of it is seen, or a cut cloud is not the one that
            the whole cloud gives.
    """
    path = find_cloud(root, frame)
    points = read_cloud(path)
    seen = camera.in_view(points, height, width)
    if not seen.any():
        raise UsageError(f'none of the {len(points)} points of {path} lies before the camera and '
                         f'inside of the image of {width} x {height} pixels: expected x forward, '
                         'y left, z up, and the calibration of this frame')  # fmt: skip
    if path.parent.name == Path(FULL).name:
        return points[seen]
    whole = root / FULL / path.name
    if whole.is_file():
        count = int(camera.in_view(read_cloud(whole), height, width).sum())
        if abs(len(points) - count) > max(_EDGE * count, 10):
            raise UsageError(
                f'{path} holds {len(points)} points where {whole}, cut to the image of {width} x '
                f'{height} pixels, gives {count}: an earlier run with other image sizes or '
                f'calibration has left it; remove {path.parent}, and it is written anew'
            )
    return points


def write_cut_cloud(root: Path, frame: str, camera: Calibration, height: int, width: int) -> None:
    """Write the cut cloud of a frame that has none."""
    path = root / REDUCED / f'{frame}.bin'
    if path.is_file():
        return
    points = cut_cloud(root, frame, camera, height, width)
    path.parent.mkdir(exist_ok=True)
    with write_whole(path) as part:
        points.tofile(part)

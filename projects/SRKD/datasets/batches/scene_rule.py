"""Which scene a scan belongs to and when it was taken, read off its file name.

Info files of MMDetection3D name neither; the layouts it prescribes do.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SCANNET = re.compile(r'(scene\d+)_\d{2}')  # scene0000_01: second scan of room 0
_SEQUENCE = re.compile(r'(?:^|/)sequences/([^/]+)/[^/]+/(\d+)\.\w+$')
_NUSCENES = re.compile(r'([^/]+)__LIDAR_TOP__(\d+)')
_KITTI_PERIOD = 0.1  # s; the Velodyne of SemanticKITTI turns ten times a second
_MICROSECOND = 1e-6


class ScenePlace(NamedTuple):
    """Scene id, and seconds within it (NaN where the scene is not a sequence)."""

    scene: str
    time: float


def scene_of(path: str) -> ScenePlace:
    """Scene and time of a scan by the naming rules of the public data sets.

    * ScanNet ``scene0000_01.bin``: the room, ``scene0000``; its scans have no order.
    * SemanticKITTI ``sequences/08/velodyne/000120.bin``: the sequence, and the frame number times
      0.1 s.
    * nuScenes ``n008-...-0400__LIDAR_TOP__1533151603547590.pcd.bin``: the log, and the time stamp.
    * anything else (S3DIS ``Area_1_office_2.bin``, KITTI): the file name without its ending.

    Args:
        path: Path of the scan's points, as in the info file or joined with a data root.

    Example:
        >>> scene_of('points/scene0000_01.bin')
        ScenePlace(scene='scene0000', time=nan)
        >>> scene_of('sequences/08/velodyne/000120.bin')
        ScenePlace(scene='sequence 08', time=12.0)
        >>> scene_of('samples/LIDAR_TOP/n015-0800__LIDAR_TOP__1500000.pcd.bin')
        ScenePlace(scene='n015-0800', time=1.5)
    """
    path = str(path).replace('\\', '/')
    stem = path.rsplit('/', 1)[-1].rsplit('.', 1)[0]
    if match := _SEQUENCE.search(path):
        return ScenePlace(f'sequence {match[1]}', int(match[2]) * _KITTI_PERIOD)
    if match := _NUSCENES.match(stem):
        return ScenePlace(match[1], int(match[2]) * _MICROSECOND)
    if match := _SCANNET.fullmatch(stem):
        return ScenePlace(match[1], float('nan'))
    return ScenePlace(stem, float('nan'))

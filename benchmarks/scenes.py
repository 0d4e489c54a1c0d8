"""Clouds for benchmarks, made on the spot: streets and rooms with a wanted number of voxels.

Shape letters: N voxels.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
from mmdet3d.structures import Det3DDataSample, PointData
from torch import Tensor

from projects.MiniScenes.rooms import make_scan
from projects.MiniScenes.streets.lidar import HDL64E
from projects.MiniScenes.streets.scan import scan_street

NUM_CLASSES = 20  # of the rooms' labels, which are numbered as they come
_SIZES = (0.1, 0.08, 0.05, 0.03, 0.02)  # meters


def street_voxels(count: int, seed: int = 0) -> tuple[Tensor, Tensor, str]:
    """Voxels of one 64-beam scan, those nearest to the sensor.

    Of a real scan (SemanticKITTI, below ``SRKD_REALDATA``) where there is one, else of a
    procedural street.

    Args:
        count: N.
        seed: Of the procedural street.

    Returns:
        Features ``(N, 6)`` float32, voxels ``(N, 4)`` int64, and where they come from.

    Raises:
        ValueError: If the scan has fewer voxels of the smallest size.
    """
    points, source = _scan(seed)
    for size in _SIZES:
        voxels, first = np.unique(np.floor(points / size).astype(int), axis=0, return_index=True)
        if len(voxels) >= count:
            break
    else:
        raise ValueError(f'{source} has {len(voxels)} voxels of {size} m, asked for {count}')
    distance = np.linalg.norm(points[first, :2], axis=1)
    nearest = np.sort(np.argsort(distance, kind='stable')[:count])  # rows as a voxelizer gives them
    coors = torch.from_numpy(voxels[nearest] - voxels[nearest].min(axis=0))
    xyz = torch.from_numpy(points[first[nearest]]).float()
    feat = torch.cat([xyz / 20, torch.from_numpy(np.sin(points[first[nearest]] * 7)).float()], 1)
    return feat, torch.cat([coors.new_zeros(count, 1), coors], 1), f'{source}, {size} m'


@cache
def _scan(seed: int) -> tuple[np.ndarray, str]:
    folder = Path(os.environ.get('SRKD_REALDATA') or '/nowhere')
    for path in sorted(folder.glob('semantickitti/sequences/*/velodyne/*.bin')):
        points = np.fromfile(path, np.float32).reshape(-1, 4)[:, :3].astype(np.float64)
        return points, f'SemanticKITTI {path.parts[-3]}/{path.stem}'
    return scan_street(seed, 3, 0, HDL64E).points, 'procedural street'


def room_batch(num_clouds: int, num_voxels: int, voxel_size: float, seed: int = 0) -> dict:
    """Procedural rooms, cut to a number of voxels each, as a loader gives them to a segmentor.

    Args:
        num_clouds: Number of rooms.
        num_voxels: Voxels of each, those nearest to one corner.
        voxel_size: Meters, as in the segmentor's preprocessor.
        seed: Of the rooms.

    Raises:
        ValueError: If a room has too few voxels.
    """
    clouds, samples = [], []
    for room in range(num_clouds):
        scan = make_scan(seed, room, points=4 * num_voxels)
        cells = np.round(scan.points[:, :3] / voxel_size)
        cells, inside = np.unique(cells - cells.min(axis=0), axis=0, return_inverse=True)
        if len(cells) < num_voxels:
            raise ValueError(f'room {room} has {len(cells)} voxels, asked for {num_voxels}')
        near = np.argsort(np.linalg.norm(cells, axis=1), kind='stable')[:num_voxels]
        kept = np.isin(inside.ravel(), near)
        cloud, label = scan.points[kept], scan.semantic[kept] % NUM_CLASSES
        cloud[:, 3:] /= 255
        clouds.append(torch.from_numpy(cloud))
        sample = Det3DDataSample()
        sample.gt_pts_seg = PointData(pts_semantic_mask=torch.from_numpy(label))
        samples.append(sample)
    return dict(inputs=dict(points=clouds), data_samples=samples)

"""From points to the inputs of a graph, with the results of mmdet3d's layers.

Shape letters: n points, C columns of a point, P pillars, M points that a pillar holds, N voxels.
"""

from collections.abc import Sequence

import numpy as np

_EXACT = 2**21
"""Cells along an axis; three such numbers fit into one key of 63 bits."""


def hard_pillars(
    points: np.ndarray,
    voxel_size: Sequence[float],
    point_cloud_range: Sequence[float],
    max_points: int,
    max_pillars: int,
) -> dict[str, np.ndarray]:
    """Gather points by pillar, as mmdet3d's ``VoxelizationByGridShape`` does in testing.

    Pillars come in the order of their first points; what is beyond a limit is dropped.

    Args:
        points: (n, C) float32, meters in the first three columns. NaN lies in no pillar.
        voxel_size: Edges of a pillar, meters.
        point_cloud_range: x, y, z low, then high, meters.
        max_points: M.
        max_pillars: Greatest P.

    Returns:
        ``pillars`` (P, M, C) float32 padded with zeros, ``counts`` (P,) int32 and ``cells``
        (P, 3) int32, columns z, y, x.
    """
    low, high = np.split(np.asarray(point_cloud_range, np.float32), 2)
    size = np.asarray(voxel_size, np.float32)
    place = np.floor((points[:, :3] - low) / size)  # (n, 3)
    shape = np.round((high - low) / size)
    kept = ((place >= 0) & (place < shape)).all(1)
    points, place = points[kept], place[kept].astype(np.int64)
    key = (place[:, 2] * int(shape[1]) + place[:, 1]) * int(shape[0]) + place[:, 0]
    _, first, pillar = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)  # by the first point
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    pillar, first = rank[pillar], first[order][:max_pillars]
    slot = _turn(pillar)
    kept = (pillar < max_pillars) & (slot < max_points)
    pillars = np.zeros((len(first), max_points, points.shape[1]), np.float32)
    pillars[pillar[kept], slot[kept]] = points[kept]
    counts = np.bincount(pillar[kept], minlength=len(first))
    return dict(
        pillars=pillars,
        counts=counts.astype(np.int32),
        cells=place[first, ::-1].astype(np.int32),
    )


def point_pillars(
    points: np.ndarray,
    voxel_size: Sequence[float],
    map_low: Sequence[float],
    pillar_size: float,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Keep the first point of each voxel and name its pillar, as this project's segmentors do.

    Args:
        points: (n, C) float32, meters in the first three columns.
        voxel_size: Edges of a voxel, meters.
        map_low: x and y where the map begins, meters.
        pillar_size: Edge of a pillar, meters.

    Returns:
        Inputs ``points`` (N, C) float32, ``point_pillar`` (N,) int64 and ``cells`` (P, 2) int64,
        columns x, y; and the row of the inputs that answers for each point, (n,) int64.

    Raises:
        ValueError: If there is no point, or one too far away or NaN.
    """
    place = np.rint(points[:, :3] / np.asarray(voxel_size, np.float32))
    if not len(points) or not np.abs(place).max() < _EXACT / 2:  # NaN, too
        raise ValueError(
            f'points must be at least one, finite and fewer than {_EXACT // 2} voxels from the '
            f'origin, but got {len(points)}: leave out what the sensor marks as no return'
        )
    place = place.astype(np.int64)
    x, y, z = (place - place.min(0)).T
    _, first, answer = np.unique(
        (x * _EXACT + y) * _EXACT + z, return_index=True, return_inverse=True
    )
    rows = np.ascontiguousarray(points[first])
    column = np.floor((rows[:, :2] - np.asarray(map_low, np.float32)) / np.float32(pillar_size))
    cells, pillar = np.unique(column.astype(np.int64), axis=0, return_inverse=True)
    return dict(points=rows, point_pillar=pillar.reshape(-1), cells=cells), answer


def _turn(group: np.ndarray) -> np.ndarray:
    """Number of earlier rows of the same group, for each row (n,)."""
    order = np.argsort(group, kind='stable')
    grouped = group[order]
    begin = np.searchsorted(grouped, grouped)
    turn = np.empty(len(group), np.int64)
    turn[order] = np.arange(len(group)) - begin
    return turn

"""Which points lie in which upright boxes.

Shape letters: n points, k boxes. A box is (x, y, z, length, width, height, yaw): z of its middle,
yaw counter-clockwise about z from +x; meters and radians. A point on a face lies in the box.

Why not mmdet3d's own: its ``points_in_rbbox`` leaves out points on the faces of a box (nuScenes'
devkit counts them, and scans of procedural streets have some), counts a point of NaN in every box,
compiles for a second in each process, and takes 24 ms where this takes 7 (35,000 points, 100 boxes;
8 and 15 ms for 120,000 and 12). Off the faces both agree (190,000 points in boxes). mmdet3d's
``points_in_boxes_all`` and ``points_in_boxes_part`` need CUDA.
"""

from __future__ import annotations

import numpy as np


def points_inside(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(k,) how many of the points (n, >= 3) lie in each of the boxes (k, 7)."""
    return np.array([len(rows) for rows in rows_inside(boxes, points)], np.int64)


def rows_inside(boxes: np.ndarray, points: np.ndarray) -> list[np.ndarray]:
    """For each of the boxes (k, 7), ascending rows of the points (n, >= 3) that lie in it."""
    order = np.argsort(points[:, 0], kind='stable')
    xyz = np.asarray(points[order, :3], np.float64)
    reach = np.sqrt(boxes[:, 3] ** 2 + boxes[:, 4] ** 2) / 2
    first = np.searchsorted(xyz[:, 0], boxes[:, 0] - reach)
    last = np.searchsorted(xyz[:, 0], boxes[:, 0] + reach, side='right')
    rows = []
    for (x, y, z, length, width, height, yaw), a, b in zip(boxes, first, last):
        dx, dy, dz = (xyz[a:b] - (x, y, z)).T
        along = np.cos(yaw) * dx + np.sin(yaw) * dy
        across = np.cos(yaw) * dy - np.sin(yaw) * dx
        hit = (abs(along) <= length / 2) & (abs(across) <= width / 2) & (abs(dz) <= height / 2)
        rows.append(np.sort(order[a:b][hit]))
    return rows

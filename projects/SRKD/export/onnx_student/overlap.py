"""Suppression of boxes that overlap, seen from above.

Shape letters: k boxes, N of them compared with M others.
"""

import numpy as np

BLOCK = 256
"""Boxes that are compared with all others at a time."""


def suppress(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Keep each box unless it overlaps a kept one of higher score by more than the threshold.

    Args:
        boxes: (k, 5): center x, y, size along the own axes, yaw in radians.
        scores: (k,). Of equal scores the first comes first.
        threshold: IoU above which a box goes.

    Returns:
        Rows of the kept boxes, by descending score.
    """
    waiting = np.argsort(-scores, kind='stable')
    kept = []
    while len(waiting):
        block, waiting = waiting[:BLOCK], waiting[BLOCK:]
        hit = np.triu(rotated_iou(boxes[block], boxes[block]) > threshold, 1)
        alive = np.ones(len(block), bool)
        for row in np.flatnonzero(hit.any(1)):
            if alive[row]:
                alive &= ~hit[row]
        kept.append(block[alive])
        waiting = waiting[~(rotated_iou(boxes[waiting], boxes[kept[-1]]) > threshold).any(1)]
    return np.concatenate(kept) if kept else waiting


def rotated_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of rectangles ``a`` (N, 5) with ``b`` (M, 5), float64 (N, M)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    reach = [np.hypot(box[:, 2], box[:, 3]) / 2 for box in (a, b)]
    apart = np.hypot(*(a[:, None, :2] - b[None, :, :2]).transpose(2, 0, 1))
    row, column = np.nonzero(apart < reach[0][:, None] + reach[1])
    shared = np.zeros((len(a), len(b)))
    shared[row, column] = _intersections(a[row], b[column])
    union = (a[:, 2] * a[:, 3])[:, None] + b[:, 2] * b[:, 3] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _intersections(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Areas that pairs of rectangles (N, 5) share, (N,): second ones clipped by first ones."""
    if not len(a):
        return np.zeros(0)
    corner = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2  # counter-clockwise
    local = _turned(corner * b[:, None, 2:4], b[:, 4] - a[:, 4])
    corners = local + _turned((b[:, :2] - a[:, :2])[:, None], -a[:, 4])  # (N, 4, 2)
    return np.array([_clipped_area(polygon, size) for polygon, size in zip(corners, a[:, 2:4] / 2)])


def _turned(points: np.ndarray, angle: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([x * cos - y * sin, x * sin + y * cos], -1)


def _clipped_area(polygon: np.ndarray, half: np.ndarray) -> float:
    """Area of a convex polygon within -half .. half, clipped side by side."""
    corners = [tuple(corner) for corner in polygon.tolist()]
    for axis in (0, 1):
        for sign in (1, -1):
            corners = _clipped(corners, axis, sign, float(half[axis]))
    twice = sum(x * v - u * y for (x, y), (u, v) in zip(corners, corners[1:] + corners[:1]))
    return abs(twice) / 2


def _clipped(corners: list, axis: int, sign: int, limit: float) -> list:
    """Part of a polygon where ``sign * coordinate <= limit``."""
    kept = []
    for one, other in zip(corners, corners[1:] + corners[:1]):
        here, there = limit - sign * one[axis], limit - sign * other[axis]
        if here >= 0:
            kept.append(one)
        if here * there < 0:
            part = here / (here - there)
            kept.append(tuple(p + part * (q - p) for p, q in zip(one, other)))
    return kept

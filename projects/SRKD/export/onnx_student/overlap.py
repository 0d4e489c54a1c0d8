"""Suppression of boxes that overlap, seen from above.

Shape letters: k boxes, N of them compared with M others, K pairs near enough to overlap.
"""

import numpy as np

BLOCK = 256
"""Boxes that are compared with all others at a time."""

_CORNERS = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])  # counter-clockwise


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
    """Areas (K,) that rectangles (K, 5) share row by row, by Green's theorem in the first's frame.

    As :mod:`projects.SRKD.ops.rotated_iou` explains it.
    """
    cos, sin = np.cos(a[:, 4]), np.sin(a[:, 4])
    x, y = (b[:, :2] - a[:, :2]).T
    x, y = x * cos + y * sin, y * cos - x * sin  # the center of b in the frame of a
    turn = b[:, 4] - a[:, 4]
    cos, sin = np.cos(turn), np.sin(turn)
    wide, high = (_CORNERS[:, :, None] * b[:, 2:4].T / 2).transpose(1, 0, 2)  # (4, K) each
    x, y = x + wide * cos - high * sin, y + wide * sin + high * cos  # (4, K), corners of b
    step_x, step_y = np.roll(x, -1, 0) - x, np.roll(y, -1, 0) - y
    half_x, half_y = a[:, 2] / 2, a[:, 3] / 2
    enter, leave = _crossings(x, step_x, half_x)
    bends = [np.clip(t, enter, leave) for t in _crossings(y, step_y, half_y)]
    times = [enter, *bends, leave]
    values = [np.clip(y + t * step_y, -half_y, half_y) for t in times]
    integral = sum(
        (times[i + 1] - times[i]) * (values[i + 1] + values[i]) / 2 for i in range(len(bends) + 1)
    )
    return np.maximum((-step_x * integral).sum(0), 0)


def _crossings(
    start: np.ndarray, step: np.ndarray, half: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where in t of [0, 1] the way ``start + t * step`` enters and leaves [-half, half]."""
    step = np.where(step == 0, 1, step)
    ends = [np.clip((side - start) / step, 0, 1) for side in (-half, half)]
    return np.minimum(*ends), np.maximum(*ends)

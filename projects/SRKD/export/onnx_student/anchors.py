"""From the maps of an anchor head to boxes, with the results of mmdet3d's ``Anchor3DHead``.

Shape letters: H x W cells of a map, A anchors of a cell, K = H W A anchors, L classes, D numbers
of a box, k boxes.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .overlap import suppress


def grid_anchors(levels: Sequence[Mapping]) -> list[np.ndarray]:
    """Anchors (K, D) of each level.

    Args:
        levels: ``size`` (H, W) and, for each anchor of a cell, ``first`` (D numbers at the cell 0,
            0) and ``step`` (meters along x and y from one cell to the next).
    """
    found = []
    for level in levels:
        height, width = level['size']
        first, step = (np.asarray(level[name], np.float64) for name in ('first', 'step'))
        anchors = np.tile(first, (height, width, 1, 1))  # (H, W, A, D)
        anchors[..., 0] += np.arange(width)[None, :, None] * step[:, 0]
        anchors[..., 1] += np.arange(height)[:, None, None] * step[:, 1]
        found.append(anchors.reshape(-1, first.shape[1]).astype(np.float32))
    return found


def decoded(anchors: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Boxes of ``DeltaXYZWLHRBBoxCoder``, (K, D), from anchors and the head's answers (K, D)."""
    boxes = deltas + anchors  # yaw and velocities
    diagonal = np.hypot(anchors[:, 3], anchors[:, 4])
    boxes[:, :2] = deltas[:, :2] * diagonal[:, None] + anchors[:, :2]
    boxes[:, 3:6] = np.exp(deltas[:, 3:6]) * anchors[:, 3:6]
    middle = deltas[:, 2] * anchors[:, 5] + anchors[:, 2] + anchors[:, 5] / 2
    boxes[:, 2] = middle - boxes[:, 5] / 2
    return boxes


def boxes_of(maps: Mapping[str, np.ndarray], head: Mapping) -> dict[str, np.ndarray]:
    """Decode, suppress and sort.

    Args:
        maps: ``cls_score.I``, ``bbox_pred.I`` and ``dir_cls_pred.I`` of each level I,
            (1, channels, H, W).
        head: What the ONNX file tells of the head.

    Returns:
        ``boxes`` (k, D): x, y, z of the bottom's center, sizes, yaw; ``scores`` (k,) and ``labels``
        (k,).
    """
    boxes, scores, turns = [], [], []
    for level, anchors in enumerate(grid_anchors(head['levels'])):
        rows = [
            np.moveaxis(maps[f'{name}.{level}'][0], 0, -1).reshape(len(anchors), -1)
            for name in ('cls_score', 'bbox_pred', 'dir_cls_pred')
        ]
        score = 1 / (1 + np.exp(-rows[0]))  # (K, L)
        best = np.argsort(-score.max(1), kind='stable')[: head['nms_pre']]
        boxes.append(decoded(anchors[best], rows[1][best]))
        scores.append(score[best])
        turns.append(rows[2][best].argmax(1))
    return _suppressed(np.concatenate(boxes), np.concatenate(scores), np.concatenate(turns), head)


def _suppressed(boxes: np.ndarray, scores: np.ndarray, turns: np.ndarray, head: Mapping) -> dict:
    seen = boxes[:, [0, 1, 3, 4, 6]]
    if not head['rotated']:
        seen = seen * (1, 1, 1, 1, 0)
    rows, labels = [], []
    for label in range(scores.shape[1]):
        above = np.flatnonzero(scores[:, label] > head['score_thr'])
        rows.append(above[suppress(seen[above], scores[above, label], head['nms_thr'])])
        labels.append(np.full(len(rows[-1]), label))
    rows, labels = np.concatenate(rows), np.concatenate(labels)
    score = scores[rows, labels]
    if len(rows) > head['max_num']:
        best = np.argsort(-score, kind='stable')[: head['max_num']]
        rows, labels, score = rows[best], labels[best], score[best]
    boxes = boxes[rows]
    yaw = boxes[:, 6] - head['dir_offset']
    yaw = yaw - np.floor(yaw / np.pi + head['dir_limit_offset']) * np.pi
    boxes[:, 6] = yaw + head['dir_offset'] + np.pi * turns[rows]
    return dict(boxes=boxes, scores=score, labels=labels)

"""Overlap of rotated boxes, from above and in space, on any device.

No vertices are searched or sorted, so no position of two boxes is special. In the frame of the
first box, of half sizes W and H, let P(x, y) = clamp(y, -H, H) where |x| < W, else 0. Its
derivative along y is 1 inside that box and 0 outside, hence by Green's theorem

    area(first ∩ second) = -∮ P dx, counter-clockwise round the second box.

Each of its four edges adds the integral of a broken line with at most four corners, found by
clipping as in Liang & Barsky 1984. Every term changes continuously with the boxes: edges on top
of each other, equal boxes and boxes without an area need no case of their own.

Shape letters: N and M boxes, K pairs of boxes near enough to overlap.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..base.checks import check_choice

MAX_PAIRS = 1 << 15
"""Pairs of boxes worked on at a time; about 30 MiB."""

CRITERIA = ('iou', 'over_first', 'over_second', 'intersection')
"""What an intersection is divided by: the union, either box, or nothing."""

_BEV = ('x', 'y', 'w', 'h', 'yaw')
_SPACE = ('x', 'y', 'z', 'dx', 'dy', 'dz', 'yaw')
_CORNERS = ((1, 1), (-1, 1), (-1, -1), (1, -1))  # counter-clockwise
_KITTI_CRITERIA = {-1: 'iou', 0: 'over_second', 1: 'over_first', 2: 'intersection'}


@torch.no_grad()
def rotated_intersection(a: Tensor, b: Tensor) -> Tensor:
    """Areas that two sets of rotated rectangles share, each with each.

    Args:
        a: Rectangles (N, 5): center x, y, size w, h along the own axes, and yaw, radians from the x
            towards the y axis, of any size. A size below 0, as of KITTI's DontCare, counts as 0.
        b: Rectangles (M, 5).

    Returns:
        Areas (N, M) float64, on the device of ``a``.

    Raises:
        ValueError: If the boxes have another shape, or a number in them is not finite.

    Example:
        >>> square = torch.tensor([[0.0, 0.0, 2.0, 2.0, 0.0]])
        >>> rotated_intersection(square, square + torch.tensor([[1.0, 0.0, 0.0, 0.0, 3.14159265]]))
        tensor([[2.0000]], dtype=torch.float64)
    """
    a, b = _boxes(a, 'a', _BEV), _boxes(b, 'b', _BEV)
    reach_a, reach_b = torch.hypot(*a[:, 2:4].T) / 2, torch.hypot(*b[:, 2:4].T) / 2  # (N,), (M,)
    area = a.new_zeros(len(a), len(b))
    for rows in torch.arange(len(a), device=a.device).split(max(1, MAX_PAIRS // max(1, len(b)))):
        apart = torch.hypot(*(a[rows, None, :2] - b[:, :2]).unbind(-1))
        near, column = torch.nonzero(apart < reach_a[rows, None] + reach_b, as_tuple=True)  # (K,)
        row = rows[near]
        area[row, column] = _pairwise_intersection(a[row], b[column])
    return area


def rotated_iou(a: Tensor, b: Tensor, criterion: str = 'iou') -> Tensor:
    """Overlaps of rotated rectangles, each with each.

    Args:
        a: Rectangles (N, 5), as for :func:`rotated_intersection`.
        b: Rectangles (M, 5).
        criterion: ``'iou'``, ``'over_first'`` or ``'over_second'`` (the share of a rectangle of
            ``a`` or ``b`` that is covered), or ``'intersection'``, the area itself.

    Returns:
        Overlaps (N, M) float64 in [0, 1], or areas; 0 where the divisor is.

    Raises:
        ValueError: As :func:`rotated_intersection`, or for an unknown criterion.
    """
    check_choice('criterion', criterion, CRITERIA)
    a, b = _boxes(a, 'a', _BEV), _boxes(b, 'b', _BEV)
    shared = rotated_intersection(a, b)
    return _overlap(shared, a[:, 2:4].prod(dim=1), b[:, 2:4].prod(dim=1), criterion)


@torch.no_grad()
def rotated_iou_3d(a: Tensor, b: Tensor, criterion: str = 'iou') -> Tensor:
    """Overlaps of upright rotated boxes, each with each.

    Args:
        a: Boxes (N, 7) as in ``LiDARInstance3DBoxes``: x, y, z of the bottom's center, sizes dx,
            dy, dz and yaw, radians from the x towards the y axis. A size below 0 counts as 0.
        b: Boxes (M, 7).
        criterion: As for :func:`rotated_iou`, of volumes.

    Returns:
        Overlaps (N, M) float64 in [0, 1], or volumes; 0 where the divisor is.

    Raises:
        ValueError: As :func:`rotated_iou`.
    """
    check_choice('criterion', criterion, CRITERIA)
    a, b = _boxes(a, 'a', _SPACE), _boxes(b, 'b', _SPACE)
    seen_from_above = [0, 1, 3, 4, 6]
    bottom = torch.maximum(a[:, None, 2], b[:, 2])
    top = torch.minimum(a[:, None, 2] + a[:, None, 5], b[:, 2] + b[:, 5])
    shared = rotated_intersection(a[:, seen_from_above], b[:, seen_from_above])
    shared = shared * (top - bottom).clamp_min(0)
    return _overlap(shared, a[:, 3:6].prod(dim=1), b[:, 3:6].prod(dim=1), criterion)


def rotate_iou_eval(
    boxes: np.ndarray, query_boxes: np.ndarray, criterion: int = -1, device_id: int = 0
) -> np.ndarray:
    """Stand in for mmdet3d's ``rotate_iou_gpu_eval``, without CUDA and in double precision.

    Two customs of the original are kept: a positive angle is clockwise, from the y (KITTI: z) to
    the x axis, and criterion 0 divides by the *query* box, 1 by the box (its kernel swaps them).

    Args:
        boxes: (N, 5): center x, y, size w, h along the own axes, angle in radians.
        query_boxes: (M, 5).
        criterion: -1 for IoU, 0 or 1 as above, 2 for the area of the intersection.
        device_id: Not used; the work is done on CPU.

    Returns:
        Overlaps (N, M) float64; 0 where the original divides by zero.

    Raises:
        ValueError: As :func:`rotated_iou`.
    """
    if criterion not in _KITTI_CRITERIA:
        raise ValueError(
            f'criterion must be one of {list(_KITTI_CRITERIA)} (IoU, over the query box, over '
            f'the box, intersection), but got {criterion!r}'
        )
    first = _boxes(torch.as_tensor(boxes), 'boxes', _BEV)
    second = _boxes(torch.as_tensor(query_boxes), 'query_boxes', _BEV)
    for counter_clockwise in (first, second):
        counter_clockwise[:, 4] *= -1
    return rotated_iou(first, second, _KITTI_CRITERIA[criterion]).numpy()


def _pairwise_intersection(a: Tensor, b: Tensor) -> Tensor:
    """Areas (K,) that rectangles ``a`` (K, 5) share with ``b`` (K, 5), row by row."""
    cos, sin = a[:, 4].cos(), a[:, 4].sin()
    x, y = (b[:, :2] - a[:, :2]).unbind(1)
    x, y = x * cos + y * sin, y * cos - x * sin  # the center of b in the frame of a
    half_w, half_h, turn = b[:, 2] / 2, b[:, 3] / 2, b[:, 4] - a[:, 4]
    cos, sin = turn.cos(), turn.sin()
    along_w, along_h = b.new_tensor(_CORNERS).T[:, :, None]  # (4, 1)
    x = x + along_w * (half_w * cos) - along_h * (half_h * sin)  # (4, K), corners of b
    y = y + along_w * (half_w * sin) + along_h * (half_h * cos)
    step_x, step_y = x.roll(-1, 0) - x, y.roll(-1, 0) - y

    width, height = a[:, 2] / 2, a[:, 3] / 2
    enter, leave = _crossings(x, step_x, width)
    low, high = (torch.clamp(t, enter, leave) for t in _crossings(y, step_y, height))
    integral = torch.zeros_like(x)
    before, value_before = enter, torch.clamp(y + enter * step_y, -height, height)
    for t in (low, high, leave):
        value = torch.clamp(y + t * step_y, -height, height)
        integral += (t - before) * (value + value_before) / 2
        before, value_before = t, value
    return (-step_x * integral).sum(dim=0).clamp_min(0)


def _crossings(start: Tensor, step: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Where in t of [0, 1] the way ``start + t * step`` enters and leaves [-half, half].

    Both are equal if it stays outside. Without a step they are of no consequence: there is no way
    along x then, or one level along y.
    """
    step = torch.where(step == 0, 1, step)
    first, last = ((-half - start) / step).clamp(0, 1), ((half - start) / step).clamp(0, 1)
    return torch.minimum(first, last), torch.maximum(first, last)


def _overlap(shared: Tensor, size_a: Tensor, size_b: Tensor, criterion: str) -> Tensor:
    """Divide ``shared`` (N, M) by what the criterion says; sizes (N,) and (M,)."""
    size_a = size_a[:, None]
    shared = torch.minimum(shared, torch.minimum(size_a, size_b))  # but for rounding it is less
    if criterion == 'intersection':
        return shared
    if criterion == 'iou':
        divisor = size_a + size_b - shared
    else:
        divisor = (size_a if criterion == 'over_first' else size_b).expand_as(shared)
    return torch.where(divisor > 0, shared / divisor, 0)


def _boxes(boxes: Tensor, name: str, columns: tuple[str, ...]) -> Tensor:
    """Return boxes as float64 without negative sizes.

    Raises:
        ValueError: If their shape is another, or a number is not finite.
    """
    if boxes.dim() != 2 or boxes.shape[1] != len(columns):
        raise ValueError(
            f'{name} must be (rows, {len(columns)}), boxes of {", ".join(columns)}, but got '
            f'{tuple(boxes.shape)}'
        )
    boxes = boxes.detach().to(torch.float64, copy=True)
    wrong = torch.nonzero(~torch.isfinite(boxes))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise ValueError(
            f'{name} must hold finite numbers, but {columns[column]} of its box {row} is '
            f'{boxes[row, column]:g}'
        )
    sizes = slice(len(columns) // 2, -1)
    boxes[:, sizes] = boxes[:, sizes].clamp_min(0)
    return boxes

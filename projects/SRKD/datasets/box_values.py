"""Whether the numbers of boxes can be a box."""

from __future__ import annotations

import numpy as np

from ..base import UsageError

LONGEST = 200.0  # meters; articulated trams and trains end below
FURTHEST = 10000.0  # meters from the sensor
FASTEST = 200.0  # meters per second, along x and along y


def check_boxes(boxes: np.ndarray, where: str) -> None:
    """Refuse boxes without an extent, or with numbers that are none.

    Args:
        boxes: ``(n, 7 or more)``: center (3), sides (3), yaw, and velocities, which may be NaN
            (nuScenes gives none to a box seen once).
        where: Who says so, for the message.

    Raises:
        UsageError: Naming the first such box.

    Example:
        >>> check_boxes(np.array([[9.0, 0, 0, 3.9, -1.6, 1.5, 0]]), 'the info file has for 1.bin')
        Traceback (most recent call last):
        ...
        projects.SRKD.base.errors.UsageError: box 0 of 1, [9.0, 0.0, 0.0, 3.9, -1.6, 1.5, 0.0], \
which the info file has for 1.bin: sides must be positive and at most 200 m
    """
    for what, broken in (
        ('center, sides and yaw must be finite numbers', ~np.isfinite(boxes[:, :7])),
        (
            f'sides must be positive and at most {LONGEST:g} m',
            (boxes[:, 3:6] <= 0) | (boxes[:, 3:6] > LONGEST),
        ),
        (f'centers must lie within {FURTHEST:g} m', np.abs(boxes[:, :3]) > FURTHEST),
        (f'speeds must be at most {FASTEST:g} m/s', np.abs(boxes[:, 7:9]) > FASTEST),
    ):
        if broken.any():
            row = int(broken.any(1).argmax())
            numbers = [round(float(value), 3) for value in boxes[row, :9]]
            raise UsageError(f'box {row} of {len(boxes)}, {numbers}, which {where}: {what}')

"""Which numbers KITTI's text files can hold.

A number that cannot be is refused where it is read: NaN in a label, a box of no size or a
calibration of zeros would train a network to nonsense, or end a run in another's words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...base import UsageError

_LONGEST, _FARTHEST, _TURN = 100.0, 1000.0, 10.0  # meters, meters, radians (-10: unknown)
_LIMITS = dict(
    alpha=(-_TURN, _TURN), rotation_y=(-_TURN, _TURN),
    **dict.fromkeys('xyz', (-_FARTHEST, _FARTHEST)),
)  # fmt: skip
_UNIT = dict(alpha='radians', rotation_y='radians', x='meters', y='meters', z='meters')
_SKEW = 0.01  # how far rows of a rotation may be from unit length and right angles


def read_number(text: str, what: str, where: str) -> float:
    """A finite number.

    Raises:
        UsageError: If the text is none.

    Example:
        >>> read_number('nan', 'z', 'line 2 of 000001.txt')
        Traceback (most recent call last):
        ...
        projects.SRKD.base.errors.UsageError: line 2 of 000001.txt has 'nan' for z, expected a \
finite number
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f'{where} has {text!r} for {what}, expected a finite number')
    return value


def is_known(bbox: tuple[float, ...]) -> bool:
    """Whether a 2D box was labeled: data without a camera has -1 or 0 in all four places."""
    return any(value not in (-1, 0) for value in bbox)


def check_label_numbers(label: Mapping[str, float], where: str) -> None:
    """Refuse numbers that no object has.

    Args:
        label: By the names of KITTI's fields.
        where: Line and file, for the message.

    Raises:
        UsageError: For the first one.
    """
    for name in ('height', 'width', 'length'):
        if not 0 < label[name] <= _LONGEST:
            raise UsageError(f'{where} has a box of {name} {label[name]:g}, expected meters above '
                             f'0 and at most {_LONGEST:g}')  # fmt: skip
    for name, (low, high) in _LIMITS.items():
        if not low <= label[name] <= high:
            raise UsageError(f'{where} has {name} {label[name]:g}, expected {_UNIT[name]} from '
                             f'{low:g} to {high:g}')  # fmt: skip
    if label['occluded'] not in (-1, 0, 1, 2, 3):
        raise UsageError(f'{where} has occluded {label["occluded"]:g}, expected 0 (fully visible), '
                         '1 (partly), 2 (largely) or 3 (unknown)')  # fmt: skip
    if not (label['truncated'] in (-1, 2) or 0 <= label['truncated'] <= 1):
        raise UsageError(f'{where} has truncated {label["truncated"]:g}, expected the share '
                         'outside the image, 0 to 1, or 2, a level of tracking labels')  # fmt: skip
    left, top, right, bottom = (label[name] for name in ('left', 'top', 'right', 'bottom'))
    if is_known((left, top, right, bottom)) and not (left < right and top < bottom):
        raise UsageError(
            f'{where} has the 2D box {left:g} {top:g} {right:g} {bottom:g}, expected '
            'left < right and top < bottom, or four times -1 where it is unknown'
        )


def check_projection(matrix: np.ndarray, where: str) -> None:
    """Refuse a (4, 4) that projects nothing.

    Raises:
        UsageError: If a focal length is not positive.
    """
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0 and matrix[2, 2] > 0):
        raise UsageError(f'{where} projects nothing: its diagonal is {_diagonal(matrix)}, expected '
                         'two focal lengths above 0 and 1')  # fmt: skip


def check_rotation(matrix: np.ndarray, where: str) -> None:
    """Refuse a (4, 4) whose first three rows and columns turn nothing.

    Raises:
        UsageError: If they are not orthogonal, of unit length and right-handed.
    """
    turn = matrix[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > _SKEW or np.linalg.det(turn) < 0:
        raise UsageError(f'{where} is no rotation: its rows are {turn.round(3).tolist()}, expected '
                         'a right-handed set of orthogonal unit vectors')  # fmt: skip


def _diagonal(matrix: np.ndarray) -> str:
    return ', '.join(f'{value:g}' for value in np.diag(matrix)[:3])

"""Ground planes of KITTI's layout, onto which ``ObjectSample`` puts what it pastes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ...base import UsageError
from .kitti_files import read_lines
from .kitti_values import read_number

_FOLDER = 'training/planes'
_HEADER = 3  # lines
_SKEW = 0.01  # of the normal's length


def read_plane(root: Path, frame: str) -> list[float] | None:
    """Four numbers a, b, c, d with a x + b y + c z + d = 0 on the ground, camera frame, meters.

    Returns:
        None if the frame has no plane.

    Raises:
        UsageError: If the file has no such numbers, or (a, b, c) is no unit vector.
    """
    path = root / _FOLDER / f'{frame}.txt'
    if not path.is_file():
        return None
    lines = read_lines(path, 'ground plane')
    fields = lines[_HEADER].split() if len(lines) > _HEADER else []
    if len(fields) != 4:
        raise UsageError(f'{path} has {len(fields)} numbers in line {_HEADER + 1}, expected the '
                         f'four of a plane after {_HEADER} lines of header; if no config pastes '
                         f'onto ground planes, {_FOLDER} may be left out')  # fmt: skip
    plane = [read_number(text, 'a number of the plane', f'line {_HEADER + 1} of {path}')
             for text in fields]  # fmt: skip
    length = float(np.linalg.norm(plane[:3]))
    if abs(length - 1) > _SKEW:
        raise UsageError(f'{path} has a normal of length {length:.3g}, expected 1')
    return plane


def is_plane(value: Any) -> bool:
    """Whether a value of an info file is a ground plane, 4 finite numbers.

    Example:
        >>> is_plane([0.0, -1.0, 0.0, 1.65]), is_plane([0.0, -1.0, 1.65]), is_plane(None)
        (True, False, False)
    """
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, str) or len(value) != 4:
        return False
    return all(isinstance(number, Real) and math.isfinite(number) for number in value)


def missing_planes(root: Path, frames: list[str]) -> Iterator[str]:
    """A sentence on the frames that lack a plane where others have one."""
    lacking = [name for name in frames if not (root / _FOLDER / f'{name}.txt').is_file()]
    if 0 < len(lacking) < len(frames):
        yield (f'{root / _FOLDER} lacks {len(lacking)} of {len(frames)} frames, the first is '
               f'{lacking[0]}: no config with use_ground_plane=True can train on them')  # fmt: skip

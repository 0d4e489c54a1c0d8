"""What a pickle of predictions may name beside data: tensors, and the boxes of mmdet3d.

``DumpResults`` of mmengine and ``DumpDetResults`` write them. A box is made of its three attributes
and nothing else of mmdet3d is called.

Shape letters: N boxes of D numbers.
"""

from __future__ import annotations

from functools import cache, partial
from importlib.util import find_spec
from typing import Any

from torch import Tensor

from ..base.safe_reading import DUMPED_NAMES, Names, PickleMachine, UnreadableError

_LEAST, _MOST = 7, 64  # numbers of a box


class _Waiting:
    """Boxes whose numbers are yet to come."""

    def __init__(self, kind: type) -> None:
        self.kind = kind


@cache
def dumped_names() -> Names:
    """Names of tensors, arrays, containers and, where mmdet3d is installed, of its boxes."""
    if find_spec('mmdet3d') is None:
        return DUMPED_NAMES
    from mmdet3d.structures import (
        Box3DMode,
        CameraInstance3DBoxes,
        Coord3DMode,
        DepthInstance3DBoxes,
        LiDARInstance3DBoxes,
    )

    boxes = (CameraInstance3DBoxes, DepthInstance3DBoxes, LiDARInstance3DBoxes)
    modes = (Box3DMode, Coord3DMode)
    values = {(kind.__module__, kind.__name__): kind for kind in (*boxes, *modes)}
    calls = {kind: partial(_boxes, kind) for kind in boxes}
    calls |= {kind: partial(_mode, kind) for kind in modes}
    return DUMPED_NAMES | Names(values, calls, {_Waiting: _filled})


def _boxes(kind: type, machine: PickleMachine, *args: Any) -> _Waiting:
    if args:
        raise UnreadableError('boxes are made of their attributes alone')
    return _Waiting(kind)


def _filled(machine: PickleMachine, waiting: _Waiting, state: Any) -> Any:
    """Boxes ``(N, D)`` with their attributes."""
    if type(state) is not dict:
        raise UnreadableError('boxes have no attributes')
    numbers, width = state.get('tensor'), state.get('box_dim')
    if not isinstance(numbers, Tensor) or numbers.dim() != 2 or not numbers.is_floating_point():
        raise UnreadableError('boxes are no rows of numbers')
    if type(width) is not int or not _LEAST <= width <= _MOST or numbers.shape[1] != width:
        raise UnreadableError(f'boxes have {numbers.shape[1]} numbers each')
    if type(state.get('with_yaw')) is not bool:
        raise UnreadableError('boxes do not say whether they have a yaw')
    found = object.__new__(waiting.kind)
    found.tensor, found.box_dim, found.with_yaw = numbers, width, state['with_yaw']
    return found


def _mode(kind: type, machine: PickleMachine, number: Any = None) -> Any:
    if type(number) is not int or number not in {mode.value for mode in kind}:
        raise UnreadableError(f'{kind.__name__} is made of the number of one')
    return kind(number)

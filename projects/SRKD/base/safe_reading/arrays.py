"""numpy's arrays and numbers, rebuilt from a type's name, a shape and bytes.

numpy's own functions of these names take any type, shape and state that a file gives, an address in
memory among them.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from .foreign import Foreign
from .limits import UnreadableError
from .machine import Names, PickleMachine

# Truth values, integers, floats, complex numbers, text, bytes, and Python's objects in a list.
_KIND = re.compile(r'[<>|=]?(b1|[iu][1248]|f[248]|f16|c8|c16|c32|[SU]\d{0,9}|O8?|\?)')
_MOST_AXES = 32
_LARGEST_CHARACTER = 0x10FFFF


class _Array:
    """An array whose content is yet to come."""


def dtype(machine: PickleMachine, kind: Any, *flags: Any) -> np.dtype | Foreign:
    """The type of a name; dates, records and the like become foreign."""
    if isinstance(kind, str) and _KIND.fullmatch(kind):
        return np.dtype(kind)
    return Foreign.of(f'numpy.dtype({str(kind)[:20]})')()


def _dtype_state(machine: PickleMachine, found: np.dtype, state: Any) -> np.dtype:
    """The byte order, and the width of text; nothing else of a state is data of a plain type."""
    if type(state) is not tuple or len(state) < 5 or any(x is not None for x in state[2:5]):
        raise UnreadableError(f'it gives a state to {found}')
    order, width = state[1], state[5] if found.kind in 'SU' and len(state) > 5 else None
    if width is not None and not (type(width) is int and 0 <= width <= len(machine.raw)):
        raise UnreadableError(f'{found} has a width of {width}')
    if width is not None:
        found = np.dtype(f'{found.kind}{width // (4 if found.kind == "U" else 1)}')
    return found.newbyteorder(order) if order in ('<', '>') else found


def _empty(machine: PickleMachine, *args: Any) -> _Array:
    return _Array()


def _array_state(machine: PickleMachine, empty: _Array, state: Any) -> np.ndarray | Foreign:
    if type(state) is not tuple or len(state) not in (4, 5):
        raise UnreadableError('an array has another state than shape, type, order and bytes')
    shape, kind, by_column, content = state[-4:]
    return array(machine, content, kind, shape, 'F' if by_column else 'C')


def array(
    machine: PickleMachine, content: Any, kind: Any, shape: Any, order: str = 'C'
) -> np.ndarray | Foreign:
    """An array of its own bytes.

    Args:
        machine: Counts what is copied.
        content: Bytes, or a list for objects.
        kind: Type.
        shape: Tuple of lengths.
        order: ``C`` or ``F``.

    Raises:
        UnreadableError: If they do not fit each other.
    """
    if isinstance(kind, Foreign):
        return kind
    if not isinstance(kind, np.dtype):
        raise UnreadableError(f'an array has a {type(kind).__name__} as its type')
    if type(shape) is not tuple or len(shape) > _MOST_AXES:
        raise UnreadableError('an array has a shape that is no tuple of lengths')
    if any(type(length) is not int or length < 0 for length in shape):
        raise UnreadableError(f'an array has the shape {shape}'[:80])
    if order not in ('C', 'F'):
        raise UnreadableError('an array is laid out neither by row nor by column')
    count = math.prod(shape)
    if kind.hasobject:
        if type(content) is not list or len(content) != count:
            raise UnreadableError(f'an array of {count} objects does not have as many')
        machine.charge(count)
        flat = np.empty(count, object)
        flat[:] = content if count else None
        return flat.reshape(shape, order=order)
    if isinstance(content, str):  # Python 2's bytes
        content = content.encode('latin1')
    if not isinstance(content, (bytes, bytearray)) or len(content) != count * kind.itemsize:
        raise UnreadableError(f'an array of {count:,} {kind} has bytes for another number')
    machine.charge(len(content))
    if not kind.itemsize:
        return np.zeros(shape if count < len(machine.raw) else 0, kind)
    whole = np.frombuffer(content, kind).reshape(shape, order=order)
    _check_text(whole)
    return whole.copy(order=order)


def _check_text(values: np.ndarray) -> None:
    if values.dtype.kind != 'U' or not values.size:
        return
    letters = np.frombuffer(values.tobytes(), np.dtype('u4').newbyteorder(values.dtype.byteorder))
    if letters.max(initial=0) > _LARGEST_CHARACTER:
        raise UnreadableError('text of an array has characters that do not exist')


def _scalar(machine: PickleMachine, kind: Any, content: Any) -> Any:
    if isinstance(kind, Foreign) or not isinstance(kind, np.dtype) or kind.hasobject:
        raise UnreadableError('a number of numpy is not of a type of numbers or text')
    return array(machine, content, kind, (1,))[0]


def _names() -> Names:
    values = {('numpy', 'ndarray'): np.ndarray, ('numpy', 'dtype'): np.dtype}
    for core in ('numpy.core', 'numpy._core'):  # numpy 1 and 2
        values[f'{core}.multiarray', '_reconstruct'] = _empty
        values[f'{core}.multiarray', 'scalar'] = _scalar
        values[f'{core}.numeric', '_frombuffer'] = array
    for kind in ('bool_', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64',
                 'float16', 'float32', 'float64', 'str_'):  # fmt: skip
        values['numpy', kind] = getattr(np, kind)
    calls = {np.dtype: dtype, _empty: _empty, _scalar: _scalar, array: array}
    return Names(values, calls, {_Array: _array_state, np.dtype: _dtype_state})


NAMES = _names()

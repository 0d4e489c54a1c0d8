"""Tensors, rebuilt within the bounds of what their file stores."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .limits import UnreadableError
from .machine import Names, PickleMachine

_MOST_AXES = 64
_MOST_REPEATED = 1 << 24  # elements of a tensor that repeats what is stored, as expand() makes it
_TYPES = {
    'Double': torch.float64, 'Float': torch.float32, 'Half': torch.float16,
    'BFloat16': torch.bfloat16, 'Long': torch.int64, 'Int': torch.int32, 'Short': torch.int16,
    'Char': torch.int8, 'Byte': torch.uint8, 'Bool': torch.bool,
    'ComplexDouble': torch.complex128, 'ComplexFloat': torch.complex64,
}  # fmt: skip


class StorageType:
    """What torch calls a storage of one type of numbers; ``untyped`` ones hold bytes.

    Args:
        dtype: Type of the numbers.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class Stored:
    """Numbers that a file stores.

    Args:
        storage: Their bytes.
        dtype: Type of the numbers.
        part: The first one meant, and how many.
    """

    def __init__(
        self, storage: torch.UntypedStorage, dtype: torch.dtype, part: tuple[int, int]
    ) -> None:
        self.storage, self.dtype = storage, dtype
        self.first, self.bytes = (number * dtype.itemsize for number in part)


def stored_id(pid: Any) -> tuple[torch.dtype, str, str, int, tuple[int, int]]:
    """What the id of a storage says.

    Args:
        pid: Of a checkpoint's pickle.

    Returns:
        Type, key, device, number of elements, and the range of them that is meant.

    Raises:
        UnreadableError: If it says something else.
    """
    if type(pid) is not tuple or len(pid) not in (5, 6) or pid[0] != 'storage':
        raise UnreadableError('it refers to what is no storage')
    kind, key, location, count = pid[1:5]
    if not isinstance(kind, StorageType) or not isinstance(location, str):
        raise UnreadableError('a storage is not of a type of numbers')
    if not isinstance(key, (str, int)) or type(count) is not int or count < 0:
        raise UnreadableError('a storage has no key or no length')
    part = (0, count)
    if len(pid) == 6 and pid[5] is not None:  # of PyTorch below 0.4: a range of another storage
        if type(pid[5]) is not tuple or len(pid[5]) != 3:
            raise UnreadableError('a storage is no range of another one')
        part = pid[5][1:]
        if any(type(number) is not int or number < 0 for number in part) or sum(part) > count:
            raise UnreadableError('a storage reaches beyond another one that it is of')
    return kind.dtype, str(key), location, count, part


def tensor(
    machine: PickleMachine,
    stored: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any = False,
    hooks: Any = None,
    metadata: Any = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """A tensor on a storage; hooks and attributes that came with it are left out.

    Raises:
        UnreadableError: If it reaches beyond the storage, or repeats it without bound.
    """
    if not isinstance(stored, Stored):
        raise UnreadableError(f'a tensor is made of a {type(stored).__name__}')
    dtype = dtype or stored.dtype
    numbers = (offset, *_tuple(size), *_tuple(stride))
    if len(size) != len(stride) or len(size) > _MOST_AXES:
        raise UnreadableError(f'a tensor has {len(size)} sizes and {len(stride)} strides')
    if any(type(number) is not int or not 0 <= number < 1 << 62 for number in numbers):
        raise UnreadableError('a tensor has a size, stride or offset that cannot be')
    count, there = math.prod(size), stored.bytes // dtype.itemsize
    last = offset + sum((length - 1) * step for length, step in zip(size, stride))
    if count and last >= there:
        raise UnreadableError(f'a tensor of {tuple(size)} reaches beyond {there:,} stored elements')
    if count > max(there, _MOST_REPEATED):
        raise UnreadableError(f'a tensor of {tuple(size)} repeats {there:,} stored elements')
    offset = offset + stored.first // dtype.itemsize if count else 0
    found = torch.empty(0, dtype=dtype, device=stored.storage.device)
    found.set_(stored.storage, offset, tuple(size), tuple(stride))
    if type(metadata) is dict and metadata.get('conj') is True and found.is_complex():
        found = found.conj()
    if type(metadata) is dict and metadata.get('neg') is True:
        found = torch._neg_view(found)
    return found.requires_grad_(requires_grad is True and _has_gradient(found))


def _tensor_v3(machine, stored, offset, size, stride, requires_grad, hooks, dtype, metadata=None):
    """Of a type that has no storage of its own."""
    if not isinstance(dtype, torch.dtype):
        raise UnreadableError('a tensor is not of a type of numbers')
    return tensor(machine, stored, offset, size, stride, requires_grad, hooks, metadata, dtype)


def _parameter(machine, data, requires_grad=False, hooks=None, state=None) -> torch.nn.Parameter:
    if not isinstance(data, Tensor):
        raise UnreadableError('a parameter is made of a tensor')
    return torch.nn.Parameter(data.detach(), requires_grad is True and _has_gradient(data))


def _of_subclass(machine, function, kind, args, state=None) -> Any:
    """A tensor with attributes, or of a subclass: the tensor."""
    return machine.called(function, args)


def _size(machine, lengths=()) -> torch.Size:
    if any(type(length) is not int or not 0 <= length < 1 << 62 for length in _tuple(lengths)):
        raise UnreadableError('a size is made of lengths')
    return torch.Size(lengths)


def _device(machine, kind, index=None) -> torch.device:
    if not isinstance(kind, str) or not (index is None or type(index) is int):
        raise UnreadableError('a device has a name and a number')
    return torch.device(kind) if index is None else torch.device(kind, index)


def _tuple(numbers: Any) -> tuple:
    if type(numbers) not in (tuple, list, torch.Size):
        raise UnreadableError(f'sizes are given as a {type(numbers).__name__}')
    return tuple(numbers)


def _has_gradient(found: Tensor) -> bool:
    return found.is_floating_point() or found.is_complex()


def _names() -> Names:
    values: dict[tuple[str, str], Any] = {
        ('torch._utils', '_rebuild_tensor'): tensor,
        ('torch._utils', '_rebuild_tensor_v2'): tensor,
        ('torch._utils', '_rebuild_tensor_v3'): _tensor_v3,
        ('torch._utils', '_rebuild_parameter'): _parameter,
        ('torch._utils', '_rebuild_parameter_with_state'): _parameter,
        ('torch._tensor', '_rebuild_from_type_v2'): _of_subclass,
        ('torch', 'Size'): torch.Size,
        ('torch', 'device'): torch.device,
    }
    calls: dict[Any, Callable] = {torch.Size: _size, torch.device: _device}
    for build in (tensor, _tensor_v3, _parameter, _of_subclass):
        calls[build] = build
    for value in vars(torch).values():
        if isinstance(value, torch.dtype):
            values['torch', str(value).removeprefix('torch.')] = value
    for name, dtype in _TYPES.items():
        for module in ('torch', 'torch.cuda', 'torch.storage'):
            values[module, f'{name}Storage'] = StorageType(dtype)
    for module in ('torch', 'torch.storage'):
        values[module, 'UntypedStorage'] = StorageType(torch.uint8)
    return Names(values, calls, {})


NAMES = _names()

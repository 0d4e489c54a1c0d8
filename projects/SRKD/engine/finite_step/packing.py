"""What a data loader gives as plain data and back, so that a reader need run no code of a file.

A box, a data sample or a class becomes a dict that names it under ``'_is'``. Going back, a name is
looked up among the structures of mmdet3d and mmengine and nowhere else.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any

import mmdet3d.structures
import mmengine.structures
import numpy as np
import torch
from mmdet3d.structures import BaseInstance3DBoxes, BasePoints
from mmengine.structures import BaseDataElement
from torch import Tensor

from ...base import UsageError
from ...distill.features import Features

LARGE = 2**20
"""Bytes from which a tensor is shared and not copied: copying clouds and images takes its time."""
_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, np.generic)
_HOMES = (mmdet3d.structures, mmengine.structures)
_LEFT_OUT = 'left out'
# What a structure consists of, beside the metainfo and data of a data element.
_PARTS = {
    BaseInstance3DBoxes: ('tensor', 'box_dim', 'with_yaw'),
    BasePoints: ('tensor', 'points_dim', 'attribute_dims', 'rotation_axis'),
}


def pack(value: Any) -> Any:
    """A copy as plain data: containers, numbers, strings, arrays and tensors.

    Tensors and arrays from :data:`LARGE` bytes on are shared with the original. What is neither
    data nor a structure of mmdet3d or mmengine is left out; only its type is noted down.

    Example:
        >>> pack(dict(seen={1}, by=torch.nn.ReLU()))
        {'seen': {1}, 'by': {'_is': 'left out', 'type': 'ReLU'}}
    """
    if isinstance(value, enum.Enum):
        return dict(_is=_home_name(type(value)) or _LEFT_OUT, name=value.name)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Tensor):
        value = value.detach()
        return value.clone() if value.nbytes < LARGE else value
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value.copy() if value.nbytes < LARGE else value
    if isinstance(value, Mapping):
        return {key: pack(each) for key, each in value.items()}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind(map(pack, value))
    if isinstance(value, Features):
        return dict(_is='Features') | {name: pack(each) for name, each in vars(value).items()}
    if isinstance(value, type):
        name = _home_name(value)
        return dict(_is='class', name=name) if name else _left_out(value)
    return _pack_structure(value)


def _pack_structure(value: Any) -> dict:
    name = next((found for found in map(_home_name, type(value).__mro__) if found), None)
    if name is None:
        return _left_out(type(value))
    if isinstance(value, BaseDataElement):
        meta, data = dict(value.metainfo_items()), dict(value.items())
        return dict(_is=name, metainfo=pack(meta), data=pack(data))
    for kind, parts in _PARTS.items():
        if isinstance(value, kind):
            return dict(_is=name) | {part: pack(getattr(value, part, None)) for part in parts}
    return _left_out(type(value))


def unpack(value: Any) -> Any:
    """What :func:`pack` was given; None for what it has left out.

    Raises:
        UsageError: If it names something that is no structure of mmdet3d or mmengine.
    """
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(map(unpack, value))
    if not isinstance(value, Mapping):
        return value
    name = value.get('_is')
    if name is None:
        return {key: unpack(each) for key, each in value.items()}
    if name == _LEFT_OUT:
        return None
    rest = {key: unpack(each) for key, each in value.items() if key != '_is'}
    if name == 'Features':
        return Features(**rest)
    if name == 'class':
        return _home_class(rest['name'])
    kind = _home_class(name)
    if issubclass(kind, enum.Enum):
        return kind[rest['name']]
    if issubclass(kind, BaseDataElement):
        element = kind(metainfo=rest['metainfo'])
        for key, each in rest['data'].items():
            setattr(element, key, each)
        return element
    structure = kind.__new__(kind)
    vars(structure).update(rest)  # as they were: constructors move origins and add columns
    return structure


def tensors_in(packed: Any, path: tuple = ()) -> Iterator[tuple[tuple, Tensor]]:
    """Every tensor of what :func:`pack` returned and the keys that lead to it.

    Metainfo is passed over: it is no input of a network.
    """
    if isinstance(packed, Tensor):
        yield path, packed
    elif isinstance(packed, Mapping):
        structure = '_is' in packed
        for key, each in packed.items():
            if not (structure and key == 'metainfo'):
                inner = structure and key in ('data', 'tensor', 'feat')
                yield from tensors_in(each, path if inner else (*path, key))
    elif isinstance(packed, (list, tuple)):
        for number, each in enumerate(packed):
            yield from tensors_in(each, (*path, number))


def _left_out(kind: type) -> dict:
    return dict(_is=_LEFT_OUT, type=kind.__name__)


def _home_name(kind: type) -> str | None:
    """Name of a public structure, None for any other class."""
    home = any(getattr(module, kind.__name__, None) is kind for module in _HOMES)
    return kind.__name__ if home else None


def _home_class(name: str) -> type:
    for module in _HOMES:
        found = getattr(module, str(name), None)
        if isinstance(found, type):
            return found
    raise UsageError(
        f'a packed structure must be one of mmdet3d.structures or mmengine.structures, but got '
        f'{name!r}: the file was written by something else'
    )

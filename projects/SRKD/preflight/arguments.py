"""Every part of a config exists, and takes the arguments it is given.

mmengine finds out part by part while it builds, in the words of Python (``unexpected keyword
argument``), without the place in the config, and some of it after the data was read.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Integral, Number
from types import NoneType, UnionType
from typing import Any

from mmdet3d import registry as mmdet3d
from mmengine.config import Config
from mmengine.registry import Registry
from torch.utils.data import DataLoader

from ..base import UsageError, UsageTypeError, nearest_name
from ..losses import PointAffinityLoss, VoxelAffinityLoss
from .components import BUILDERS, Component, components

_OURS = ('projects.',)  # packages whose annotations are tested
_MARKS = ('type', '_scope_', '_delete_')
# Arguments that a builder takes off.
_TAKEN = {
    mmdet3d.HOOKS: ('priority',),
    mmdet3d.PARAM_SCHEDULERS: ('convert_to_iter_based',),
    mmdet3d.OPTIM_WRAPPERS: ('constructor', 'paramwise_cfg'),
    mmdet3d.LOOPS: ('by_epoch',),
}  # fmt: skip
# Builders of these hand their parts further arguments (train_cfg, widths of taps, a save_dir ...).
_COMPLETE = (mmdet3d.DATASETS, mmdet3d.TRANSFORMS, mmdet3d.HOOKS, mmdet3d.METRICS)
_LOADER = (*inspect.signature(DataLoader.__init__).parameters, 'num_batch_per_epoch')


def check_arguments(cfg: Config, splits: Sequence[str] = ()) -> None:
    """Refuse the first part that no registry knows or that does not take what it is given.

    Raises:
        UsageError: For an unknown type, an unknown or a missing argument.
        UsageTypeError: For a value of another type than the argument's annotation says.
    """
    _check_loaders(cfg)
    _check_super_voxels(cfg)
    _check_typed_layers(cfg.get('model'), 'model')
    for component in components(cfg):
        for problem in problems(component):
            raise problem


def problems(component: Component) -> Iterator[UsageError]:
    """Yield what is wrong with one part, see :func:`check_arguments`."""
    kind = component.config['type']
    if component.built is None:
        yield _unknown(component, kind)
        return
    if not callable(component.built):
        return
    accepted = accepted_arguments(component.built)
    taken = _TAKEN.get(component.registry, ()) + BUILDERS.get(component.builder, ())
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))
    for key, value in component.config.items():
        if key in _MARKS or key in taken or accepted is None:
            continue
        if key not in accepted:
            nearest = nearest_name(key, [*accepted, *taken]) or 'it takes none'
            yield UsageError(f'{component.key}: {name} has no argument {key!r}, nearest: {nearest}')
        elif not _suits(value, accepted[key], component.built):
            yield UsageTypeError(
                f'{component.key}.{key}: {name} expects {_words(accepted[key])}, but got {value!r} '
                f'({type(value).__name__})'
            )
    if accepted is None or component.builder or component.registry not in _COMPLETE:
        return
    for key, parameter in accepted.items():
        if parameter.default is parameter.empty and key not in component.config:
            yield UsageError(f'{component.key}: {name} needs the argument {key!r}, but got none')


def accepted_arguments(built: Callable) -> dict[str, inspect.Parameter] | None:
    """Arguments of a class or function by name, those behind ``**kwargs`` included.

    ``**kwargs`` of a constructor are followed to the constructor it inherits. Annotations are
    resolved where they can be.

    Returns:
        None if any name is taken.
    """
    if not inspect.isclass(built):
        return _own_arguments(built)[0] if not _own_arguments(built)[1] else None
    found: dict[str, inspect.Parameter] = {}
    if built.__init__ is object.__init__:
        return found  # no constructor at all takes nothing
    for base in inspect.getmro(built):
        if base is object or '__init__' not in vars(base):
            continue
        own, open_ended = _own_arguments(base.__init__)
        found = own | found
        if not open_ended:
            return found
    return None


def _own_arguments(function: Callable) -> tuple[dict[str, inspect.Parameter], bool]:
    """Named arguments but ``self``, and whether there are any others."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C
        return {}, True
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # names that only a type checker imports
        hints = {}
    named, open_ended = {}, False
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            open_ended = True
        elif parameter.kind is not parameter.VAR_POSITIONAL and name != 'self':
            annotation = hints.get(name, parameter.empty)
            if parameter.default is None and annotation is not parameter.empty:
                annotation = annotation | None if isinstance(annotation, type) else annotation
            named[name] = parameter.replace(annotation=annotation)
    return named, open_ended


def _suits(value: Any, parameter: inspect.Parameter, built: Callable) -> bool:
    """Whether a value can be meant by a parameter."""
    if built.__module__.startswith(_OURS):
        return fits(value, parameter.annotation)
    # Annotations of others are not run by anybody (mmdet3d says dict where it takes numbers);
    # defaults are, and texts and dicts are never numbers.
    if not isinstance(value, (str, Mapping)) or isinstance(value, Mapping) and 'type' in value:
        return True
    default, annotation = parameter.default, parameter.annotation
    if isinstance(default, Number):
        return isinstance(default, bool) and not isinstance(value, Mapping)
    kinds = set(typing.get_args(annotation) or (annotation,)) - {NoneType}
    return not kinds <= {int, float, bool}


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value can be meant by an annotation; unknown annotations take everything.

    Lists and tuples stand for each other, whole numbers for floats, and a registered part (a dict
    with a ``type``) for any object. 6.0 is no whole number: torch counts nothing in floats.

    Example:
        >>> fits(3, float), fits('3', float), fits([1, 2], tuple[int, int] | None), fits(6.0, int)
        (True, False, True, False)
    """
    if annotation is inspect.Parameter.empty or isinstance(value, Mapping) and 'type' in value:
        return True
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, UnionType):
        return any(fits(value, part) for part in inner)
    if origin is typing.Literal:
        return value in inner
    kind = origin or annotation
    if kind is None or kind is NoneType:
        return value is None
    if kind is bool:
        return isinstance(value, (bool, int))
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Number)
    if kind is str:
        return isinstance(value, str)
    if inspect.isclass(kind) and issubclass(kind, Mapping):
        return isinstance(value, Mapping)
    if inspect.isclass(kind) and kind in (list, tuple) or kind is Sequence:
        return _sequence_fits(value, inner)
    return True


def _sequence_fits(value: Any, inner: tuple) -> bool:
    if isinstance(value, (str, Number, Mapping, NoneType)):
        return False
    parts = [part for part in inner if part is not Ellipsis]
    if len(parts) != 1 or not isinstance(value, Sequence):
        return True
    return all(fits(part, parts[0]) for part in value)


def _unknown(component: Component, kind: Any) -> UsageError:
    registry = component.registry
    return UsageError(
        f'{component.key}.type: {kind!r} is not in the registry of {registry.name}s, nearest: '
        f'{nearest_name(kind, _names(registry))}; parts of your own are registered by a module '
        'that custom_imports names'
    )


def _names(registry: Registry) -> list[str]:
    names = list(registry.module_dict)
    return names + (_names(registry.parent) if registry.parent is not None else [])


def _check_loaders(cfg: Config) -> None:
    for section in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for key in cfg.get(section) or {}:
            if key not in _LOADER:
                raise UsageError(
                    f'{section}: a loader has no argument {key!r}, nearest: '
                    f'{nearest_name(key, _LOADER)}'
                )


def _check_super_voxels(cfg: Config) -> None:
    """Losses get those entries that they take, so one that none takes would be passed over."""
    super_voxels = (cfg.get('model') or {}).get('super_voxels') or {}
    if not isinstance(super_voxels, Mapping):
        raise UsageTypeError(f'model.super_voxels must be a dict or None, but got {super_voxels!r}')
    accepted = {
        name
        for loss in (PointAffinityLoss, VoxelAffinityLoss)
        for name in accepted_arguments(loss) or ()
    }
    for key in super_voxels:
        if key not in accepted:
            raise UsageError(
                f'model.super_voxels: no loss has an argument {key!r}, nearest: '
                f'{nearest_name(key, accepted)}'
            )


def _check_typed_layers(node: Any, key: str) -> None:
    """Their builders take no default type, whatever the default of the part that has them."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name in BUILDERS and isinstance(value, Mapping) and 'type' not in value:
                raise UsageError(
                    f'{key}.{name}.type is missing, expected the name of a layer beside '
                    f'{", ".join(value) or "nothing"}'
                )
            _check_typed_layers(value, f'{key}.{name}')
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            _check_typed_layers(value, f'{key}[{number}]')


def _words(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return f'a value like its default {parameter.default!r}'
    text = annotation.__name__ if inspect.isclass(annotation) else str(annotation)
    return text.replace('typing.', '').replace('collections.abc.', '')

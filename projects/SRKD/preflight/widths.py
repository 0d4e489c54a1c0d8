"""Widths that two parts of a network share; torch finds out in the first step, without keys."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmdet3d.registry import MODELS
from mmengine.config import Config

from ..base import UsageError
from ..distill.teacher import teacher_config

# Argument that says how many channels leave a part, and which of its numbers that is.
_LEAVING = {
    'MinkUNetBackbone': ('decoder_channels', -1),
    'PointTransformerV3': ('dec_channels', 0),
    'LitePT': ('dec_channels', 0),
    'PointPillarsSegBackbone': ('out_channels', None),
    'PillarFeatureNet': ('feat_channels', -1),
    'PointPillarsScatter': ('in_channels', None),
    'SECOND': ('out_channels', slice(None)),
    'SECONDFPN': ('out_channels', sum),
}  # fmt: skip
# Argument that says how many enter.
_ENTERING = {
    'VoxelSegHead': 'channels', 'PointPillarsScatter': 'in_channels', 'SECOND': 'in_channels',
    'SECONDFPN': 'in_channels', 'Anchor3DHead': 'in_channels', 'CenterHead': 'in_channels',
}  # fmt: skip
_CHAINS = (
    ('backbone', 'decode_head'),
    ('voxel_encoder', 'middle_encoder', 'backbone', 'neck', 'bbox_head'),
    ('pts_voxel_encoder', 'pts_middle_encoder', 'pts_backbone', 'pts_neck', 'pts_bbox_head'),
)


class Width(NamedTuple):
    """How many channels pass a place, and the key that says so."""

    key: str
    value: int | tuple[int, ...]


def check_widths(cfg: Config, splits: Sequence[str] = ()) -> None:
    """Refuse a network in which a part takes another number of channels than the one before gives.

    Parts of other kinds are passed over: what they give is not known before they are built.

    Raises:
        UsageError: With both keys and both numbers.
    """
    model = cfg.get('model')
    if not isinstance(model, Mapping) or 'type' not in model:
        return
    role = 'model.student' if 'student' in model else 'model'
    network = teacher_config(model)
    for given, taken in _joints(network, role):
        if given.value != taken.value:
            raise UsageError(
                f'{given.key} gives {_told(given.value)} channels, but {taken.key} takes '
                f'{_told(taken.value)}: both must be equal'
            )


def _joints(network: Mapping, role: str) -> Iterator[tuple[Width, Width]]:
    for chain in _CHAINS:
        for before, after in zip(chain, chain[1:]):
            given = _leaving(network.get(before), f'{role}.{before}')
            taken = _entering(network.get(after), f'{role}.{after}')
            if given is not None and taken is not None:
                yield given, taken


def _leaving(part: Any, key: str) -> Width | None:
    for kind, (argument, which) in _LEAVING.items():
        value = _argument(part, kind, argument)
        if value is None:
            continue
        key = f'{key}.{argument}'
        if which is None:
            return _width(key, value)
        if not isinstance(value, (list, tuple)) or not value:
            return None
        if which is sum:
            return _width(f'the sum of {key}', sum(value))
        if isinstance(which, slice):
            return _width(key, tuple(value))
        return _width(f'{key}[{which}]', value[which])
    return None


def _entering(part: Any, key: str) -> Width | None:
    for kind, argument in _ENTERING.items():
        value = _argument(part, kind, argument)
        if value is not None:
            return _width(f'{key}.{argument}', value)
    return None


def _width(key: str, value: Any) -> Width:
    return Width(key, tuple(value) if isinstance(value, (list, tuple)) else value)


def _argument(part: Any, kind: str, argument: str) -> Any:
    """The argument of a part of that kind, its default where it is not written; else None."""
    if not isinstance(part, Mapping) or not isinstance(part.get('type'), str):
        return None
    built = MODELS.get(part['type'])
    if not inspect.isclass(built) or kind not in {base.__name__ for base in built.__mro__}:
        return None
    if argument in part:
        return part[argument]
    parameter = inspect.signature(built.__init__).parameters.get(argument)
    return None if parameter is None or parameter.default is parameter.empty else parameter.default


def _told(value: int | tuple[int, ...]) -> str:
    return ', '.join(map(str, value)) if isinstance(value, tuple) else str(value)

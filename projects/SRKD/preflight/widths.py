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
    'PointTransformerV3': ('dec_channels', 0),  # CDSegNet, too
    'LitePT': ('dec_channels', 0),
    'PointPillarsSegBackbone': ('out_channels', None),
    'HardSimpleVFE': ('num_features', None),
    'HardVFE': ('feat_channels', -1),
    'PillarFeatureNet': ('feat_channels', -1),
    'PointPillarsScatter': ('in_channels', None),
    'SECOND': ('out_channels', slice(None)),
    'SECONDFPN': ('out_channels', sum),
    'FPN': ('out_channels', None),
    'PointNetFPNeck': ('fp_channels', (-1, -1)),
}  # fmt: skip
# Argument that says how many enter, and which of its numbers that is.
_ENTERING = {
    'VoxelSegHead': ('channels', None), 'PointPillarsScatter': ('in_channels', None),
    'SparseEncoder': ('in_channels', None), 'SECOND': ('in_channels', None),
    'SECONDFPN': ('in_channels', None), 'FPN': ('in_channels', None),
    'Anchor3DHead': ('in_channels', None),
    'CenterHead': ('in_channels', None),
    'PointRPNHead': ('pred_layer_cfg.in_channels', None),
    'PointRCNNBboxHead': ('mlp_channels', -1),  # which joins the features of the points
}  # fmt: skip
# Two arguments of one part that must be equal, the giving one first.
_INSIDE = {
    'Anchor3DHead': (('in_channels', None), ('feat_channels', None)),  # what its convolutions take
    'PointRCNNBboxHead': (('sa_channels', (-1, -1)), ('pred_layer_cfg.in_channels', None)),
}
_CHAINS = (
    ('backbone', 'decode_head'),
    ('voxel_encoder', 'middle_encoder', 'backbone', 'neck', 'bbox_head'),
    ('pts_voxel_encoder', 'pts_middle_encoder', 'pts_backbone', 'pts_neck', 'pts_bbox_head'),
    ('backbone', 'neck', 'rpn_head'),
    ('neck', 'roi_head.bbox_head'),
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
    if 'neck_3d' in network:
        return  # of images: the chain goes another way
    for chain in _CHAINS:
        for before, after in zip(chain, chain[1:]):
            taking = _part(network, after)
            given = leaving(_part(network, before), f'{role}.{before}')
            taken = _found(taking, f'{role}.{after}', _ENTERING)
            if given is not None and taken is not None:
                yield given, taken
    for name in dict.fromkeys(name for chain in _CHAINS for name in chain):
        part = _part(network, name)
        ends = [{kind: pair[end] for kind, pair in _INSIDE.items()} for end in (0, 1)]
        given, taken = (_found(part, f'{role}.{name}', table) for table in ends)
        if given is not None and taken is not None and _kind(part) != 'ShapeAwareHead':
            yield given, taken
    yield from propagated(network, role)


def _part(network: Mapping, name: str) -> Any:
    for word in name.split('.'):
        network = network.get(word) if isinstance(network, Mapping) else None
    return network


def leaving(part: Any, key: str) -> Width | None:
    """How many channels leave a part of a known kind."""
    if _kind(part) in _FLATTENED:
        return flattened(part, key)
    return _found(part, key, _LEAVING)


def _found(part: Any, key: str, table: Mapping[str, tuple]) -> Width | None:
    for kind, (name, which) in table.items():
        value = argument(part, kind, name)
        if value is None:
            continue
        key = f'{key}.{name}'
        if which is None:
            return Width(key, tuple(value) if isinstance(value, (list, tuple)) else value)
        if not isinstance(value, (list, tuple)) or not value:
            return None
        if which is sum:
            return Width(f'the sum of {key}', sum(value))
        if isinstance(which, slice):
            return Width(key, tuple(value))
        for number in which if isinstance(which, tuple) else (which,):
            value, key = value[number], f'{key}[{number}]'
        return Width(key, value)
    return None


_FLATTENED = ('SparseEncoder', 'SparseEncoderSASSD')  # their heirs may turn the axes


def flattened(part: Mapping, key: str) -> Width | None:
    """What a sparse encoder gives: its channels times the cells of height that are left."""
    wanted = ('sparse_shape', 'output_channels', 'encoder_channels', 'encoder_paddings')
    shape, channels, stages, paddings = (argument(part, _kind(part), name) for name in wanted)
    if shape is None or len(stages) != len(paddings):
        return None
    blocks = argument(part, _kind(part), 'block_type') == 'basicblock'
    height = shape[0]
    for number, pads in enumerate(paddings):
        if number == (len(stages) - 1 if blocks else 0):
            continue  # the stage that keeps its size
        pad = pads[-1] if blocks else pads[0]
        height = (height + 2 * (pad[0] if isinstance(pad, (list, tuple)) else pad) - 3) // 2 + 1
    height = (height - 3) // 2 + 1  # the last convolution is of height alone
    return Width(f'{key}.output_channels x {height} cells of height', channels * height)


def propagated(network: Mapping, role: str) -> Iterator[tuple[Width, Width]]:
    """Joints of PointNet++: a neck's layers take what the layer before gave and a level above."""
    backbone, neck = network.get('backbone'), network.get('neck')
    scales = argument(backbone, 'PointNet2SAMSG', 'sa_channels')
    layers = argument(neck, 'PointNetFPNeck', 'fp_channels')
    if scales is None or layers is None:
        return
    joined = argument(backbone, 'PointNet2SAMSG', 'aggregation_channels') or [None] * len(scales)
    levels = [own or sum(mlp[-1] for mlp in stage) for stage, own in zip(scales, joined)]
    kept = argument(backbone, 'PointNet2SAMSG', 'out_indices')
    levels = [argument(backbone, 'PointNet2SAMSG', 'in_channels') - 3, *(levels[i] for i in kept)]
    entering = levels[-1]
    for number, (layer, level) in enumerate(zip(layers, levels[-2::-1])):
        place = (
            f'{role}.backbone.sa_channels and in_channels'
            if number == 0
            else (f'{role}.neck.fp_channels[{number - 1}][-1] beside a level of {role}.backbone')
        )
        yield (Width(place, entering + level),
               Width(f'{role}.neck.fp_channels[{number}][0]', layer[0]))  # fmt: skip
        entering = layer[-1]


def _kind(part: Any) -> str | None:
    named = isinstance(part, Mapping) and isinstance(part.get('type'), str)
    return part['type'].rpartition('.')[2] if named else None


def argument(part: Any, kind: str, name: str) -> Any:
    """The argument of a part of that kind, its default where it is not written; else None.

    Args:
        part: Config of a part, or anything else.
        kind: Name of its class or of one that it inherits.
        name: Of the argument; a dot leads into a dict.
    """
    if _kind(part) is None:
        return None
    built = MODELS.get(part['type'])
    if not inspect.isclass(built) or kind not in {base.__name__ for base in built.__mro__}:
        return None
    first, *inner = name.split('.')
    if first in part:
        value = part[first]
        for word in inner:
            value = value.get(word) if isinstance(value, Mapping) else None
        return value
    parameter = inspect.signature(built.__init__).parameters.get(first)
    if inner or parameter is None or parameter.default is parameter.empty:
        return None
    return parameter.default


def _told(value: int | tuple[int, ...]) -> str:
    return ', '.join(map(str, value)) if isinstance(value, tuple) else str(value)

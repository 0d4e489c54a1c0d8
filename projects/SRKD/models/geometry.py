"""A detector's grid stands in many places of its config: are they one grid?

The voxels of the data preprocessor are the truth. mmdet3d compares nothing: a pillar size changed
in the preprocessor alone trains, on a quarter of the map.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mmdet3d.registry import MODELS

from ..base import UsageError
from ..ops.grid import DetectionGrid

_EXACT = 1e-4  # meters, between two spellings of one number
_COARSEST = 8  # voxels in a cell, of a backbone that is not known here
_SPARSE_STAGES = 4  # of mmdet3d's SparseEncoder where the config names none; all but one halve


class Place(NamedTuple):
    """A value of the geometry somewhere in a config.

    Attributes:
        key: Dotted key below the model.
        value: What is written there.
        fits: What the voxels ask for.
        slack: How far each number may be off.
    """

    key: str
    value: Sequence[float]
    fits: Sequence[float]
    slack: float = _EXACT


def check_geometry(model: Mapping, role: str = 'model') -> DetectionGrid | None:
    """Refuse a detector whose parts see different grids.

    Args:
        model: Its config, without ``CompressedDetector`` around it.
        role: What the config is called, for messages.

    Returns:
        The grid; None for networks without voxels of one size.

    Raises:
        UsageError: On the first place that disagrees: its key, both values and what would fit.
    """
    grid = DetectionGrid.of(model.get('data_preprocessor') or {})
    if grid is None:
        return None
    layer = f'{role}.data_preprocessor.voxel_layer'
    _check_cells(grid, layer)
    stride = _check_strides(model, grid, role, layer)
    for place in _places(model, grid, stride):
        if not _agree(place):
            raise UsageError(
                f'{role}.{place.key} is {_told(place.value)}, but {layer} has point_cloud_range='
                f'{_told(grid.point_cloud_range)} and voxel_size={_told(grid.voxel_size)}, which '
                f'ask for {_told(place.fits)}: all places must describe one grid'
            )
    _check_limits(model, grid, role, layer)
    return grid


def output_stride(model: Mapping) -> int | None:
    """Voxels in one cell of the map that the head reads; None where the layers do not tell."""
    neck = _module(model, 'neck')[1]
    strides = _level_strides(model)
    if not strides:
        return None
    if neck.get('type') == 'SECONDFPN':
        return round(strides[0] / neck.get('upsample_strides', [1, 2, 4])[0])
    return strides[0]


def _check_cells(grid: DetectionGrid, layer: str) -> None:
    low, high = grid.point_cloud_range[:3], grid.point_cloud_range[3:]
    for axis, name in enumerate('xyz'):
        extent, size = high[axis] - low[axis], grid.voxel_size[axis]
        if not (size > 0 and extent > 0 and math.isfinite(extent)):
            raise UsageError(
                f'{layer} has no voxels along {name}: from {low[axis]:g} to {high[axis]:g} m in '
                f'steps of {size:g} m'
            )
        count = round(extent / size)
        if count < 1 or abs(extent - count * size) > 0.01 * size:
            fits = low[axis] + max(count, 1) * size
            raise UsageError(
                f'{layer}: voxels of {size:g} m do not divide the {extent:g} m from {low[axis]:g} '
                f'to {high[axis]:g} along {name}; the nearest range that they divide ends at '
                f'{fits:g}'
            )


def _check_strides(model: Mapping, grid: DetectionGrid, role: str, layer: str) -> int | None:
    """Refuse a map that the layers cannot halve evenly; returns the stride of the output map."""
    strides, neck = _level_strides(model), _module(model, 'neck')
    if not strides or neck[1].get('type') != 'SECONDFPN':
        return output_stride(model)
    ups = neck[1].get('upsample_strides', [1, 2, 4])
    ends = [stride / up for stride, up in zip(strides, ups)]
    if max(ends) - min(ends) > _EXACT:
        raise UsageError(
            f'{role}.{neck[0]}.upsample_strides {list(ups)} end in cells of '
            f'{", ".join(f"{end:g}" for end in ends)} voxels for the strides {strides} of the '
            'backbone, expected one size for all levels'
        )
    whole = strides[-1]
    for axis, name in ((0, 'x'), (1, 'y')):
        count = grid.shape[2 - axis]
        if count % whole:
            nearest = max(whole, round(count / whole) * whole)
            low, size = grid.point_cloud_range[axis], grid.voxel_size[axis]
            raise UsageError(
                f'{layer} makes a map of {count} cells along {name}, which the strides of the '
                f'backbone do not divide: expected a multiple of {whole}, the nearest is {nearest} '
                f'(a range from {low:g} to {low + nearest * size:g} m)'
            )
    return output_stride(model)


def _places(model: Mapping, grid: DetectionGrid, stride: int | None) -> Iterator[Place]:
    reach, size = grid.point_cloud_range, grid.voxel_size
    depth, height, width = grid.shape
    key, encoder = _module(model, 'voxel_encoder')
    for name, fits in (('voxel_size', size), ('point_cloud_range', reach)):
        value = encoder.get(name, _default(encoder.get('type'), name))
        if value is not None:
            yield Place(f'{key}.{name}', value, fits)
    key, middle = _module(model, 'middle_encoder')
    if middle.get('output_shape') is not None:
        yield Place(f'{key}.output_shape', middle['output_shape'], (height, width))
    if middle.get('sparse_shape') is not None:
        shape = middle['sparse_shape']
        levels = depth if shape[0] == depth else depth + 1  # mmdet3d adds one
        yield Place(f'{key}.sparse_shape', shape, (levels, height, width))
    key, head = _module(model, 'bbox_head')
    # one cell: some of mmdet3d's own anchors begin 0.8 cells inside the range
    slack = max(size[:2]) * (stride or _COARSEST)
    for number, span in enumerate((head.get('anchor_generator') or {}).get('ranges') or ()):
        name = f'{key}.anchor_generator.ranges[{number}]'
        yield Place(name, span, (*reach[:2], span[2], *reach[3:5], span[5]), slack)
    if head.get('tasks'):
        yield from _center_places(model, key, head, grid, stride)


def _center_places(
    model: Mapping, key: str, head: Mapping, grid: DetectionGrid, stride: int | None
) -> Iterator[Place]:
    reach, size = grid.point_cloud_range, grid.voxel_size
    settings = {f'{key}.bbox_coder': head.get('bbox_coder') or {}}
    for name in ('train_cfg', 'test_cfg'):
        settings[f'{name}.pts'] = (model.get(name) or {}).get('pts') or {}
    fits = dict(
        point_cloud_range=reach,
        pc_range=reach,
        voxel_size=size,
        grid_size=grid.shape[:0:-1],  # x, y
        out_size_factor=None if stride is None else (stride,),
    )
    for place, values in settings.items():
        for name, wanted in fits.items():
            value = values.get(name)
            if value is None or wanted is None:
                continue
            value = value if isinstance(value, Sequence) else (value,)
            if name == 'grid_size':
                value = value[:2]
            yield Place(f'{place}.{name}', value, wanted[: len(value)])


def _check_limits(model: Mapping, grid: DetectionGrid, role: str, layer: str) -> None:
    """Refuse a head that looks for, or keeps, boxes elsewhere than in the range."""
    reach = grid.point_cloud_range
    key, head = _module(model, 'bbox_head')
    limits = {
        f'{key}.bbox_coder.post_center_range': (head.get('bbox_coder') or {}).get(
            'post_center_range'
        ),
        'test_cfg.pts.post_center_limit_range': (
            (model.get('test_cfg') or {}).get('pts') or {}
        ).get('post_center_limit_range'),
    }
    for name, limit in limits.items():
        if limit is not None and narrower(limit, reach, max(grid.voxel_size[:2])):
            raise UsageError(
                f'{role}.{name} is {_told(limit)}, which drops boxes inside the '
                f'point_cloud_range {_told(reach)} of {layer}: expected at least that range'
            )
    for number, span in enumerate((head.get('anchor_generator') or {}).get('ranges') or ()):
        if not reach[2] <= span[2] <= reach[5]:
            raise UsageError(
                f'{role}.{key}.anchor_generator.ranges[{number}] puts anchors at z = {span[2]:g} '
                f'm, outside the point_cloud_range of {layer}, {reach[2]:g} to {reach[5]:g} m'
            )


def narrower(limit: Sequence[float], reach: Sequence[float], slack: float) -> bool:
    """Whether a box ``limit`` leaves out part of the box ``reach``, both x, y, z low then high."""
    below = any(low > wanted + slack for low, wanted in zip(limit[:3], reach[:3]))
    return below or any(high < wanted - slack for high, wanted in zip(limit[3:], reach[3:]))


def _level_strides(model: Mapping) -> list[int]:
    """Voxels in one cell of every level of a SECOND backbone; empty for other backbones."""
    backbone, middle = _module(model, 'backbone')[1], _module(model, 'middle_encoder')[1]
    if backbone.get('type') != 'SECOND':
        return []
    stride, strides = 1, []
    if 'sparse_shape' in middle:
        stride = 2 ** (len(middle.get('encoder_channels') or [()] * _SPARSE_STAGES) - 1)
    for step in backbone.get('layer_strides', [2, 2, 2]):
        stride *= step
        strides.append(stride)
    return strides


def _module(model: Mapping, name: str) -> tuple[str, Mapping]:
    """Key and config of a module of the LiDAR branch."""
    key = f'pts_{name}' if model.get(f'pts_{name}') else name
    value = model.get(key)
    return key, value if isinstance(value, Mapping) else {}


def _default(kind: str | type | None, name: str) -> Sequence[float] | None:
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    found = inspect.signature(kind).parameters.get(name) if kind is not None else None
    return None if found is None or found.default is found.empty else found.default


def _agree(place: Place) -> bool:
    return len(place.value) == len(place.fits) and all(
        abs(one - other) <= place.slack + _EXACT for one, other in zip(place.value, place.fits)
    )


def _told(numbers: Sequence[float]) -> str:
    return f'[{", ".join(f"{number:g}" for number in numbers)}]'

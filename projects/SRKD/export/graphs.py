"""Pillar networks as functions of tensors, from pillars of one scan to raw maps or logits.

What goes in is made outside: :mod:`projects.SRKD.export.onnx_student` does it in numpy, mmdet3d's
data preprocessor in torch.

Shape letters: P pillars, M points that a pillar holds, C columns of a point, D channels, N rows,
L classes, H x W cells of the map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEAD_MAPS = ('cls_score', 'bbox_pred', 'dir_cls_pred')  # of Anchor3DHead, in its order


def named_tensors(answer: Any, name: str = '') -> Iterator[tuple[str, Tensor]]:
    """Tensors of nested dicts, lists and tuples, by dotted path; None is passed over.

    Example:
        >>> one = torch.zeros(1)
        >>> [name for name, _ in named_tensors(dict(a=[one, None, one], b=one))]
        ['a.0', 'a.2', 'b']
    """
    if isinstance(answer, Tensor):
        yield name, answer
    elif answer is not None:
        pairs = answer.items() if isinstance(answer, Mapping) else enumerate(answer)
        for key, value in pairs:
            yield from named_tensors(value, f'{name}.{key}' if name else str(key))


def refilled(answer: Any, values: Iterator[Tensor]) -> Any:
    """The same nesting with other tensors, in the order of :func:`named_tensors`."""
    if answer is None:
        return None
    if isinstance(answer, Tensor):
        return next(values)
    if isinstance(answer, Mapping):
        return {key: refilled(value, values) for key, value in answer.items()}
    return type(answer)([refilled(value, values) for value in answer])


def scattered(feat: Tensor, cell: Tensor, height: int, width: int) -> Tensor:
    """Lay pillars on a map.

    Args:
        feat: ``(P, D)``.
        cell: ``(P,)`` int64 ``y * W + x``; ``H * W`` leaves a pillar out.
        height: H.
        width: W.

    Returns:
        ``(1, D, H, W)``, zero where no pillar is.
    """
    rows = feat.new_zeros(height * width + 1, feat.shape[1]).index_put((cell,), feat)
    return rows[:-1].T.reshape(1, feat.shape[1], height, width)


class Graph(nn.Module):
    """What is exported: tensors in, tensors out, one scan.

    Attributes:
        sizes: For each input, in order, the name of its dynamic first axis.
    """

    sizes: Mapping[str, str]

    def answer(self, *inputs: Tensor) -> Any:
        """What the network's head gives, nested as the head nests it."""
        raise NotImplementedError

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The same, flat."""
        return tuple(tensor for _, tensor in named_tensors(self.answer(*inputs)))

    def inputs(self, voxels: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Inputs out of what the network's data preprocessor made of one scan."""
        raise NotImplementedError

    def example(self, rows: int = 24) -> tuple[Tensor, ...]:
        """Inputs that no scan gave, of ``rows`` pillars or rows."""
        raise NotImplementedError


class DetectorGraph(Graph):
    """Pillar encoder, scatter, 2D backbone, neck and head of a detector.

    Args:
        network: ``VoxelNet``, ``MVXFasterRCNN`` or ``CenterPoint`` with ``PointPillarsScatter``,
            in eval mode.
    """

    sizes = dict(pillars='num_pillars', counts='num_pillars', cells='num_pillars')

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        prefix = 'pts_' if hasattr(network, 'pts_voxel_encoder') else ''
        for name in ('voxel_encoder', 'middle_encoder', 'backbone', 'neck', 'bbox_head'):
            setattr(self, name, getattr(network, prefix + name, None))
        self.max_points = network.data_preprocessor.voxel_layer.max_num_points

    @property
    def columns(self) -> int:
        """C."""
        encoder = self.voxel_encoder
        added = 3 * (encoder._with_cluster_center + encoder._with_voxel_center)
        return encoder.in_channels - added - bool(encoder._with_distance)

    def answer(self, pillars: Tensor, counts: Tensor, cells: Tensor) -> dict[str, Any]:
        """Compute the head's maps.

        Args:
            pillars: ``(P, M, C)``, padded with zeros.
            counts: ``(P,)`` points of each pillar.
            cells: ``(P, 3)`` z, y, x.

        Returns:
            A list of levels each for ``cls_score``, ``bbox_pred`` and ``dir_cls_pred``; of a
            ``CenterHead`` ``task``, a list of tasks of levels of maps by name.
        """
        middle = self.middle_encoder
        # a copy, since some of mmdet3d's encoders write into what they are given
        feat = self.voxel_encoder(pillars.clone(), counts, F.pad(cells, (1, 0)))
        cell = cells[:, 1].long() * middle.nx + cells[:, 2].long()
        maps = self.backbone(scattered(feat, cell, middle.ny, middle.nx))
        found = self.bbox_head(maps if self.neck is None else self.neck(maps))
        if hasattr(self.bbox_head, 'task_heads'):
            return dict(task=found)
        return dict(zip(HEAD_MAPS, found))

    def unpacked(self, answer: dict[str, Any]) -> tuple:
        """What the head itself gives, of :meth:`answer`."""
        return answer['task'] if 'task' in answer else tuple(answer.values())

    def inputs(self, voxels: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """See :meth:`Graph.inputs`."""
        return voxels['voxels'], voxels['num_points'], voxels['coors'][:, 1:].contiguous()

    def example(self, rows: int = 24) -> tuple[Tensor, ...]:
        """See :meth:`Graph.example`."""
        middle = self.middle_encoder
        place = torch.linspace(0, middle.ny * middle.nx - 1, rows).int()
        cells = torch.stack([torch.zeros_like(place), place // middle.nx, place % middle.nx], 1)
        pillars = torch.rand(rows, self.max_points, self.columns)
        return pillars, torch.full((rows,), self.max_points, dtype=torch.int32), cells


class SegmentorGraph(Graph):
    """``PointPillarsSegBackbone`` and the head of a segmentor.

    Args:
        network: A ``MinkUNet`` of mmdet3d with that backbone, in eval mode.
    """

    sizes = dict(points='num_points', point_pillar='num_points', cells='num_pillars')

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.backbone, self.decode_head = network.backbone, network.decode_head
        self.columns = network.backbone.in_channels

    def answer(self, points: Tensor, point_pillar: Tensor, cells: Tensor) -> dict[str, Tensor]:
        """Compute logits.

        Args:
            points: ``(N, C)`` rows that the data preprocessor keeps, x, y, z in meters first.
            point_pillar: ``(N,)`` int64, the pillar of every row.
            cells: ``(P, 2)`` int64 x and y of the pillars, beside the map, too.

        Returns:
            ``logits`` ``(N, L)``.
        """
        net, grid = self.backbone, self.backbone.grid
        width, height = grid.size
        low = points.new_tensor(grid.low)
        place = (points[:, :2] - low) / grid.pillar_size
        from_center = (place - cells[point_pillar].to(place.dtype) - 0.5) * grid.pillar_size
        augmented = [points, _from_mean(points[:, :3], point_pillar, cells), from_center]
        rows = net.encoder.norm(net.encoder.linear(torch.cat(augmented, 1))).relu()
        index = point_pillar[:, None].expand_as(rows)
        empty = rows.new_zeros(cells.shape[0], rows.shape[1])  # no row is below zero
        feat = empty.scatter_reduce(0, index, rows, 'amax')  # (P, D)
        x, y = cells.unbind(1)
        on_map = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        cell = torch.where(on_map, y * width + x, height * width)
        (bev,) = net.neck(net.second(scattered(feat, cell, height, width)))
        seen = F.grid_sample(
            net.readout.from_map(bev), grid.normalized(points)[None, None], align_corners=False
        )
        row = net.readout.mlp(net.readout.from_row(rows) + seen[0, :, 0].T)
        return dict(logits=self.decode_head(row))

    def unpacked(self, answer: dict[str, Tensor]) -> Tensor:
        """What the head itself gives, of :meth:`answer`."""
        return answer['logits']

    def inputs(self, voxels: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """See :meth:`Graph.inputs`."""
        points = voxels['voxels']
        sample = points.new_zeros(len(points), dtype=torch.long)
        pillars = self.backbone.grid.pillars(points[:, :3], sample)
        return points, pillars.row_pillar, pillars.cells[:, 1:].contiguous()

    def example(self, rows: int = 24) -> tuple[Tensor, ...]:
        """See :meth:`Graph.example`."""
        points = torch.rand(rows, self.columns)
        points[:, 0] += torch.arange(rows) // 2 * self.backbone.grid.pillar_size
        return self.inputs(dict(voxels=points))


def _from_mean(xyz: Tensor, group: Tensor, cells: Tensor) -> Tensor:
    """Offsets of rows ``(N, 3)`` from the mean of their pillar."""
    total = xyz.new_zeros(cells.shape[0], 3).scatter_add(0, group[:, None].expand_as(xyz), xyz)
    count = xyz.new_zeros(cells.shape[0]).scatter_add(0, group, torch.ones_like(xyz[:, 0]))
    return xyz - (total / count[:, None])[group]

"""What an ONNX file says beside its graph: classes, pre-processing, decoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .graphs import DetectorGraph, Graph, SegmentorGraph


def about(network: nn.Module, graph: Graph, classes: Sequence[str]) -> dict[str, Any]:
    """Everything that :class:`~projects.SRKD.export.onnx_student.OnnxStudent` reads.

    Args:
        network: What ``graph`` was made of.
        graph: See :func:`~projects.SRKD.export.exportable.graph_of`.
        classes: Their names, in the order of the labels.
    """
    found = dict(columns=graph.columns, classes=list(classes), network=type(network).__name__)
    if isinstance(graph, SegmentorGraph):
        return found | dict(task='segmentation', preprocessing=_voxels(network, graph))
    head = graph.bbox_head
    told = found | dict(task='detection', preprocessing=_pillars(network))
    return told | dict(head=_anchor_head(head, graph) if _decodable(head) else None)


def _voxels(network: nn.Module, graph: SegmentorGraph) -> dict[str, Any]:
    grid = graph.backbone.grid
    return dict(
        voxel_size=_floats(network.data_preprocessor.voxel_size),
        map_low=_floats(grid.low),
        pillar_size=float(grid.pillar_size),
    )


def _pillars(network: nn.Module) -> dict[str, Any]:
    layer = network.data_preprocessor.voxel_layer
    return dict(
        voxel_size=_floats(layer.voxel_size),
        point_cloud_range=_floats(layer.point_cloud_range),
        max_points=int(layer.max_num_points),
        max_pillars=int(layer.max_voxels[1]),
    )


def _decodable(head: nn.Module) -> bool:
    """Whether numpy can decode the maps; else they are the answer."""
    coder = type(getattr(head, 'bbox_coder', None)).__name__
    scored = getattr(head, 'use_sigmoid_cls', False) and head.test_cfg is not None
    return coder == 'DeltaXYZWLHRBBoxCoder' and scored and head.use_direction_classifier


def _anchor_head(head: nn.Module, graph: DetectorGraph) -> dict[str, Any]:
    with torch.no_grad():
        scores = graph.answer(*graph.example())['cls_score']
    sizes = [tuple(score.shape[-2:]) for score in scores]
    anchors = head.prior_generator.grid_anchors(sizes, device='cpu')
    test = head.test_cfg
    before = test.get('nms_pre', -1)
    return dict(
        levels=[_level(size, grid) for size, grid in zip(sizes, anchors)],
        nms_pre=int(before) if before > 0 else None,
        nms_thr=float(test.nms_thr),
        rotated=bool(test.use_rotate_nms),
        score_thr=float(test.get('score_thr', 0)),
        max_num=int(test.max_num),
        dir_offset=float(head.dir_offset),
        dir_limit_offset=float(head.dir_limit_offset),
    )


def _level(size: tuple[int, int], anchors: Tensor) -> Mapping[str, Any]:
    """Anchors of a regular grid by their first cell and the step to the next."""
    grid = anchors.double().reshape(*size, -1, anchors.shape[-1])
    first, last = grid[0, 0], grid[-1, -1]
    cells = first.new_tensor([size[1], size[0]])
    step = (last - first)[:, :2] / (cells - 1).clamp(min=1)
    return dict(size=list(size), first=first.tolist(), step=step.tolist())


def _floats(numbers: Sequence[float]) -> list[float]:
    return [float(number) for number in numbers]

"""Which networks ONNX has operators for, and the sentence for those it has not."""

from __future__ import annotations

from torch import nn

from ..base import UsageError
from .graphs import DetectorGraph, Graph, SegmentorGraph

WITHOUT = {
    'SparseConvolution': 'sparse convolution over occupied voxels',
    'SubMConv3d': 'sparse convolution over occupied voxels',
    'SerializedAttention': 'attention over points sorted along a curve',
    'DynamicScatter': 'dynamic scatter of points into voxels',
    'BasePointSAModule': 'farthest point sampling and ball query',
    'PointFPModule': 'interpolation from the three nearest points',
}
"""Module (itself or a base) -> the operator in it that ONNX lacks."""

INSTEAD = (
    'a student of pillars instead, such as configs/srkd/pointpillars_4xb2-50e_semantickitti.py or '
    'configs/pointdistiller/pointpillars-16x_8xb6-160e_kitti-3d-3class.py'
)
"""What can be exported."""


def graph_of(network: nn.Module) -> Graph:
    """The part of a network that is exported.

    Args:
        network: In eval mode.

    Raises:
        UsageError: If it has an operator that ONNX lacks, or is no network of pillars.
    """
    kind = type(network).__name__
    for name, module in network.named_modules():
        for base in type(module).__mro__:
            if base.__name__ in WITHOUT:
                raise UsageError(
                    f'network must be made of operators that ONNX has, but got {kind} whose '
                    f'{name} is a {type(module).__name__}, {WITHOUT[base.__name__]}: export '
                    f'{INSTEAD}'
                )
    if type(getattr(network, 'backbone', None)).__name__ == 'PointPillarsSegBackbone':
        return SegmentorGraph(network)
    middle = getattr(network, 'pts_middle_encoder', getattr(network, 'middle_encoder', None))
    if type(middle).__name__ != 'PointPillarsScatter':
        raise UsageError(
            f'network must be one of pillars, but got {kind} with '
            f'{type(middle).__name__ if middle is not None else "no middle encoder"}: export '
            f'{INSTEAD}'
        )
    return DetectorGraph(network)

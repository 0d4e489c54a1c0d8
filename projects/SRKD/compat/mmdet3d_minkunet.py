"""MinkUNet on grids whose extent no power of two divides, thin scans first.

Breaks: spconv drops the last slice of an axis where a strided convolution halves an odd extent, so
    voxels near a batch's far border lose their coarse features, and a scan's answer depends on the
    larger scans beside it. Where nothing is left, a scan thinner than 16 voxels, a MinkUNet of four
    stages stops with "your out spatial shape [.., 0] reach zero". A training step whose coarsest
    stage has one row ends in torch's "Expected more than 1 value per channel".
Where: mmdet3d 1.4.0 ``models/backbones/minkunet_backbone.py``: ``MinkUNetBackbone.forward`` takes
    the extent of the voxels for the grid that four strided convolutions halve. torchsparse, which
    published weights were trained with, has no such grid and drops nothing.
Delete when: it gives the grid the voxels that its strides need.

Each extent is rounded up to a multiple of 2 ** num_stages. The name of a scan is added where it is
known, by ``mmdet3d_scan_names``.
"""

from collections.abc import Callable, Sequence
from functools import partial, wraps
from importlib.util import find_spec
from unittest.mock import patch

import torch
from torch import Tensor

from ..base import TooFewVoxelsError


def _whole(original: Callable) -> Callable:
    from mmdet3d.models.backbones import minkunet_backbone as module

    tensor = module.SparseConvTensor

    def grid(edge: int, features: Tensor, coors: Tensor, shape: Sequence[int], batch_size: int):
        return tensor(features, coors, [-(-int(n) // edge) * edge for n in shape], batch_size)

    @wraps(original)
    def forward(self, voxel_features: Tensor, coors: Tensor) -> Tensor:
        if self.sparseconv_backend != 'spconv':
            return original(self, voxel_features, coors)
        edge = 2**self.num_stages
        if self.training:
            _check_rows(coors, edge)
        with patch.object(module, 'SparseConvTensor', partial(grid, edge)):
            return original(self, voxel_features, coors)

    forward.original = original
    return forward


def _check_rows(coors: Tensor, edge: int) -> None:
    """Refuse voxels ``(N, 4)`` (batch, x, y, z) that leave one row after the last stage."""
    cells = torch.div(coors[:, 1:], edge, rounding_mode='floor')
    rows = torch.cat([coors[:, :1], cells], 1)
    if (rows == rows[:1]).all():
        raise TooFewVoxelsError(
            'batch norm in training needs at least 2 voxels at every stage, but got 1 at the '
            f'coarsest, where {edge} x {edge} x {edge} voxels are one: use larger clouds, '
            'more of them per batch, or fewer stages'
        )


def apply() -> bool:
    """Wrap the backbone's forward."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.models import MinkUNetBackbone

    if not hasattr(MinkUNetBackbone.forward, 'original'):
        MinkUNetBackbone.forward = _whole(MinkUNetBackbone.forward)
    return True

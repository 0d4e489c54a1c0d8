"""MinkUNet on scans that are thin.

Breaks: a scan thinner than 16 voxels on any axis stops a MinkUNet of four stages, in prediction and
    in training, with spconv's "your out spatial shape [.., 0] reach zero". A training step whose
    coarsest stage has one row ends in torch's "Expected more than 1 value per channel".
Where: mmdet3d 1.4.0 ``models/backbones/minkunet_backbone.py``: ``MinkUNetBackbone.forward`` takes
    the extent of the voxels for the grid that four strided convolutions halve.
Delete when: it gives the grid the voxels that its strides need.

A grid that is too small is made 2 ** num_stages voxels wide; others stay as they are, and so does
what the network answers in them. The name of a scan is added where it is known, in the segmentor.
"""
from collections.abc import Callable, Sequence
from functools import partial, wraps
from importlib.util import find_spec
from unittest.mock import patch

import torch
from torch import Tensor

from ..base import TooFewVoxelsError, naming_scans


def _roomy(original: Callable) -> Callable:
    from mmdet3d.models.backbones import minkunet_backbone as module
    tensor = module.SparseConvTensor

    def grid(least: int, features: Tensor, coors: Tensor, shape: Sequence[int], batch_size: int):
        return tensor(features, coors, [max(int(n), least) for n in shape], batch_size)

    @wraps(original)
    def forward(self, voxel_features: Tensor, coors: Tensor) -> Tensor:
        if self.sparseconv_backend != 'spconv':
            return original(self, voxel_features, coors)
        least = 2**self.num_stages
        if self.training:
            _check_rows(coors, least)
        with patch.object(module, 'SparseConvTensor', partial(grid, least)):
            return original(self, voxel_features, coors)

    forward.original = original
    return forward


def _check_rows(coors: Tensor, edge: int) -> None:
    """Refuse voxels ``(N, 4)`` (batch, x, y, z) that leave one row after the last stage."""
    cells = torch.div(coors[:, 1:], edge, rounding_mode='floor')
    whole = ((coors[:, 1:].amax(0) + 1) // edge).clamp(min=1)
    rows = torch.cat([coors[:, :1], cells], 1)[(cells < whole).all(1)]  # spconv drops the others
    if (rows == rows[:1]).all():
        raise TooFewVoxelsError(
            'batch norm in training needs at least 2 voxels at every stage, got 1 at the coarsest, '
            f'where {edge} x {edge} x {edge} voxels are one: use larger clouds, more of them per '
            'batch, or fewer stages')


def apply() -> bool:
    """Wrap the backbone's forward and the segmentor's loss."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.models import MinkUNet, MinkUNetBackbone
    if not hasattr(MinkUNetBackbone.forward, 'original'):
        MinkUNetBackbone.forward = _roomy(MinkUNetBackbone.forward)
        MinkUNet.loss = naming_scans(MinkUNet.loss)
    return True

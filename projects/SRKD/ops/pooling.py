"""Rows gathered in cells: maximum, number, and a batch norm that says what a batch lacks.

Shape letters: N rows, M cells, C channels.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..base import TooFewVoxelsError


class RowBatchNorm(nn.BatchNorm1d):
    """Batch norm with PTv3's constants, which says what a batch lacks.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3, momentum=0.01)

    def forward(self, feat: Tensor) -> Tensor:
        """Normalize ``(N, C)``.

        Raises:
            TooFewVoxelsError: In training for fewer than two rows, which have no spread.
        """
        if self.training and len(feat) < 2:
            raise TooFewVoxelsError(
                'batch norm in training needs at least 2 voxels at every stage, but got '
                f'{len(feat)}: use larger clouds, more of them per batch, or fewer stages'
            )
        return super().forward(feat)


def pool_max(feat: Tensor, parent: Tensor, num_cells: int) -> Tensor:
    """Maximum over the rows of every cell.

    Args:
        feat: ``(N, C)``.
        parent: ``(N,)`` the cell of every row, int64.
        num_cells: M; every cell has a row.

    Returns:
        ``(M, C)``; rows that share a maximum share its gradient equally.

    Example:
        >>> pool_max(torch.tensor([[1.0], [3.0], [2.0]]), torch.tensor([0, 0, 1]), 2).tolist()
        [[3.0], [2.0]]
    """
    return _PoolMax.apply(feat, parent, num_cells)


class _PoolMax(torch.autograd.Function):
    """``scatter_reduce('amax')``, whose own backward takes five times as long."""

    @staticmethod
    def forward(ctx, feat: Tensor, parent: Tensor, num_cells: int) -> Tensor:
        pooled = feat.new_full((num_cells, feat.shape[1]), float('-inf'))
        pooled.scatter_reduce_(0, parent[:, None].expand_as(feat), feat, 'amax')
        ctx.save_for_backward(feat, parent, pooled)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        feat, parent, pooled = ctx.saved_tensors
        largest = (feat == pooled.index_select(0, parent)).to(grad.dtype)  # (N, C)
        ties = torch.zeros_like(pooled).index_add_(0, parent, largest)
        return largest * (grad / ties).index_select(0, parent), None, None


def points_per_voxel(point_row: Tensor, num_rows: int) -> Tensor:
    """Importance of a voxel by its number of raw points.

    Source: PointDistiller (arXiv 2205.11098), for voxel detectors: most voxels of a LiDAR scan hold
    a single point, often noise.

    Args:
        point_row: Voxel of every raw point, -1 for none, (P,) int64.
        num_rows: M.

    Returns:
        Counts, (M,) float32.

    Example:
        >>> points_per_voxel(torch.tensor([2, 0, -1, 2]), num_rows=3)
        tensor([1., 0., 2.])
    """
    return torch.bincount(point_row[point_row >= 0], minlength=num_rows).float()

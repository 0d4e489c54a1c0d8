"""Changes of resolution: grid pooling of serialized rows and its inverse.

Shapes: N fine rows, M coarse rows, C channels.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ...base import TooFewVoxelsError
from .point_cloud import PointCloud


class RowBatchNorm(nn.BatchNorm1d):
    """Batch norm with PTv3's constants, which says what a batch lacks.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3, momentum=0.01)

    def forward(self, feat: Tensor) -> Tensor:
        """Normalise ``(N, C)``.

        Raises:
            TooFewVoxelsError: In training for fewer than two rows, which have no spread.
        """
        if self.training and len(feat) < 2:
            raise TooFewVoxelsError(
                f'batch norm in training needs at least 2 voxels at every stage, got {len(feat)}: '
                'use larger clouds, more of them per batch, or fewer stages'
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


class SerializedPooling(nn.Module):
    """Maximum over the rows of every larger cell after a linear map, then norm and GELU.

    Args:
        in_channels: Width of the fine rows.
        out_channels: Width of the coarse rows.
        stride: Edge of a coarse cell in fine ones, a power of two.
        shuffle_orders: Whether training permutes the orders of the coarse stage. In eval nothing
            is random (the original permutes there, too).
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, shuffle_orders: bool
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.halvings = stride.bit_length() - 1
        self.shuffle_orders = shuffle_orders
        self.proj = nn.Linear(in_channels, out_channels)
        self.norm = nn.Sequential(RowBatchNorm(out_channels))
        self.act = nn.Sequential(nn.GELU())

    def forward(self, cloud: PointCloud) -> PointCloud:
        """Pool ``(N, in_channels)`` rows to ``(M, out_channels)``."""
        index = cloud.index.pooled(self.halvings, self.shuffle_orders and self.training)
        pooled = pool_max(self.proj(cloud.feat), index.parent, len(index.coors))
        return PointCloud(self.act(self.norm(pooled)), index)


class SerializedUnpooling(nn.Module):
    """Add the coarse rows to the skip's, each after linear, norm and GELU.

    Args:
        in_channels: Width of the coarse rows.
        skip_channels: Width of the skip's rows.
        out_channels: Width of the result.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.proj = self._branch(in_channels, out_channels)
        self.proj_skip = self._branch(skip_channels, out_channels)

    @staticmethod
    def _branch(in_channels: int, out_channels: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(in_channels, out_channels), RowBatchNorm(out_channels), nn.GELU()
        )

    def forward(self, coarse: PointCloud, skip: PointCloud) -> PointCloud:
        """Return the skip's rows with both features added.

        The positional encoding that follows sees the skip alone: in the original the sparse tensor
        it convolves is made before the addition, and official weights are trained so.
        """
        up = self.proj(coarse.feat).index_select(0, coarse.index.parent)  # (N, C)
        own = self.proj_skip(skip.feat)
        return skip.replace(own + up, position_feat=own)

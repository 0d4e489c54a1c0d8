"""Changes of resolution: grid pooling of serialized rows and its inverse.

Shape letters: N fine rows, M coarse rows, C channels.
"""

from torch import nn

from ...ops.gelu import GELU
from ...ops.pooling import RowBatchNorm, pool_max
from .point_cloud import PointCloud


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
        self.act = nn.Sequential(GELU())

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
            nn.Linear(in_channels, out_channels), RowBatchNorm(out_channels), GELU()
        )

    def forward(self, coarse: PointCloud, skip: PointCloud) -> PointCloud:
        """Return the skip's rows with both features added.

        The positional encoding that follows sees the skip alone: in the original the sparse tensor
        it convolves is made before the addition, and official weights are trained so.
        """
        up = self.proj(coarse.feat).index_select(0, coarse.index.parent)  # (N, C)
        own = self.proj_skip(skip.feat)
        return skip.replace(own + up, position_feat=own)

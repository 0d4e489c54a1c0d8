"""Changes of resolution: grid pooling of serialized rows and its inverse.

Shapes: N fine rows, M coarse rows, C channels.
"""

from torch import nn

from .point_cloud import PointCloud


def batch_norm(channels: int) -> nn.BatchNorm1d:
    """Batch norm with PTv3's constants."""
    return nn.BatchNorm1d(channels, eps=1e-3, momentum=0.01)


class SerializedPooling(nn.Module):
    """Maximum over the rows of every 2 x 2 x 2 cell after a linear map, then norm and GELU.

    Args:
        in_channels: Width of the fine rows.
        out_channels: Width of the coarse rows.
        shuffle_orders: Whether training permutes the orders of the coarse stage. In eval nothing
            is random (the original permutes there, too).
    """

    def __init__(self, in_channels: int, out_channels: int, shuffle_orders: bool) -> None:
        super().__init__()
        self.shuffle_orders = shuffle_orders
        self.proj = nn.Linear(in_channels, out_channels)
        self.norm = nn.Sequential(batch_norm(out_channels))
        self.act = nn.Sequential(nn.GELU())

    def forward(self, cloud: PointCloud) -> PointCloud:
        """Pool ``(N, in_channels)`` rows to ``(M, out_channels)``."""
        index = cloud.index.pooled(self.shuffle_orders and self.training)
        feat = self.proj(cloud.feat)
        pooled = feat.new_full((len(index.coors), feat.shape[1]), float('-inf'))
        pooled = pooled.scatter_reduce(0, index.parent[:, None].expand_as(feat), feat, 'amax')
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
        self.proj = self._branch(in_channels, out_channels)
        self.proj_skip = self._branch(skip_channels, out_channels)

    @staticmethod
    def _branch(in_channels: int, out_channels: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(in_channels, out_channels), batch_norm(out_channels), nn.GELU()
        )

    def forward(self, coarse: PointCloud, skip: PointCloud) -> PointCloud:
        """Return the skip's rows with both features added.

        The positional encoding that follows sees the skip alone: in the original the sparse tensor
        it convolves is made before the addition, and official weights are trained so.
        """
        up = self.proj(coarse.feat)[coarse.index.parent]  # (N, C)
        own = self.proj_skip(skip.feat)
        return skip.replace(own + up, position_feat=own)

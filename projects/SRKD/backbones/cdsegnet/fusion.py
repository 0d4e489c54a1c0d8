"""Where the branches of CDSegNet meet: main voxels attend to noise voxels of the same cells.

Shape letters: N rows of either branch, T slots, C main and E noise channels.
"""

import torch
from torch import Tensor, nn

from ..ptv3.attention import SerializedAttention
from ..ptv3.block import MLP, DropPath, convolution_branch
from ..ptv3.point_cloud import PointCloud


class CrossAttention(SerializedAttention):
    """Patch attention with queries from one cloud, keys and values from another.

    Both clouds have the same cells, so their patches have the same shapes. Each follows its own
    first order; in eval that is the same curve.

    Args:
        channels: C.
        other_channels: E.
        args: Further arguments of :class:`SerializedAttention`.
        attention: Further arguments of :class:`SerializedAttention`.
    """

    def __init__(self, channels: int, other_channels: int, *args, **attention) -> None:
        self.other_channels = other_channels
        super().__init__(channels, *args, **attention)

    def _add_inputs(self, bias: bool) -> None:
        self.q = nn.Linear(self.channels, self.channels, bias=bias)
        self.kv = nn.Linear(self.other_channels, 2 * self.channels, bias=bias)

    def forward(
        self, feat: Tensor, cloud: PointCloud, other_feat: Tensor, other: PointCloud
    ) -> Tensor:
        """Attend from ``(N, C)`` rows of a cloud to ``(N, E)`` rows of another."""
        patches, others = (
            side.index.patches(self.order_index, self.patch_size) for side in (cloud, other)
        )
        query = self.q(feat).index_select(0, patches.rows)
        pair = self.kv(other_feat).index_select(0, others.rows)
        return self._attend_patches(torch.cat([query, pair], 1), patches)  # (T, 3 C)


class FusionBlock(nn.Module):
    """Positional encoding of both clouds, cross-attention, MLP.

    Args:
        channels: C.
        other_channels: E.
        num_heads: Heads of the attention.
        patch_size: Rows per patch.
        mlp_ratio: Hidden width of the MLP over C.
        drop_path: Rate of stochastic depth.
        proj_drop: Dropout rate after attention and inside the MLP.
        attention: Further arguments of :class:`CrossAttention`.
    """

    def __init__(
        self,
        channels: int,
        other_channels: int,
        num_heads: int,
        patch_size: int,
        mlp_ratio: float,
        drop_path: float,
        proj_drop: float = 0.0,
        **attention,
    ) -> None:
        super().__init__()
        self.out_channels = channels
        self.q_cpe = convolution_branch(channels)
        self.kv_cpe = convolution_branch(other_channels)
        self.q_norm1 = nn.Sequential(nn.LayerNorm(channels))
        self.kv_norm1 = nn.Sequential(nn.LayerNorm(other_channels))
        self.attn = CrossAttention(
            channels, other_channels, num_heads, patch_size, order_index=0, proj_drop=proj_drop,
            **attention,
        )  # fmt: skip
        self.q_norm2 = nn.Sequential(nn.LayerNorm(channels))
        self.mlp = nn.Sequential(MLP(channels, int(channels * mlp_ratio), proj_drop))
        self.drop_path = nn.Sequential(DropPath(drop_path))

    def forward(self, cloud: PointCloud, other: PointCloud) -> tuple[PointCloud, PointCloud]:
        """Return both clouds: the first fused, the second encoded and normed, as it was seen."""
        feat = _encoded(self.q_cpe, cloud)
        key = self.kv_norm1(_encoded(self.kv_cpe, other))
        feat = feat + self.drop_path(self.attn(self.q_norm1(feat), cloud, key, other))
        feat = feat + self.drop_path(self.mlp(self.q_norm2(feat)))
        return cloud.replace(feat), other.replace(key)


def _encoded(branch: nn.ModuleList, cloud: PointCloud) -> Tensor:
    convolution, linear, norm = branch
    return cloud.feat + norm(linear(convolution(cloud.feat, cloud.index.grid)))

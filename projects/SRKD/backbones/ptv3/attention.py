"""Multi-head attention inside the patches of a serialized cloud.

Shape letters: N rows, T slots, C channels, H heads, D = C / H, P patches of W slots.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...base import UsageError
from .patches import Patches, PatchGroup
from .point_cloud import PointCloud


class SerializedAttention(nn.Module):
    """Patch attention of PTv3 (arXiv 2312.10035, Sec. 4.2).

    The patch size is a constant: clouds smaller than it attend over themselves alone, so a
    sample's features do not depend on what else is in the batch.

    Args:
        channels: C.
        num_heads: H; divides C.
        patch_size: Slots of a full patch.
        qkv_bias: Whether the projection to queries, keys and values has a bias.
        order_index: Which of the stage's orders to follow.
        scale: Factor of the scores; None for D^-0.5.
        attn_drop: Dropout rate of the attention weights.
        proj_drop: Dropout rate of the result.

    Raises:
        UsageError: If H does not divide C.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        patch_size: int,
        qkv_bias: bool,
        order_index: int,
        scale: float | None = None,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ) -> None:
        super().__init__()
        if channels % num_heads:
            raise UsageError(
                f'channels must be a multiple of the {num_heads} heads, but got {channels}'
            )
        self.channels, self.num_heads, self.patch_size = channels, num_heads, patch_size
        self.order_index, self.scale, self.attn_drop = order_index, scale, attn_drop
        self._add_inputs(qkv_bias)
        self.proj = nn.Linear(channels, channels)
        self.proj_drop = nn.Dropout(proj_drop)

    def _add_inputs(self, bias: bool) -> None:
        self.qkv = nn.Linear(self.channels, 3 * self.channels, bias=bias)

    def extra_repr(self) -> str:
        """Show what the layers do not."""
        return f'num_heads={self.num_heads}, patch_size={self.patch_size}, order={self.order_index}'

    def forward(self, feat: Tensor, cloud: PointCloud) -> Tensor:
        """Attend within patches; ``feat`` ``(N, C)`` are features of the cloud's rows."""
        patches = cloud.index.patches(self.order_index, self.patch_size)
        # index_select, not [...]: its backward adds rows, that of indexing sorts them first.
        qkv = self._project(feat, cloud).index_select(0, patches.rows)
        return self._attend_patches(qkv, patches)

    def _project(self, feat: Tensor, cloud: PointCloud) -> Tensor:
        """Queries, keys and values side by side, ``(N, 3 C)``."""
        return self.qkv(feat)

    def _attend_patches(self, qkv: Tensor, patches: Patches) -> Tensor:
        """Attend with the ``(T, 3 C)`` of all slots; ``(N, C)`` results of the rows."""
        parts = qkv.split([group.count * group.width for group in patches.groups])
        results = [self._attend(*pair) for pair in zip(parts, patches.groups)]
        result = torch.cat(results) if results else qkv[:, : self.channels]
        return self.proj_drop(self.proj(result.index_select(0, patches.slot)))

    def _attend(self, qkv: Tensor, group: PatchGroup) -> Tensor:
        heads = qkv.view(group.count, group.width, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        drop = self.attn_drop if self.training else 0.0
        out = F.scaled_dot_product_attention(
            *heads, attn_mask=group.mask, dropout_p=drop, scale=self.scale
        )  # (P, H, W, D)
        return out.transpose(1, 2).reshape(len(qkv), self.channels)

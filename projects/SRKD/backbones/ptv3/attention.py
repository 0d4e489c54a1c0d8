"""Multi-head attention inside the patches of a serialized cloud.

Shapes: N rows, C channels, H heads, D = C / H, F full patches of P rows, S short clouds of L rows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .point_cloud import Patches, PointCloud


class SerializedAttention(nn.Module):
    """Patch attention of PTv3 (arXiv 2312.10035, Sec. 4.2).

    The patch size is a constant: clouds smaller than it attend over themselves alone, so a
    sample's features do not depend on what else is in the batch.

    Args:
        channels: C.
        num_heads: H; divides C.
        patch_size: P.
        qkv_bias: Whether the projection to queries, keys and values has a bias.
        order_index: Which of the stage's orders to follow.

    Raises:
        ValueError: If H does not divide C.
    """

    def __init__(
        self, channels: int, num_heads: int, patch_size: int, qkv_bias: bool, order_index: int
    ) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'{num_heads} heads do not divide {channels} channels')
        self.channels, self.num_heads, self.patch_size = channels, num_heads, patch_size
        self.order_index = order_index
        self.qkv = nn.Linear(channels, 3 * channels, bias=qkv_bias)
        self.proj = nn.Linear(channels, channels)

    def extra_repr(self) -> str:
        """Show what the layers do not."""
        return f'num_heads={self.num_heads}, patch_size={self.patch_size}, order={self.order_index}'

    def forward(self, feat: Tensor, cloud: PointCloud) -> Tensor:
        """Attend within patches; ``feat`` ``(N, C)`` are features of the cloud's rows."""
        patches = cloud.index.patches(self.order_index, self.patch_size)
        return self.proj(self._attend(self.qkv(feat), patches))

    def _attend(self, qkv: Tensor, patches: Patches) -> Tensor:
        results = []
        if len(patches.full):
            results.append(self._attention(qkv[patches.full]))
        if len(patches.short):
            results.append(self._attention(qkv[patches.short], patches.mask))
        if not results:
            return qkv[:, : self.channels]
        return torch.cat(results)[patches.slot]  # (N, C)

    def _attention(self, qkv: Tensor, mask: Tensor | None = None) -> Tensor:
        batch, length, _ = qkv.shape
        heads = qkv.view(batch, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(*heads, attn_mask=mask)  # (batch, H, length, D)
        return out.transpose(1, 2).reshape(batch * length, self.channels)

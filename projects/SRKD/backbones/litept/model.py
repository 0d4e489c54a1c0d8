"""LitePT: convolutions at the fine stages, attention at the coarse ones.

Source: Y. Yue et al., LitePT: Lighter Yet Stronger Point Transformer, arXiv 2512.13689 (CVPR
2026). Parameter names are those of its authors' code.

Shape letters: N rows, C channels.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..ptv3.arguments import check_stages, check_stride
from ..ptv3.block import convolution_branch
from ..ptv3.point_cloud import PointCloud
from ..ptv3.unet import Embedding, SerializedUNet, build_decoder, build_encoder
from .rotary import RotaryBlock


class ConvBlock(nn.Module):
    """A residual sparse convolution: 3 x 3 x 3, linear, norm.

    Args:
        channels: C.
        drop_path: Unused; stages tell it to every block. The convolution is never dropped.
        order_index: Unused, too: a convolution follows no order.
        with_cp: Whether to recompute the block in backward.
    """

    def __init__(
        self, channels: int, drop_path: float = 0.0, order_index: int = 0, with_cp: bool = False
    ) -> None:
        super().__init__()
        self.out_channels, self.with_cp = channels, with_cp
        self.conv = convolution_branch(channels)

    def forward(self, cloud: PointCloud) -> PointCloud:
        """Return the cloud with new features of the same width."""
        if self.with_cp and torch.is_grad_enabled():
            return cloud.replace(checkpoint(self._residual, cloud.feat, cloud, use_reentrant=False))
        return cloud.replace(self._residual(cloud.feat, cloud))

    def _residual(self, feat: Tensor, cloud: PointCloud) -> Tensor:
        convolution, linear, norm = self.conv
        return feat + norm(linear(convolution(feat, cloud.index.grid)))


class LitePT(SerializedUNet):
    """A U-Net of convolution stages, then attention stages; the defaults are LitePT-S.

    Made of PTv3's parts. The stages of the encoder either convolve or attend, and the decoder of
    LitePT-S has no blocks. As in our PTv3, nothing is random in eval and a sample's features do
    not depend on its batch.

    Args:
        in_channels: C_in.
        order: Curves, of ``z``, ``z-trans``, ``hilbert``, ``hilbert-trans``.
        stride: Edge of the next stage's cells in cells, for every step; powers of two.
        enc_depths: Blocks per encoder stage; its length is the number of stages.
        enc_channels: Width per encoder stage.
        enc_num_head: Heads per encoder stage; unused where it convolves, as is the patch size.
        enc_patch_size: Rows per attention patch and encoder stage.
        enc_attn: Whether an encoder stage attends; else it convolves.
        dec_depths: Blocks per decoder stage, finest first; one stage fewer than the encoder.
        dec_channels: Width per decoder stage.
        dec_num_head: Heads per decoder stage.
        dec_patch_size: Rows per attention patch and decoder stage.
        dec_attn: Whether a decoder stage attends.
        rope_freq: Base frequency of PointROPE.
        mlp_ratio: Hidden width of the MLPs over their width.
        qkv_bias: Whether queries, keys and values have a bias.
        attn_drop: Dropout rate of the attention weights.
        proj_drop: Dropout rate after attention and inside the MLPs.
        drop_path: Largest rate of stochastic depth, in attention blocks.
        shuffle_orders: Whether training permutes the orders, at the start and when pooling.
        depth: Bits per axis of the serialization. None takes what the largest coordinate of the
            batch needs, as the original does today (``'floor'``: as it did before), which
            published weights want and which makes samples depend on each other a little; an
            integer makes them independent, but exchanges axes of the Hilbert curve unless it
            equals the batch's own depth modulo 3.
        with_cp: Whether blocks are recomputed in backward, for memory.

    Raises:
        ValueError: For lists of unequal length, unknown curves, a stride that is no power of two,
            heads that do not divide the channels or leave a head no multiple of 6 channels, a
            drop path outside [0, 1), or a depth outside 1 ... 16.
    """

    def __init__(
        self,
        in_channels: int = 6,
        order: Sequence[str] = ('z', 'z-trans', 'hilbert', 'hilbert-trans'),
        stride: Sequence[int] = (2, 2, 2, 2),
        enc_depths: Sequence[int] = (2, 2, 2, 6, 2),
        enc_channels: Sequence[int] = (36, 72, 144, 252, 504),
        enc_num_head: Sequence[int] = (2, 4, 8, 14, 28),
        enc_patch_size: Sequence[int] = (1024, 1024, 1024, 1024, 1024),
        enc_attn: Sequence[bool] = (False, False, False, True, True),
        dec_depths: Sequence[int] = (0, 0, 0, 0),
        dec_channels: Sequence[int] = (72, 72, 144, 252),
        dec_num_head: Sequence[int] = (4, 4, 8, 14),
        dec_patch_size: Sequence[int] = (1024, 1024, 1024, 1024),
        dec_attn: Sequence[bool] = (False, False, False, False),
        rope_freq: float = 100.0,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
        drop_path: float = 0.3,
        shuffle_orders: bool = True,
        depth: int | Literal['floor'] | None = None,
        with_cp: bool = False,
    ) -> None:
        steps = len(enc_depths) - 1
        check_stages(
            steps,
            enc=(enc_channels, enc_num_head, enc_patch_size, enc_attn),
            dec=(dec_depths, dec_channels, dec_num_head, dec_patch_size, dec_attn, stride),
        )
        check_stride(stride)
        out_channels = dec_channels[0] if steps else enc_channels[0]
        super().__init__(in_channels, out_channels, order, shuffle_orders, depth)
        attention = dict(
            block_type=RotaryBlock, frequency=rope_freq, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias,
            attn_drop=attn_drop, proj_drop=proj_drop, with_cp=with_cp,
        )  # fmt: skip

        def blocks(attends: Sequence[bool], num_head, patch_size) -> list[dict]:
            return [
                dict(num_heads=heads, patch_size=size, **attention)
                if attend
                else dict(block_type=ConvBlock, with_cp=with_cp)
                for attend, heads, size in zip(attends, num_head, patch_size)
            ]

        self.embedding = Embedding(in_channels, enc_channels[0])
        self.enc = build_encoder(
            enc_channels, enc_depths, stride, drop_path, shuffle_orders,
            blocks(enc_attn, enc_num_head, enc_patch_size),
        )  # fmt: skip
        self.dec = build_decoder(
            dec_channels, enc_channels, dec_depths, drop_path,
            blocks(dec_attn, dec_num_head, dec_patch_size),
        )  # fmt: skip

"""Point Transformer V3 as a backbone of sparse voxels.

Source: X. Wu et al., Point Transformer V3: Simpler, Faster, Stronger, arXiv 2312.10035. Parameter
names are those of its authors' code (Pointcept), so official weights load.

Shape letters: as in ``unet.py``.
"""

from collections.abc import Sequence
from typing import Literal

from .arguments import check_stages, check_stride, check_upstream
from .block import Block, BranchBlock
from .unet import Embedding, SerializedUNet, build_decoder, build_encoder


class PointTransformerV3(SerializedUNet):
    """A U-Net of attention over serialized patches of voxels.

    ``enc`` and ``dec`` hold the stages, ``enc0`` and ``dec0`` the finest; each puts out a
    :class:`PointCloud`, so a forward hook on ``dec.dec1`` sees features and coordinates.

    Two departures from the original, both for a teacher's sake: in eval nothing is random (it
    permutes the orders when pooling in eval, too), and the patch size never follows the smallest
    cloud of a batch.

    Args:
        in_channels: C_in.
        order: Curves, of ``z``, ``z-trans``, ``hilbert``, ``hilbert-trans``.
        stride: Edge of the next stage's cells in cells, for every step; powers of two.
        enc_depths: Blocks per encoder stage; its length is the number of stages.
        enc_channels: Width per encoder stage.
        enc_num_head: Heads per encoder stage.
        enc_patch_size: Rows per attention patch and encoder stage.
        dec_depths: Blocks per decoder stage, finest first; one stage fewer than the encoder.
        dec_channels: Width per decoder stage.
        dec_num_head: Heads per decoder stage.
        dec_patch_size: Rows per attention patch and decoder stage.
        mlp_ratio: Hidden width of the MLPs over their width.
        qkv_bias: Whether queries, keys and values have a bias.
        qk_scale: Factor of the attention scores; None for (C / heads)^-0.5.
        attn_drop: Dropout rate of the attention weights.
        proj_drop: Dropout rate after attention and inside the MLPs.
        drop_path: Largest rate of stochastic depth; rates grow linearly along each of encoder and
            decoder.
        shuffle_orders: Whether training permutes the orders, at the start and when pooling.
        depth: Bits per axis of the serialization. None takes what the largest coordinate of the
            batch needs, as the original does today (``'floor'``: as it did before), which
            published weights want and which makes samples depend on each other a little; an
            integer makes them independent, but exchanges axes of the Hilbert curve unless it
            equals the batch's own depth modulo 3.
        with_cp: Whether blocks are recomputed in backward to save memory.
        upstream: Further arguments of the original, accepted where they change nothing.

    Raises:
        TypeError: For an argument nobody knows.
        ValueError: For lengths, curves, strides or upstream arguments that are not supported.
    """

    block_type = Block

    def __init__(
        self,
        in_channels: int = 6,
        order: Sequence[str] = ('z', 'z-trans', 'hilbert', 'hilbert-trans'),
        stride: Sequence[int] = (2, 2, 2, 2),
        enc_depths: Sequence[int] = (2, 2, 2, 6, 2),
        enc_channels: Sequence[int] = (32, 64, 128, 256, 512),
        enc_num_head: Sequence[int] = (2, 4, 8, 16, 32),
        enc_patch_size: Sequence[int] = (1024, 1024, 1024, 1024, 1024),
        dec_depths: Sequence[int] = (2, 2, 2, 2),
        dec_channels: Sequence[int] = (64, 64, 128, 256),
        dec_num_head: Sequence[int] = (4, 4, 8, 16),
        dec_patch_size: Sequence[int] = (1024, 1024, 1024, 1024),
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
        drop_path: float = 0.3,
        shuffle_orders: bool = True,
        depth: int | Literal['floor'] | None = None,
        with_cp: bool = False,
        **upstream,
    ) -> None:
        steps = len(enc_depths) - 1
        check_upstream(upstream, type(self))
        check_stages(
            steps,
            enc=(enc_channels, enc_num_head, enc_patch_size),
            dec=(dec_depths, dec_channels, dec_num_head, dec_patch_size, stride),
        )
        check_stride(stride)
        out_channels = dec_channels[0] if steps else enc_channels[0]
        super().__init__(in_channels, out_channels, order, shuffle_orders, depth)
        shared = dict(
            mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, scale=qk_scale, attn_drop=attn_drop,
            proj_drop=proj_drop, with_cp=with_cp, block_type=self.block_type,
        )  # fmt: skip

        def blocks(num_head: Sequence[int], patch_size: Sequence[int]) -> list[dict]:
            stages = zip(num_head, patch_size)
            return [dict(num_heads=heads, patch_size=size, **shared) for heads, size in stages]

        self.embedding = Embedding(in_channels, enc_channels[0])
        self.enc = build_encoder(
            enc_channels, enc_depths, stride, drop_path, shuffle_orders,
            blocks(enc_num_head, enc_patch_size),
        )  # fmt: skip
        self.dec = build_decoder(
            dec_channels, enc_channels, dec_depths, drop_path, blocks(dec_num_head, dec_patch_size)
        )


class PublishedPointTransformerV3(PointTransformerV3):
    """PTv3 as its published weights know it: Pointcept v1.5.1, before the structure was changed.

    Parameter names and shapes are those of :class:`PointTransformerV3`, which therefore loads the
    same file strictly and computes something else. Two things differ: the convolutions of all but
    the first block of a stage see a branch (:class:`BranchBlock`), and the serialization's depth
    follows the older rule.

    Args:
        kwargs: As for :class:`PointTransformerV3`.
    """

    block_type = BranchBlock

    def __init__(self, **kwargs) -> None:
        kwargs.setdefault('depth', 'floor')
        super().__init__(**kwargs)

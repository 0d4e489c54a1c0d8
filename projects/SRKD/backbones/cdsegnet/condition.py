"""The noise branch of CDSegNet: a small PTv3 that knows the diffusion's time step.

Shape letters: N rows, C channels, B samples, T time channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...base import UsageError
from ..ptv3.arguments import check_stages, check_stride
from ..ptv3.block import Block
from ..ptv3.point_cloud import PointCloud, StageIndex
from ..ptv3.pooling import SerializedPooling, SerializedUnpooling
from ..ptv3.unet import Embedding, build_decoder, build_encoder, decode, encode
from .noise import embed_time

# Of the skip in the noise branch: 1 / sqrt(2) (ScaleLong, arXiv 2310.13545) times 0.8^-1. The
# second comes from a default of the released code that reads as "off"; its weights know it.
SKIP_SCALE = 2**-0.5 / 0.8


@dataclass(frozen=True, eq=False)
class TimedCloud(PointCloud):
    """A cloud with its diffusion time.

    Attributes:
        time: Embedded time step of every sample, ``(B, T)``.
    """

    time: Tensor | None = None


class TimedBlock(Block):
    """PTv3's block that adds a linear map of the time after the positional encoding.

    Args:
        channels: C.
        args: Further arguments of :class:`Block`.
        time_channels: T.
        block: Further arguments of :class:`Block`.
    """

    def __init__(self, channels: int, *args, time_channels: int, **block) -> None:
        super().__init__(channels, *args, **block)
        self.t_mlp = nn.Linear(time_channels, channels)

    def _encode_position(self, feat: Tensor, cloud: TimedCloud) -> Tensor:
        shift = self.t_mlp(cloud.time).index_select(0, cloud.coors[:, 0].long())
        return super()._encode_position(feat, cloud) + shift


class TimedPooling(SerializedPooling):
    """Pooling that hands the time on."""

    def forward(self, cloud: TimedCloud) -> TimedCloud:
        """Pool ``(N, in_channels)`` rows to ``(M, out_channels)``."""
        pooled = super().forward(cloud)
        return TimedCloud(pooled.feat, pooled.index, time=cloud.time)


class CatUnpooling(SerializedUnpooling):
    """Unpooling that joins coarse and skip features by a linear map instead of a sum."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, skip_channels, out_channels)
        self.proj_cat = nn.Sequential(nn.Linear(2 * out_channels, out_channels))

    def forward(self, coarse: PointCloud, skip: PointCloud) -> PointCloud:
        """Return the skip's rows with joined features; what follows convolves the skip alone."""
        up = self.proj(coarse.feat).index_select(0, coarse.index.parent)  # (N, C)
        own = self.proj_skip(skip.feat)
        joined = self.proj_cat(torch.cat([own * SKIP_SCALE, up], 1))
        return skip.replace(joined, position_feat=own)


class NoiseBranch(nn.Module):
    """Encoder of noisy inputs and, for training, the decoder that recovers the noise.

    Args:
        in_channels: C_in.
        stride: Factors between the stages.
        enc_depths: Blocks per encoder stage.
        enc_channels: Width per encoder stage.
        enc_num_head: Heads per encoder stage.
        enc_patch_size: Rows per patch and encoder stage.
        dec_depths: Blocks per decoder stage, finest first.
        dec_channels: Width per decoder stage.
        dec_num_head: Heads per decoder stage.
        dec_patch_size: Rows per patch and decoder stage.
        time_channels: T.
        drop_path: Largest rate of stochastic depth.
        shuffle_orders: Whether training permutes the orders when pooling.
        block: Further arguments of the blocks.

    Raises:
        UsageError: For lists of unequal length, a stride that is no power of two, or an odd T.
    """

    def __init__(
        self,
        in_channels: int,
        stride: Sequence[int] = (4, 4),
        enc_depths: Sequence[int] = (2, 2, 2),
        enc_channels: Sequence[int] = (32, 64, 128),
        enc_num_head: Sequence[int] = (2, 4, 8),
        enc_patch_size: Sequence[int] = (1024, 1024, 1024),
        dec_depths: Sequence[int] = (2, 2),
        dec_channels: Sequence[int] = (64, 64),
        dec_num_head: Sequence[int] = (4, 4),
        dec_patch_size: Sequence[int] = (1024, 1024),
        *,
        time_channels: int,
        drop_path: float,
        shuffle_orders: bool,
        **block,
    ) -> None:
        super().__init__()
        check_stages(
            len(enc_depths) - 1,
            enc=(enc_channels, enc_num_head, enc_patch_size),
            dec=(dec_depths, dec_channels, dec_num_head, dec_patch_size, stride),
        )
        check_stride(stride)
        if time_channels < 4 or time_channels % 2:
            raise UsageError(f'time_channels must be even and at least 4, but got {time_channels}')

        def blocks(num_head: Sequence[int], patch_size: Sequence[int]) -> list[dict]:
            timed = dict(block_type=TimedBlock, time_channels=time_channels, **block)
            stages = zip(num_head, patch_size)
            return [dict(num_heads=heads, patch_size=size, **timed) for heads, size in stages]

        self.embedding = Embedding(in_channels, enc_channels[0])
        self.time = nn.Sequential(
            nn.Linear(time_channels, 4 * time_channels),
            nn.SiLU(),
            nn.Linear(4 * time_channels, time_channels),
            nn.SiLU(),
        )
        self.enc = build_encoder(
            enc_channels, enc_depths, stride, drop_path, shuffle_orders,
            blocks(enc_num_head, enc_patch_size), pooling=TimedPooling,
        )  # fmt: skip
        self.dec = build_decoder(
            dec_channels, enc_channels, dec_depths, drop_path,
            blocks(dec_num_head, dec_patch_size), unpooling=CatUnpooling,
        )  # fmt: skip
        self.head = nn.Linear(dec_channels[0], in_channels)

    def encode(self, feat: Tensor, time: Tensor, index: StageIndex) -> list[TimedCloud]:
        """Encode noisy features ``(N, C_in)`` at the samples' time steps ``(B,)``; finest first."""
        first = self.time[0].weight
        time = self.time(embed_time(time, first.shape[1]).to(first.dtype))
        return encode(self.enc, TimedCloud(self.embedding(feat, index.grid), index, time=time))

    def decode(self, skips: list[TimedCloud]) -> Tensor:
        """Recover the noise in the input, ``(N, C_in)``."""
        return self.head(decode(self.dec, skips)[-1].feat)

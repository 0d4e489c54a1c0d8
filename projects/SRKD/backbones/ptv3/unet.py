"""What the networks on serialized voxels share: stem, encoder, decoder and the forward around them.

Shape letters: N voxels, C_in and C channels; stage k has N_k rows of C_k channels.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ...base import UsageError
from ...ops.gelu import GELU
from ...ops.pooling import RowBatchNorm
from ...ops.sparse_conv import SparseGrid, SubMConv3d
from .arguments import check_order
from .block import Stage
from .point_cloud import PointCloud, StageIndex
from .pooling import SerializedPooling, SerializedUnpooling
from .serialization import MAX_DEPTH, grid_depth, serialize


class Embedding(nn.Module):
    """The stem: a 5 x 5 x 5 submanifold convolution, norm and GELU."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.stem = nn.ModuleDict(
            {
                'conv': SubMConv3d(in_channels, channels, 5, bias=False),
                'norm': RowBatchNorm(channels),
            }
        )
        self.act = GELU()

    def forward(self, feat: Tensor, grid: SparseGrid) -> Tensor:
        """Map ``(N, C_in)`` to ``(N, C)``."""
        return self.act(self.stem['norm'](self.stem['conv'](feat, grid)))


class SerializedUNet(nn.Module):
    """Forward of a U-Net on serialized voxels; subclasses fill ``embedding``, ``enc`` and ``dec``.

    Args:
        in_channels: C_in.
        out_channels: C.
        order: Curves.
        shuffle_orders: Whether training permutes the orders, at the start and when pooling.
        depth: Bits per axis of the serialization; None or ``'floor'`` for what the batch needs,
            see :func:`grid_depth`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: Sequence[str],
        shuffle_orders: bool,
        depth: int | Literal['floor'] | None,
    ) -> None:
        super().__init__()
        order = (order,) if isinstance(order, str) else tuple(order)
        check_order(order)
        if depth not in (None, 'floor', *range(1, MAX_DEPTH + 1)):
            raise UsageError(
                f"depth must be between 1 and {MAX_DEPTH}, None or 'floor', but got {depth!r}"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.order, self.depth, self.shuffle_orders = order, depth, shuffle_orders

    def forward(
        self, feat: Tensor, coors: Tensor, return_stages: bool = False
    ) -> Tensor | list[tuple[Tensor, Tensor, int]]:
        """Compute features of voxels.

        Args:
            feat: ``(N, C_in)``.
            coors: Distinct voxels, ``(N, 4)`` batch, x, y, z, non-negative integers.
            return_stages: Whether to return every decoder stage and the coarsest encoder stage.

        Returns:
            ``(N, C)`` in the row order of the input; with ``return_stages`` a list, finest to
            coarsest, of (features ``(N_k, C_k)``, coordinates ``(N_k, 4)``, k), where stage
            coordinates are those of the input shifted right by k.

        Raises:
            UsageError: If shapes are wrong, a voxel occurs twice or has a negative coordinate, or
                ``depth`` does not hold the coordinates.
        """
        stages = self._stages(feat, self._index(feat, coors))
        if return_stages:
            return [(cloud.feat, cloud.coors, cloud.stage) for cloud in reversed(stages)]
        return stages[-1].feat

    def _index(self, feat: Tensor, coors: Tensor) -> StageIndex:
        """Serialize the voxels of a checked input."""
        if feat.shape != (len(coors), self.in_channels) or coors.shape[1:] != (4,):
            raise UsageError(
                f'features must be (N, {self.in_channels}) and voxels (N, 4), '
                f'but got {tuple(feat.shape)} and {tuple(coors.shape)}'
            )
        depth = grid_depth(coors, self.depth)
        codes = torch.stack([serialize(coors, depth, name) for name in self.order])  # (O, N)
        if self.shuffle_orders and self.training:
            codes = codes[torch.randperm(len(codes)).to(codes.device)]
        return StageIndex(coors, codes, depth)

    def _stages(self, feat: Tensor, index: StageIndex) -> list[PointCloud]:
        """The coarsest encoder stage and the decoder stages, coarsest first."""
        skips = encode(self.enc, PointCloud(self.embedding(feat, index.grid), index))
        return decode(self.dec, skips)


def encode(enc: nn.ModuleDict, cloud: PointCloud) -> list[PointCloud]:
    """Return the output of every encoder stage, finest first."""
    skips = []
    for stage in enc.values():
        cloud = stage(cloud)
        skips.append(cloud)
    return skips


def decode(dec: nn.ModuleDict, skips: list[PointCloud]) -> list[PointCloud]:
    """Return the last of the skips and the output of every decoder stage, coarsest first."""
    *skips, cloud = skips
    stages = [cloud]
    for stage in dec.values():
        stages.append(stage(stages[-1], skips.pop()))
    return stages


def build_encoder(
    channels: Sequence[int],
    depths: Sequence[int],
    stride: Sequence[int],
    drop_path: float,
    shuffle_orders: bool,
    blocks: Sequence[dict],
    pooling: type[SerializedPooling] = SerializedPooling,
) -> nn.ModuleDict:
    """Build the stages ``enc0 ...``; lists run from the finest stage.

    Args:
        channels: Width per stage.
        depths: Blocks per stage.
        stride: Factor between stages.
        drop_path: Largest rate of stochastic depth.
        shuffle_orders: Of :class:`SerializedPooling`.
        blocks: Per stage what else :class:`Stage` takes.
        pooling: Class of the steps between stages.
    """
    enc, rates = nn.ModuleDict(), drop_path_rates(drop_path, depths)
    for k, depth in enumerate(depths):
        down = None
        if k > 0:
            down = 'down', pooling(channels[k - 1], channels[k], stride[k - 1], shuffle_orders)
        enc[f'enc{k}'] = Stage(down, depth, channels[k], rates[k], **blocks[k])
    return enc


def build_decoder(
    channels: Sequence[int],
    enc_channels: Sequence[int],
    depths: Sequence[int],
    drop_path: float,
    blocks: Sequence[dict],
    unpooling: type[SerializedUnpooling] = SerializedUnpooling,
) -> nn.ModuleDict:
    """Build the stages ``... dec0``, coarsest first, from lists that run from the finest.

    Args:
        channels: Width per decoder stage.
        enc_channels: Width per encoder stage, one more.
        depths: Blocks per decoder stage.
        drop_path: Largest rate of stochastic depth.
        blocks: Per stage what else :class:`Stage` takes.
        unpooling: Class of the steps between stages.
    """
    dec, rates = nn.ModuleDict(), drop_path_rates(drop_path, depths)
    widths = (*channels, enc_channels[-1])
    for k in reversed(range(len(depths))):
        up = 'up', unpooling(widths[k + 1], enc_channels[k], widths[k])
        dec[f'dec{k}'] = Stage(up, depths[k], widths[k], rates[k][::-1], **blocks[k])
    return dec


def drop_path_rates(rate: float, depths: Sequence[int]) -> list[list[float]]:
    """Rates growing linearly from 0 to ``rate`` over all blocks, by stage."""
    if not 0 <= rate < 1:
        raise UsageError(f'drop_path must lie in [0, 1), but got {rate}')
    rates = torch.linspace(0, rate, sum(depths), device='cpu').tolist()
    return [rates[sum(depths[:k]) : sum(depths[: k + 1])] for k in range(len(depths))]

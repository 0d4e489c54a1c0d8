"""Point Transformer V3 as a backbone of sparse voxels.

Source: X. Wu et al., Point Transformer V3: Simpler, Faster, Stronger, arXiv 2312.10035. Parameter
names are those of its authors' code (Pointcept), so official weights load.

Shapes: N voxels, C_in and C channels; stage k has N_k rows of C_k channels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...ops.sparse_conv import SparseGrid, SubMConv3d
from .arguments import check_order, check_stages, check_stride, check_upstream
from .block import Stage
from .point_cloud import PointCloud, StageIndex
from .pooling import RowBatchNorm, SerializedPooling, SerializedUnpooling
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
        self.act = nn.GELU()

    def forward(self, feat: Tensor, grid: SparseGrid) -> Tensor:
        """Map ``(N, C_in)`` to ``(N, C)``."""
        return self.act(self.stem['norm'](self.stem['conv'](feat, grid)))


class PointTransformerV3(nn.Module):
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
            batch needs, as the original does, which makes samples depend on each other a little;
            an integer makes them independent.
        with_cp: Whether blocks are recomputed in backward to save memory.
        upstream: Further arguments of the original, accepted where they change nothing.

    Raises:
        TypeError: For an argument nobody knows.
        ValueError: For lengths, curves, strides or upstream arguments that are not supported.
    """

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
        depth: int | None = None,
        with_cp: bool = False,
        **upstream,
    ) -> None:
        super().__init__()
        order = (order,) if isinstance(order, str) else tuple(order)
        steps = len(enc_depths) - 1
        check_upstream(upstream, type(self))
        check_stages(
            steps,
            enc=(enc_channels, enc_num_head, enc_patch_size),
            dec=(dec_depths, dec_channels, dec_num_head, dec_patch_size, stride),
        )
        check_order(order)
        check_stride(stride)
        if not 0 <= drop_path < 1:
            raise ValueError(f'drop_path must lie in [0, 1), got {drop_path}')
        if depth is not None and not 1 <= depth <= MAX_DEPTH:
            raise ValueError(f'depth must be between 1 and {MAX_DEPTH} or None, got {depth}')
        self.in_channels = in_channels
        self.order, self.depth, self.shuffle_orders = order, depth, shuffle_orders
        self.out_channels = dec_channels[0] if steps else enc_channels[0]
        shared = dict(
            mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, scale=qk_scale, attn_drop=attn_drop,
            proj_drop=proj_drop, with_cp=with_cp,
        )  # fmt: skip

        self.embedding = Embedding(in_channels, enc_channels[0])
        self.enc = nn.ModuleDict()
        rates = _per_stage(drop_path, enc_depths)
        for k in range(steps + 1):
            down = None
            if k > 0:
                down = SerializedPooling(
                    enc_channels[k - 1], enc_channels[k], stride[k - 1], shuffle_orders
                )
            self.enc[f'enc{k}'] = Stage(
                down and ('down', down), enc_depths[k], enc_channels[k], rates[k],
                num_heads=enc_num_head[k], patch_size=enc_patch_size[k], **shared,
            )  # fmt: skip
        self.dec = nn.ModuleDict()
        widths = (*dec_channels, enc_channels[-1])
        rates = _per_stage(drop_path, dec_depths)
        for k in reversed(range(steps)):
            up = SerializedUnpooling(widths[k + 1], enc_channels[k], widths[k])
            self.dec[f'dec{k}'] = Stage(
                ('up', up), dec_depths[k], widths[k], rates[k][::-1],
                num_heads=dec_num_head[k], patch_size=dec_patch_size[k], **shared,
            )  # fmt: skip

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
            ValueError: If shapes are wrong, a voxel occurs twice or has a negative coordinate, or
                ``depth`` does not hold the coordinates.
        """
        if feat.shape != (len(coors), self.in_channels) or coors.shape[1:] != (4,):
            raise ValueError(
                f'expected features (N, {self.in_channels}) and voxels (N, 4), '
                f'got {tuple(feat.shape)} and {tuple(coors.shape)}'
            )
        depth = grid_depth(coors, self.depth)
        codes = torch.stack([serialize(coors, depth, name) for name in self.order])  # (O, N)
        if self.shuffle_orders and self.training:
            codes = codes[torch.randperm(len(codes)).to(codes.device)]
        index = StageIndex(coors, codes, depth)
        cloud = PointCloud(self.embedding(feat, index.grid), index)
        skips = []
        for stage in self.enc.values():
            cloud = stage(cloud)
            skips.append(cloud)
        stages = [skips.pop()]
        for stage in self.dec.values():
            stages.append(stage(stages[-1], skips.pop()))
        if return_stages:
            return [(cloud.feat, cloud.coors, cloud.stage) for cloud in reversed(stages)]
        return stages[-1].feat


def _per_stage(rate: float, depths: Sequence[int]) -> list[list[float]]:
    """Rates growing linearly from 0 to ``rate`` over all blocks, by stage."""
    rates = torch.linspace(0, rate, sum(depths), device='cpu').tolist()
    return [rates[sum(depths[:k]) : sum(depths[: k + 1])] for k in range(len(depths))]

"""The block of PTv3: positional encoding, patch attention, MLP; and the stage that stacks it.

Shape letters: N rows, C channels.
"""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...ops.gelu import GELU
from ...ops.sparse_conv import SubMConv3d
from .attention import SerializedAttention
from .point_cloud import PointCloud


class DropPath(nn.Module):
    """Drop whole rows of a residual branch in training and scale the rest (stochastic depth).

    As in the original, each voxel draws for itself: rows are what is dropped, not samples.

    Args:
        rate: Share of rows dropped.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def extra_repr(self) -> str:
        """Show the rate."""
        return f'rate={self.rate:.3f}'

    def forward(self, feat: Tensor) -> Tensor:
        """Drop rows of ``(N, C)``."""
        if not self.training or self.rate == 0:
            return feat
        kept = torch.rand(len(feat), 1, device=feat.device) >= self.rate
        return feat * kept / (1 - self.rate)


class MLP(nn.Module):
    """Two linear layers with a GELU between.

    Args:
        channels: C of input and output.
        hidden_channels: Width between.
        drop: Dropout rate after either layer.
    """

    def __init__(self, channels: int, hidden_channels: int, drop: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden_channels)
        self.act = GELU()
        self.fc2 = nn.Linear(hidden_channels, channels)
        self.drop = nn.Dropout(drop)

    def forward(self, feat: Tensor) -> Tensor:
        """Map ``(N, C)`` to ``(N, C)``."""
        return self.drop(self.fc2(self.drop(self.act(self.fc1(feat)))))


def convolution_branch(channels: int) -> nn.ModuleList:
    """Build a 3 x 3 x 3 submanifold convolution, linear map and norm, all of C channels."""
    return nn.ModuleList(
        (SubMConv3d(channels, channels, 3), nn.Linear(channels, channels), nn.LayerNorm(channels))
    )


class Block(nn.Module):
    """Conditional positional encoding, pre-norm patch attention, pre-norm MLP, all residual.

    Containers of one module keep Pointcept's parameter names (``norm1.0``, ``mlp.0``). Subclasses
    may encode positions or attend in another way.

    Args:
        channels: C.
        num_heads: Heads of the attention.
        patch_size: Rows per patch.
        mlp_ratio: Hidden width of the MLP over C.
        drop_path: Rate of :class:`DropPath`.
        proj_drop: Dropout rate after attention and inside the MLP.
        with_cp: Whether to recompute the block in backward (non-reentrant checkpointing).
        attention: Further arguments of :class:`SerializedAttention`.
    """

    attention_type = SerializedAttention

    def __init__(
        self,
        channels: int,
        num_heads: int,
        patch_size: int,
        mlp_ratio: float,
        drop_path: float,
        proj_drop: float = 0.0,
        with_cp: bool = False,
        **attention,
    ) -> None:
        super().__init__()
        self.out_channels, self.with_cp = channels, with_cp
        self._add_position(channels)
        self.norm1 = nn.Sequential(nn.LayerNorm(channels))
        self.attn = self.attention_type(
            channels, num_heads, patch_size, proj_drop=proj_drop, **attention
        )
        self.norm2 = nn.Sequential(nn.LayerNorm(channels))
        self.mlp = nn.Sequential(MLP(channels, int(channels * mlp_ratio), proj_drop))
        self.drop_path = nn.Sequential(DropPath(drop_path))

    def forward(self, cloud: PointCloud) -> PointCloud:
        """Return the cloud with new features of the same width."""
        if self.with_cp and torch.is_grad_enabled():
            return cloud.replace(
                *checkpoint(self._residuals, cloud.feat, cloud, use_reentrant=False)
            )
        return cloud.replace(*self._residuals(cloud.feat, cloud))

    def _add_position(self, channels: int) -> None:
        self.cpe = convolution_branch(channels)

    def _encode_position(self, feat: Tensor, cloud: PointCloud) -> Tensor:
        """What the attention's residual branch starts from, ``(N, C)``."""
        convolution, linear, norm = self.cpe
        source = feat if cloud.position_feat is None else cloud.position_feat
        return feat + norm(linear(convolution(source, cloud.index.grid)))

    def _residuals(self, feat: Tensor, cloud: PointCloud) -> tuple[Tensor, Tensor | None]:
        feat = self._encode_position(feat, cloud)
        feat = feat + self.drop_path(self.attn(self.norm1(feat), cloud))
        branch = self.drop_path(self.mlp(self.norm2(feat)))
        return feat + branch, self._next_position(branch)

    def _next_position(self, branch: Tensor) -> Tensor | None:
        """What the next block's convolution sees; None: this block's output."""
        return None


class BranchBlock(Block):
    """The block of PTv3's first release: the next convolution sees the MLP's branch alone.

    There the sparse tensor is not brought up to date after the last sum
    (github.com/Pointcept/Pointcept, issue 161), and weights trained so know it.
    """

    def _next_position(self, branch: Tensor) -> Tensor:
        return branch


class Stage(nn.Module):
    """A change of resolution, if any, and blocks that take turns along the orders.

    Args:
        resample: ``down`` or ``up`` and its module; None at the first stage.
        depth: Number of blocks.
        channels: C.
        drop_path: One rate per block.
        block_type: Class of the blocks.
        block: Further arguments of ``block_type``.
    """

    def __init__(
        self,
        resample: tuple[str, nn.Module] | None,
        depth: int,
        channels: int,
        drop_path: list[float],
        block_type: type[nn.Module] = Block,
        **block,
    ) -> None:
        super().__init__()
        self.out_channels = channels
        self.resample = None if resample is None else resample[0]
        if resample is not None:
            self.add_module(*resample)
        for i in range(depth):
            self.add_module(
                f'block{i}', block_type(channels, drop_path=drop_path[i], order_index=i, **block)
            )
        self.depth = depth

    def forward(self, *clouds: PointCloud) -> PointCloud:
        """Resample one cloud (``up``: the coarse and its skip), then run the blocks."""
        cloud = clouds[0] if self.resample is None else getattr(self, self.resample)(*clouds)
        for i in range(self.depth):
            cloud = getattr(self, f'block{i}')(cloud)
        return cloud

"""The graph network of PointDistiller: one layer, shared by all edges.

Shape letters: M nodes, Q_b anchors and K_b neighbors of sample b, Q anchors of all samples, C
channels of a node, c channels of a graph feature.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .streamed_edges import edge_mean_square

EPS = 1e-5
"""Added to variances; PyTorch's for a BatchNorm."""


class EdgeGraph(nn.Module):
    """One 1x1 convolution, normalization and ReLU, shared by all edges of a network.

    The normalization is that of a BatchNorm in training, over all edges of the mini-batch; there
    are no running statistics, because a graph is never used after training.

    Args:
        in_channels: C of the network's features.
        out_channels: c.
        affine: Whether the normalization is followed by a learned scale and shift.
        relu: Whether a ReLU follows.
    """

    def __init__(
        self, in_channels: int, out_channels: int, affine: bool = True, relu: bool = True
    ) -> None:
        super().__init__()
        self.relu = relu
        self.conv = nn.Linear(2 * in_channels, out_channels, bias=False)
        self.scale = nn.Parameter(torch.ones(out_channels)) if affine else None
        self.shift = nn.Parameter(torch.zeros(out_channels)) if affine else None

    def forward(self, edges: Tensor) -> Tensor:
        """Map edges (..., 2C) to graph features (..., c)."""
        value = edges @ self.conv.weight.to(edges).T
        scale, shift = self._affine(edges)
        # Not F.batch_norm: it refuses a single edge.
        flat = torch.batch_norm(
            value.flatten(0, -2), scale, shift, None, None, True, 0.0, EPS,
            torch.backends.cudnn.enabled,
        )  # fmt: skip
        return (torch.relu(flat) if self.relu else flat).view_as(value)

    def on_nodes(
        self, feat: Tensor, neighbors: Sequence[Tensor], edge: str = 'concat'
    ) -> tuple[Tensor, Tensor]:
        r"""Map features to the two summands of which every graph feature is made.

        .. math:: G(e_{qk}) = \operatorname{relu}(a_{n_{qk}} + b_q)

        The same as :meth:`forward` of the edges, which are never built: a convolution of a
        concatenation is the sum of two, done once per node instead of per edge.

        Args:
            feat: Features, (M, C).
            neighbors: Rows of the neighbors of every sample's anchors, the anchors in the first
                column, (Q_b, K_b) int64 each; at least one edge.
            edge: As in :func:`local_graph_mse`.

        Returns:
            a of every node (M, c) and b of every anchor (Q, c), Q the anchors of all samples.
        """
        first, second = self.conv.weight.to(feat).chunk(2, dim=1)  # (c, C)
        if edge == 'sub':
            first, second = -first, first + second
        around = feat @ first.T
        center = feat.index_select(0, torch.cat([rows[:, 0] for rows in neighbors])) @ second.T
        ends = torch.cat([rows.flatten() for rows in neighbors])
        uses = ends.bincount(minlength=len(feat)).to(feat)[:, None]
        degree = [torch.full((len(rows), 1), rows.shape[1]) for rows in neighbors]
        around = around - _sum(uses * around).div(len(ends)).to(feat)
        center = center - _sum(torch.cat(degree).to(feat) * center).div(len(ends)).to(feat)
        variance = edge_mean_square(around, center, neighbors)
        gain = (variance + EPS).rsqrt().to(feat)
        scale, shift = self._affine(feat)
        if scale is None:
            return around * gain, center * gain
        gain = gain * scale
        return around * gain, torch.addcmul(shift, center, gain)

    def _affine(self, like: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return tuple(None if x is None else x.to(like) for x in (self.scale, self.shift))


def _sum(value: Tensor) -> Tensor:
    return value.sum(dim=0, dtype=torch.float64)

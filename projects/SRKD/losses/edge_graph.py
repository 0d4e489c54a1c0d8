"""The graph network of PointDistiller: one layer, shared by all edges.

Shape letters: M nodes, E edges, C channels of a node, c channels of a graph feature.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EdgeGraph(nn.Module):
    """One 1x1 convolution, normalisation and ReLU, shared by all edges of a network.

    The normalisation is that of a BatchNorm in training, over all edges of the mini-batch; there
    are no running statistics, because a graph is never used after training.

    Args:
        in_channels: C of the network's features.
        out_channels: c.
        edge: As in :func:`local_graph_mse`.
        affine: Whether the normalisation is followed by a learned scale and shift.
        relu: Whether a ReLU follows.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        edge: str = 'concat',
        affine: bool = True,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.edge, self.relu = edge, relu
        self.conv = nn.Linear(2 * in_channels, out_channels, bias=False)
        self.scale = nn.Parameter(torch.ones(out_channels)) if affine else None
        self.shift = nn.Parameter(torch.zeros(out_channels)) if affine else None

    def forward(self, edges: Tensor) -> Tensor:
        """Map edges (..., 2C) to graph features (..., c)."""
        return self._normalize(edges @ self.conv.weight.to(edges).T)

    def on_nodes(self, feat: Tensor, centre: Tensor, neighbor: Tensor) -> Tensor:
        """Map features (M, C) and the ends of every edge, (E,) and (E,), to graph features (E, c).

        The same as :meth:`forward` of the edges, which are never built: a convolution of a
        concatenation is the sum of two, and those are done once per node instead of per edge.
        """
        first, second = self.conv.weight.to(feat).chunk(2, dim=1)  # (c, C)
        if self.edge == 'sub':
            first, second = -first, first + second
        around = (feat @ first.T).index_select(0, neighbor)
        return self._normalize(around + (feat @ second.T).index_select(0, centre))

    def _normalize(self, value: Tensor) -> Tensor:
        scale, shift = (None if x is None else x.to(value) for x in (self.scale, self.shift))
        # Not F.batch_norm: it refuses a single edge.
        flat = torch.batch_norm(
            value.flatten(0, -2), scale, shift, None, None, True, 0.0, 1e-5,
            torch.backends.cudnn.enabled,
        )  # fmt: skip
        return (torch.relu(flat) if self.relu else flat).view_as(value)

"""From a bird's-eye-view map back to rows.

Shape letters: N rows, B samples, C_bev channels of the map of H x W cells, C_row channels of a row,
C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import group_rows
from ..ops.pooling import RowBatchNorm


def read_map(bev: Tensor, place: Tensor, batch: Tensor) -> Tensor:
    """Interpolate a map bilinearly at every row's place; beside the map lie zeros.

    Bilinear rather than the row's own cell: cells of the map are larger than pillars, and a value
    that jumps between two of them cuts objects along the grid.

    Args:
        bev: ``(B, C, H, W)``, y along H and x along W.
        place: ``(N, 2)`` x and y, the map's borders at -1 and 1. Within half a cell of a border the
            values fade to zero, outwards and inwards.
        batch: ``(N,)`` int64 sample of every row, in any order.

    Returns:
        ``(N, C)`` in the dtype of ``place``.
    """
    groups = group_rows(batch)
    rows = groups.order.split(groups.counts.tolist())
    values = [
        F.grid_sample(
            bev[i, None].to(place.dtype), place[which].view(1, 1, -1, 2), align_corners=False
        )[0, :, 0].T  # (n, C)
        for i, which in zip(groups.ids.tolist(), rows)
    ]
    return torch.cat(values)[groups.order.argsort()]


class PillarReadout(nn.Module):
    """An MLP of two layers on a row's own features beside those of its place on the map.

    The first layer's share of the map is a 1 x 1 convolution before reading, which is the same
    function (interpolation is linear and keeps zeros) and reads C channels instead of C_bev.

    Args:
        bev_channels: C_bev.
        row_channels: C_row.
        out_channels: C.
    """

    def __init__(self, bev_channels: int, row_channels: int, out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.from_map = nn.Conv2d(bev_channels, out_channels, 1, bias=False)
        self.from_row = nn.Linear(row_channels, out_channels, bias=False)
        self.mlp = nn.Sequential(
            RowBatchNorm(out_channels),
            nn.ReLU(inplace=True),
            nn.Linear(out_channels, out_channels, bias=False),
            RowBatchNorm(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, bev: Tensor, rows: Tensor, place: Tensor, batch: Tensor) -> Tensor:
        """Read ``bev`` ``(B, C_bev, H, W)`` for ``rows`` ``(N, C_row)`` into ``(N, C)``.

        ``place`` and ``batch`` as for :func:`read_map`.
        """
        seen = read_map(self.from_map(bev), place, batch)
        return self.mlp(self.from_row(rows) + seen)

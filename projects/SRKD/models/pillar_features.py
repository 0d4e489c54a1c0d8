"""Pillars over the ground plane and what a linear layer sees of each point in one.

Source: Lang et al., PointPillars (CVPR 2019), section 2.1. Pillars hold any number of rows, where
the paper samples 100, and plain torch serves every device (mmcv's ``DynamicScatter``, which
mmdet3d's ``DynamicPillarFeatureNet`` needs, has no CPU kernel).

Shape letters: N rows of the batch, P occupied pillars, C_in row features, C channels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..base import UsageError
from ..ops import occupied_cells
from ..ops.pooling import RowBatchNorm, pool_max

AUGMENTED = 5  # offsets to the mean of the pillar's rows (3) and to the pillar's center (2)


class Pillars(NamedTuple):
    """The occupied pillars of a batch.

    Attributes:
        cells: ``(P, 3)`` int64 batch, x, y; on an endless grid, of which the map is the part with
            0 <= x, y < size.
        row_pillar: ``(N,)`` int64 pillar of every row.
        from_center: ``(N, 2)`` x and y of every row from its pillar's center, meters.
    """

    cells: Tensor
    row_pillar: Tensor
    from_center: Tensor


class PillarGrid:
    """Square pillars over a rectangle of the ground plane, unlimited in z as in the paper.

    Args:
        bev_range: x_min, y_min, x_max, y_max of the map, meters.
        pillar_size: Edge of a pillar, meters.

    Attributes:
        size: Pillars of the map along x and along y.

    Raises:
        UsageError: If the range is not a whole, positive number of pillars along x and y.

    Example:
        >>> grid = PillarGrid((-1.0, 0.0, 1.0, 4.0), 0.5)
        >>> grid.size
        (4, 8)
        >>> grid.pillars(torch.tensor([[0.1, 0.1, 9.0]]), torch.tensor([0])).cells.tolist()
        [[0, 2, 0]]
    """

    def __init__(self, bev_range: Sequence[float], pillar_size: float) -> None:
        if len(bev_range) != 4:
            raise UsageError(
                f'bev_range must be x_min, y_min, x_max, y_max, but got {len(bev_range)} numbers: '
                f'{tuple(bev_range)} (pillars have no limits in z)'
            )
        self.low, high = tuple(bev_range[:2]), tuple(bev_range[2:])
        self.span = tuple(b - a for a, b in zip(self.low, high))
        if pillar_size <= 0 or min(self.span) <= 0:
            raise UsageError(
                f'bev_range and pillar_size must be positive lengths in meters, but got '
                f'{self.span} and {pillar_size}'
            )
        self.pillar_size = pillar_size
        self.size = tuple(max(1, round(span / pillar_size)) for span in self.span)
        for axis, span, count in zip('xy', self.span, self.size):
            if abs(span / pillar_size - count) > 1e-4:
                raise UsageError(
                    f'bev_range spans {span:g} m along {axis}, which is no multiple of pillar_size '
                    f'{pillar_size:g}: the nearest is {count * pillar_size:g} m'
                )

    def pillars(self, xyz: Tensor, batch: Tensor) -> Pillars:
        """Assign rows ``(N, 3)``, meters, of samples ``batch`` ``(N,)`` to pillars."""
        place = (xyz[:, :2] - xyz.new_tensor(self.low)) / self.pillar_size  # (N, 2)
        cell = place.floor()
        from_center = (place - cell - 0.5) * self.pillar_size
        cells, row_pillar = occupied_cells(torch.cat([batch[:, None].long(), cell.long()], 1))
        return Pillars(cells, row_pillar, from_center)

    def on_map(self, cells: Tensor) -> Tensor:
        """Return which ``cells`` ``(P, 3)`` lie on the map, ``(P,)`` bool."""
        xy = cells[:, 1:]
        return ((xy >= 0) & (xy < xy.new_tensor(self.size))).all(1)

    def normalized(self, xyz: Tensor) -> Tensor:
        """Return x and y ``(N, 2)`` with the map at [-1, 1], as ``grid_sample`` wants them."""
        return (xyz[:, :2] - xyz.new_tensor(self.low)) / xyz.new_tensor(self.span) * 2 - 1


class PillarEncoder(nn.Module):
    """Linear, batch norm and ReLU on augmented rows, then the maximum over each pillar.

    Args:
        in_channels: C_in; the first three are x, y, z in meters.
        out_channels: C.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.linear = nn.Linear(in_channels + AUGMENTED, out_channels, bias=False)
        self.norm = RowBatchNorm(out_channels)  # with the constants of mmdet3d's PFN

    def forward(self, feat: Tensor, pillars: Pillars) -> tuple[Tensor, Tensor]:
        """Encode rows ``(N, C_in)``, in float32 under autocast: half floats lose centimeters.

        Returns:
            Features of the rows ``(N, C)`` and of their pillars ``(P, C)``.
        """
        with torch.autocast(feat.device.type, enabled=False):
            from_mean = offsets_from_mean(feat[:, :3], pillars.row_pillar, len(pillars.cells))
            augmented = torch.cat([feat, from_mean, pillars.from_center], 1)
            rows = self.norm(self.linear(augmented)).relu()
            return rows, pool_max(rows, pillars.row_pillar, len(pillars.cells))


def offsets_from_mean(coord: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Subtract the mean of its group from every coordinate.

    Args:
        coord: ``(N, D)``.
        group: ``(N,)`` int64; every group has a row.
        num_groups: P.

    Example:
        >>> coord = torch.tensor([[1.0], [3.0], [7.0]])
        >>> offsets_from_mean(coord, torch.tensor([0, 0, 1]), 2).tolist()
        [[-1.0], [1.0], [0.0]]
    """
    total = coord.new_zeros(num_groups, coord.shape[1]).index_add_(0, group, coord)
    count = torch.bincount(group, minlength=num_groups)[:, None]  # (P, 1)
    return coord - (total / count).index_select(0, group)

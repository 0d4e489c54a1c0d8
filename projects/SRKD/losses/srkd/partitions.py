"""Super-voxel partitions of one scan.

Shape letters: n points of the scan, G occupied super-voxels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...base import UsageError
from ...base.checks import check_positive
from ...ops import occupied_cells
from ..parts import build_part


class SuperVoxels(NamedTuple):
    """A scan cut into super-voxels.

    Attributes:
        number: Super-voxel of every point, (n,) in [0, G).
        distance: D / R of every occupied super-voxel, (G,) in (0, 1].
        capacity: N_v, super-voxels in the scan's range, occupied or not.
    """

    number: Tensor
    distance: Tensor
    capacity: int


class CylinderPartition:
    """Cut the range of a LiDAR scan by radius, angle and height.

    Source: SRKD (arXiv 2506.17290), section on super-voxel partition, after PVKD (Hou et al., CVPR
    2022): N_v = ceil(R / R_v) * ceil(A / A_v) * ceil(H / H_v), D the distance of a super-voxel to
    the origin in the XY plane. R and H are the scan's own, D that of the cell's middle. SRKD gives
    no sizes; the defaults are PVKD's best partition, 120 x 60 x 8 cells of 480 x 360 x 32 over
    50 m, a full turn and 6 m.

    Args:
        radius: R_v in meters.
        angle: A_v in radians.
        height: H_v in meters.

    Raises:
        UsageError: If a size is not positive.
    """

    def __init__(
        self, radius: float = 12.5, angle: float = math.pi / 3, height: float = 1.5
    ) -> None:
        check_positive(radius=radius, angle=angle, height=height)
        self.size = (radius, angle, height)

    def __call__(self, coord: Tensor) -> SuperVoxels:
        """Cut a non-empty scan with metric coordinates (n, 3) in the sensor's frame."""
        x, y, z = coord.double().unbind(dim=1)
        radius = torch.hypot(x, y)
        axes = torch.stack([radius, torch.atan2(y, x) + math.pi, z - z.min()], dim=1)
        reach = radius.max()
        extent = torch.stack([reach, axes.new_tensor(2 * math.pi), axes[:, 2].max()])
        cells, number, capacity = _cut(axes, self.size, extent)
        middle = (cells[:, 0].double() + 0.5) * self.size[0]
        distance = torch.minimum(middle, reach) / reach if reach > 0 else torch.ones_like(middle)
        return SuperVoxels(number, distance, capacity)


class CubePartition:
    """Cut a room into cubes (or boxes) from its lowest corner.

    A room has no origin of its own, so D / R is 1 throughout: that, and the size, are ours (SRKD
    describes cylinders only, though it trains on ScanNet).

    Args:
        size: Edge in meters, or one per axis.

    Raises:
        UsageError: If a size is not positive or there are not three.
    """

    def __init__(self, size: float | Sequence[float] = 1.0) -> None:
        size = tuple(size) if isinstance(size, Sequence) else (size,) * 3
        if len(size) != 3:
            raise UsageError(f'size must be one edge or one per axis, but got {len(size)} edges')
        check_positive(size=min(size))
        self.size = size

    def __call__(self, coord: Tensor) -> SuperVoxels:
        """Cut a non-empty scan with metric coordinates (n, 3)."""
        axes = coord.double() - coord.double().amin(dim=0)
        cells, number, capacity = _cut(axes, self.size, axes.amax(dim=0))
        return SuperVoxels(number, axes.new_ones(len(cells)), capacity)


PARTITIONS = {kind.__name__: kind for kind in (CylinderPartition, CubePartition)}

Partition = Callable[[Tensor], SuperVoxels]


def build_partition(partition: Partition | dict) -> Partition:
    """Build a partition from its config; anything callable is taken as it is.

    Raises:
        UsageError: If the type is unknown, naming the nearest.

    Example:
        >>> build_partition(dict(type='CubePartition', size=2.0)).size
        (2.0, 2.0, 2.0)
    """
    return build_part('partition', partition, PARTITIONS)


def _cut(axes: Tensor, size: Sequence[float], extent: Tensor) -> tuple[Tensor, Tensor, int]:
    """Number the cells of non-negative coordinates (n, 3) along three axes.

    The upper end belongs to the last cell, so that cells and capacity agree.
    """
    size = axes.new_tensor(size)
    per_axis = torch.ceil(extent / size).long().clamp_min(1)  # (3,)
    cells = torch.minimum(torch.floor(axes / size).long(), per_axis - 1)
    cells, number = occupied_cells(cells)
    return cells, number, math.prod(per_axis.tolist())

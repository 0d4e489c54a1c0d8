"""Regular grids over metric coordinates.

Shape letters: N points, D axes, G occupied cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


def occupied_cells(cells: Tensor) -> tuple[Tensor, Tensor]:
    """Number the occupied cells of an integer grid.

    Args:
        cells: Integer cell of every point, (N, D); negative values are fine.

    Returns:
        The occupied cells in lexicographic order (G, D) and, per point, its cell's number (N,).

    Example:
        >>> occupied_cells(torch.tensor([[0, 5], [-1, 2], [0, 5]]))
        (tensor([[-1,  2],
                [ 0,  5]]), tensor([1, 0, 1]))
    """
    if not len(cells):
        return cells, cells.new_zeros(0)
    low = cells.amin(dim=0)
    extent = cells.amax(dim=0) - low + 1
    size = 1
    for axis in extent.tolist():
        size *= axis
    if size >= 2**63:  # one integer per cell would wrap around
        unique, number = torch.unique(cells, dim=0, return_inverse=True)
        return unique, number
    key = torch.zeros_like(cells[:, 0])
    for axis in range(cells.shape[1]):
        key = key * extent[axis] + (cells[:, axis] - low[axis])
    key, number = torch.unique(key, return_inverse=True)
    columns = []
    for axis in reversed(range(cells.shape[1])):
        columns.append(key % extent[axis] + low[axis])
        key = key // extent[axis]
    return torch.stack(columns[::-1], dim=1), number


@dataclass(frozen=True)
class DetectionGrid:
    """Where a detector's voxels lie.

    Attributes:
        point_cloud_range: x, y, z of the lower corner, then of the upper, in meters.
        voxel_size: Meters in x, y, z.
    """

    point_cloud_range: tuple[float, ...]
    voxel_size: tuple[float, ...]

    @classmethod
    def of(cls, data_preprocessor: Mapping) -> DetectionGrid | None:
        """Grid of a data preprocessor's config, None if it makes no voxels of one size."""
        layer = data_preprocessor.get('voxel_layer') or {}
        places = [layer.get(key) for key in ('point_cloud_range', 'voxel_size')]
        if not data_preprocessor.get('voxel') or None in places:
            return None
        return cls(*map(tuple, places))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels in z, y, x."""
        low, high = self.point_cloud_range[:3], self.point_cloud_range[3:]
        x, y, z = (round((b - a) / v) for a, b, v in zip(low, high, self.voxel_size))
        return z, y, x

    def centers(self, coors: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Metric centers of cells, ``(S, 4)`` batch, z, y, x -> ``(S, 3)`` x, y, z.

        Args:
            coors: Cells of a grid that spans this one's range.
            shape: How many cells that grid has in z, y, x.
        """
        low = coors.new_tensor(self.point_cloud_range[:3], dtype=torch.float32)
        extent = coors.new_tensor(self.point_cloud_range[3:], dtype=torch.float32) - low
        share = (coors[:, 1:].flip(1) + 0.5) / coors.new_tensor(shape[::-1], dtype=torch.float32)
        return low + share * extent

    def map_centers(self, height: int, width: int, device: torch.device) -> Tensor:
        """Metric x, y of the cells of a map, ``(H W, 2)``, row by row."""
        y, x = torch.meshgrid(
            torch.arange(height, device=device), torch.arange(width, device=device), indexing='ij'
        )
        cells = torch.stack([x, y], -1).flatten(0, 1) + 0.5
        size = cells.new_tensor(self.cell_size(height, width))
        return cells.new_tensor(self.point_cloud_range[:2]) + cells * size

    def spans(self, other: DetectionGrid) -> bool:
        """Whether another grid has the same extent in the bird's eye view."""
        own, theirs = self.point_cloud_range, other.point_cloud_range
        return (own[:2], own[3:5]) == (theirs[:2], theirs[3:5])

    def cell_size(self, height: int, width: int) -> tuple[float, float]:
        """Meters in x and y of one cell of a map."""
        x0, y0, _, x1, y1, _ = self.point_cloud_range
        return (x1 - x0) / width, (y1 - y0) / height

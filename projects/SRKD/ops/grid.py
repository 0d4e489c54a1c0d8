"""Regular grids over metric coordinates.

Shape letters: N points, D axes, G occupied cells.
"""

from __future__ import annotations

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

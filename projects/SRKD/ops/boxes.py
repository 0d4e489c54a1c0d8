"""Which rows lie in a box, or at its center, seen from above.

Boxes are lists of one tensor (n_b, >= 7) per sample: x, y, z of the center, dx, dy, dz in meters,
yaw counter-clockwise from +x in radians, and whatever follows. Where a result names a box, it is by
its row in ``torch.cat(boxes)``.

Shape letters: M rows (BEV cells, voxels or points), B samples, n_b boxes of sample b, n boxes of
all samples, P pairs of a row and a box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

MAX_PAIRS = 1 << 20
"""Rows tried against boxes at a time, beside those of one box; about 64 MiB."""


@torch.no_grad()
def rows_in_boxes_bev(
    coord: Tensor, batch: Tensor, boxes: Sequence[Tensor], margin: float = 0.0
) -> Tensor:
    """Find the first box of its own sample that every row lies in, seen from above.

    A row on the border lies outside, so a box without an area holds nothing. Rows are sorted by x
    and tried against the boxes whose extent along x covers them, in blocks.

    Args:
        coord: Metric coordinates, (M, >= 2).
        batch: Sample of every row, (M,) int64; a row with -1 lies in no box.
        boxes: B times (n_b, >= 7).
        margin: Meters added to every side.

    Returns:
        Rows of ``torch.cat(boxes)``, (M,) int64; -1 outside all boxes.

    Raises:
        ValueError: If the shapes do not fit or ``batch`` names a sample without boxes' tensor.

    Example:
        >>> box = torch.tensor([[0.0, 0.0, 0.0, 4.0, 2.0, 1.5, 0.0]])
        >>> coord = torch.tensor([[1.5, 0.0, 0.0], [0.0, 1.5, 0.0], [-1.9, 0.9, 0.0]])
        >>> rows_in_boxes_bev(coord, torch.tensor([0, 0, 0]), [box])
        tensor([ 0, -1,  0])
    """
    check_boxes(coord, batch, boxes)
    found, before = torch.full_like(batch, -1), 0
    for sample, box in enumerate(boxes):
        rows = (batch == sample).nonzero().squeeze(1)
        if len(rows) and len(box):
            first = _first_box(coord[rows, :2].double(), box.double(), margin)
            found[rows] = torch.where(first < len(box), first + before, -1)
        before += len(box)
    return found


def _first_box(coord: Tensor, box: Tensor, margin: float) -> Tensor:
    """Lowest box around every row of one sample, (M,); n_b where there is none."""
    half = box[:, 3:5] / 2 + margin
    cos, sin = box[:, 6].cos(), box[:, 6].sin()
    reach = cos.abs() * half[:, 0] + sin.abs() * half[:, 1]  # half the extent along x
    x, order = coord[:, 0].sort()
    start = torch.searchsorted(x, box[:, 0] - reach)
    end = torch.searchsorted(x, box[:, 0] + reach, right=True)
    count = (end - start).clamp_min(0)  # sizes below 0, as of KITTI's DontCare, hold nothing
    first = order.new_full((len(coord),), len(box))
    block = (count.cumsum(0) - 1).clamp_min(0) // MAX_PAIRS
    sizes = torch.unique_consecutive(block, return_counts=True)[1].tolist()
    for some in torch.arange(len(box), device=box.device).split(sizes):
        owner, position = ragged_arange(count[some])
        owner = some[owner]
        row = order[start[owner] + position]  # (P,)
        dx, dy = (coord[row] - box[owner, :2]).unbind(1)
        along = (cos[owner] * dx + sin[owner] * dy).abs() < half[owner, 0]
        across = (cos[owner] * dy - sin[owner] * dx).abs() < half[owner, 1]
        inside = along & across
        first.scatter_reduce_(0, row[inside], owner[inside], 'amin')
    return first


@torch.no_grad()
def rows_at_centers(
    coord: Tensor, batch: Tensor, boxes: Sequence[Tensor], cell_size: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Pair every box with the rows whose BEV cell holds its center.

    Args:
        coord: Centers of the rows' cells, (M, >= 2).
        batch: Sample of every row, (M,) int64; a row with -1 has no box.
        boxes: B times (n_b, >= 7).
        cell_size: Meters of a cell along x and y.

    Returns:
        Rows (P,) and boxes (P,), int64. A box outside the grid or over an absent cell is missing,
        one over a cell of several rows (voxels above each other) comes with each of them.

    Raises:
        ValueError: As :func:`rows_in_boxes_bev`, or for a cell without an area.

    Example:
        >>> coord = torch.tensor([[0.5, 0.5, 0.0], [1.5, 0.5, 0.0]])
        >>> box = torch.tensor([[1.2, 0.1, 0.0, 4.0, 2.0, 1.5, 0.0]])
        >>> rows_at_centers(coord, torch.tensor([0, 0]), [box], (1.0, 1.0))
        (tensor([1]), tensor([0]))
    """
    grid = lay_grid(coord, batch, boxes, cell_size)
    taken = torch.zeros(grid.num_cells, dtype=torch.bool, device=coord.device)
    inside = grid.inside.nonzero().squeeze(1)  # boxes
    cell = grid.flat(grid.box_sample[inside], grid.box_cell[inside])
    taken[cell] = True
    rows = (grid.row >= 0).nonzero().squeeze(1)
    rows = rows[taken[grid.row[rows]]]
    near, which = (grid.row[rows, None] == cell).nonzero(as_tuple=True)
    return rows[near], inside[which]


class BoxGrid(NamedTuple):
    """Rows and box centers on one BEV grid per sample, the smallest that holds all rows.

    Attributes:
        shape: Samples, cells along y and along x.
        row: Cell of every row, counted over all samples, (M,); -1 for rows of no sample.
        box_cell: Column and row of the cell that holds a box's center, (n, 2) int64.
        box_sample: Sample of every box, (n,).
        inside: Boxes whose center lies in the grid, (n,).
    """

    shape: tuple[int, int, int]
    row: Tensor
    box_cell: Tensor
    box_sample: Tensor
    inside: Tensor

    @property
    def num_cells(self) -> int:
        """Cells of all samples together."""
        samples, height, width = self.shape
        return samples * height * width

    def flat(self, sample: Tensor, cell: Tensor) -> Tensor:
        """Number cells (P, 2) of samples (P,) over the whole batch."""
        return (sample * self.shape[1] + cell[:, 1]) * self.shape[2] + cell[:, 0]


def lay_grid(
    coord: Tensor, batch: Tensor, boxes: Sequence[Tensor], cell_size: Sequence[float]
) -> BoxGrid:
    """Find the cell of every row and of every box's center, as the head's targets do.

    The grid's corner is half a cell below the lowest row. Like mmdet3d's targets, a center is cut
    to an integer towards zero: one less than a cell below the corner belongs to the first cell.
    """
    check_boxes(coord, batch, boxes)
    if len(cell_size) != 2 or not min(cell_size) > 0:
        raise ValueError(
            f'cell_size must be two positive lengths in meters, along x and y, but got {cell_size}'
        )
    joined = torch.cat([box[:, :2] for box in boxes]).double() if boxes else coord.new_zeros(0, 2)
    counts = torch.tensor([len(box) for box in boxes], dtype=torch.int64, device=batch.device)
    sample = ragged_arange(counts)[0]
    xy = coord[:, :2].double()
    size = xy.new_tensor(cell_size)
    if not len(xy):
        none = torch.zeros_like(sample, dtype=torch.bool)
        return BoxGrid((len(boxes), 0, 0), batch, joined.long(), sample, none)
    low = xy.amin(dim=0)
    cell = ((xy - low) / size).round().long()  # (M, 2)
    width, height = (cell.amax(dim=0) + 1).tolist()
    at = ((joined - low) / size + 0.5).trunc()
    inside = ((at >= 0) & (at < at.new_tensor([width, height]))).all(dim=1)
    grid = BoxGrid((len(boxes), height, width), batch, at.nan_to_num().long(), sample, inside)
    return grid._replace(row=torch.where(batch >= 0, grid.flat(batch, cell), -1))


def ragged_arange(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Count up to every entry of ``counts`` (G,), one after the other.

    Returns:
        Which entry is counted and how far, both (sum of counts,).

    Example:
        >>> ragged_arange(torch.tensor([2, 0, 3]))
        (tensor([0, 0, 2, 2, 2]), tensor([0, 1, 0, 1, 2]))
    """
    owner = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    start = counts.cumsum(0) - counts
    return owner, torch.arange(len(owner), device=counts.device) - start[owner]


def select_boxes(
    boxes: Sequence[Tensor], classes: Sequence[Tensor], wanted: Sequence[int] | None = None
) -> list[Tensor]:
    """Keep the boxes of some classes; by default of all but the ignored (class -1).

    Args:
        boxes: B times (n_b, >= 7).
        classes: B times (n_b,) int64.
        wanted: Class ids.

    Raises:
        ValueError: If a sample has another number of classes than of boxes.

    Example:
        >>> select_boxes([torch.tensor([[0.0] * 7, [1.0] * 7])], [torch.tensor([-1, 2])])
        [tensor([[1., 1., 1., 1., 1., 1., 1.]])]
    """
    check_classes(boxes, classes)
    if wanted is None:
        return [box[ids >= 0] for box, ids in zip(boxes, classes)]
    wanted = torch.tensor(tuple(wanted))
    return [box[torch.isin(ids, wanted.to(ids))] for box, ids in zip(boxes, classes)]


def check_boxes(coord: Tensor, batch: Tensor, boxes: Sequence[Tensor]) -> None:
    """Refuse rows and boxes that do not fit.

    Raises:
        ValueError: With what came.
    """
    if coord.dim() != 2 or coord.shape[1] < 2 or batch.shape != coord.shape[:1]:
        raise ValueError(
            'coord must be (M, >= 2) and batch (M,), but got '
            f'{tuple(coord.shape)} and {tuple(batch.shape)}'
        )
    for sample, box in enumerate(boxes):
        if box.dim() != 2 or box.shape[1] < 7:
            raise ValueError(
                'boxes must hold x, y, z, dx, dy, dz, yaw, (n, >= 7) for every sample, but sample '
                f'{sample} has {tuple(box.shape)}'
            )
    if len(batch) and int(batch.max()) >= len(boxes):
        raise ValueError(
            f'batch names sample {int(batch.max())} but boxes holds {len(boxes)} samples: give an '
            'empty (0, 7) tensor for a sample without objects'
        )


def check_classes(boxes: Sequence[Tensor], classes: Sequence[Tensor]) -> None:
    """Refuse classes that are not one per box.

    Raises:
        ValueError: With both numbers.
    """
    if len(boxes) != len(classes):
        raise ValueError(f'boxes holds {len(boxes)} samples but classes holds {len(classes)}')
    for sample, (box, ids) in enumerate(zip(boxes, classes)):
        if ids.shape != box.shape[:1]:
            raise ValueError(
                f'classes must hold one id per box, but sample {sample} has {len(box)} boxes and '
                f'classes of shape {tuple(ids.shape)}'
            )


def check_margin(margin: float) -> None:
    """Refuse a margin that would shrink boxes.

    Raises:
        ValueError: With what came.
    """
    if not margin >= 0:
        raise ValueError(f'margin must be at least 0 meters, but got {margin}')

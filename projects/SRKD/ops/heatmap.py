"""The target of a center head: a Gaussian around the center of every object.

Shape letters: M rows (BEV cells, voxels or points), K classes, B samples, n_b boxes of sample b, n
boxes of all samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .boxes import check_classes, lay_grid, ragged_arange


@torch.no_grad()
def gaussian_heatmap(
    coord: Tensor,
    batch: Tensor,
    boxes: Sequence[Tensor],
    classes: Sequence[Tensor],
    num_classes: int,
    cell_size: Sequence[float],
    min_overlap: float = 0.1,
    min_radius: int = 2,
) -> Tensor:
    r"""Draw CenterPoint's heat map on rows in any order.

    .. math::
        Y_{ik} = \max_{b \in k, |x_i - c_b|_\infty \le r_b}
            \exp\left(-\frac{|x_i - c_b|^2}{2 \sigma_b^2}\right), \qquad
            \sigma_b = \frac{2 r_b + 1}{6}

    over the boxes b of class k, with cells x, the cell c of a box's center and the radius r of
    :func:`gaussian_radius`, cut to an integer. On a full grid this is the ``heatmap`` of
    ``CenterHead.get_targets`` in mmdet3d, which stops after 500 boxes of a sample; here all count.

    Args:
        coord: Centers of the rows' cells, (M, >= 2). The grid reaches from the lowest row to the
            highest; boxes centered outside are left out.
        batch: Sample of every row, (M,) int64; a row with -1 gets zeros.
        boxes: B times (n_b, >= 7), see :mod:`~projects.SRKD.ops.boxes`.
        classes: B times (n_b,) int64; a box with -1 is left out.
        num_classes: K.
        cell_size: Meters of a cell along x and y.
        min_overlap: ``gaussian_overlap`` of the head's ``train_cfg``.
        min_radius: The same there, in cells.

    Returns:
        Heat in [0, 1], (M, K) float32.

    Raises:
        ValueError: If shapes do not fit, ``batch`` names a sample without boxes' tensor, a class is
            too large or a cell has no area.

    Example:
        >>> coord = torch.tensor([[0.5, 0.5], [1.5, 0.5], [2.5, 0.5]])
        >>> box = [torch.tensor([[0.7, 0.4, 0.0, 1.0, 1.0, 1.0, 0.0]])]
        >>> heat = gaussian_heatmap(
        ...     coord, torch.zeros(3).long(), box, [torch.tensor([1])], 2, (1.0, 1.0), min_radius=1)
        >>> heat[:, 1]
        tensor([1.0000, 0.1353, 0.0000])
    """
    check_classes(boxes, classes)
    grid = lay_grid(coord, batch, boxes, cell_size)
    kind = torch.cat(list(classes)) if boxes else batch.new_zeros(0)
    if len(kind) and int(kind.max()) >= num_classes:
        raise ValueError(
            f'classes must be below num_classes = {num_classes}, or -1 to leave a box out, but got '
            f'{int(kind.max())}'
        )
    heat = torch.zeros(grid.num_cells * num_classes, device=coord.device)
    if not grid.num_cells:
        return heat.new_zeros(len(coord), num_classes)
    size = torch.cat([box[:, 3:5] for box in boxes]).double()
    drawn = (grid.inside & (kind >= 0) & (size > 0).all(dim=1)).nonzero().squeeze(1)  # (n,)
    cells = size[drawn] / size.new_tensor(cell_size)
    radius = gaussian_radius(*cells.T, min_overlap).long().clamp_min(min_radius)
    center, extent = grid.box_cell[drawn], radius.new_tensor(grid.shape[:0:-1])  # x, y
    low = (center - radius[:, None]).clamp_min(0)
    window = torch.minimum(center + radius[:, None] + 1, extent) - low  # (n, 2) cells
    owner, position = ragged_arange(window.prod(dim=1))
    width = window[owner, 0]
    cell = low[owner] + torch.stack([position % width, position // width], dim=1)
    square = (cell - center[owner]).square().sum(dim=1)
    sigma = (2 * radius + 1).double() / 6
    # At the corner of the window this is above e^-9: mmdet3d's rule for tiny values never acts.
    value = torch.exp(-square / (2 * sigma[owner].square()))
    flat = grid.flat(grid.box_sample[drawn][owner], cell) * num_classes + kind[drawn][owner]
    heat.scatter_reduce_(0, flat, value.float(), 'amax')
    heat = heat.view(-1, num_classes)[grid.row.clamp_min(0)]
    return torch.where((grid.row >= 0)[:, None], heat, 0)


def gaussian_radius(length: Tensor, width: Tensor, min_overlap: float) -> Tensor:
    r"""Distance by which corners may move for a box to keep its overlap, as CornerNet counts it.

    The smallest of

    .. math::
        \frac{s + \sqrt{s^2 - 4 p \frac{1 - o}{1 + o}}}{2}, \quad
        s + \sqrt{s^2 - 4 p (1 - o)}, \quad
        \sqrt{o^2 s^2 + 4 o (1 - o) p} - o s

    for s = length + width, p = length * width and overlap o; their order does not matter. Roots of
    quadratic equations divided by 2 instead of by twice the leading coefficient: an old slip, kept
    because all heads are trained with it.

    Args:
        length: In cells, any shape.
        width: The same.
        min_overlap: o, in (0, 1).

    Example:
        >>> gaussian_radius(torch.tensor(10.0), torch.tensor(5.0), 0.1)
        tensor(3.)
    """
    total, area = length + width, length * width
    inner = (total + (total**2 - 4 * area * (1 - min_overlap) / (1 + min_overlap)).sqrt()) / 2
    both = total + (total**2 - 4 * area * (1 - min_overlap)).sqrt()
    o = min_overlap
    outer = ((o * total) ** 2 + 4 * o * (1 - o) * area).sqrt() - o * total
    return torch.stack([inner, both, outer]).amin(dim=0)

"""Feature imitation inside ground-truth boxes.

Shape letters: M rows (BEV cells, voxels or points), C channels, B samples, n_b boxes of sample b, n
boxes of all samples.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ops import rank_share, segment_mean
from ..ops.boxes import check_margin, rows_in_boxes_bev, select_boxes
from .checks import check_ids, check_same_width, connected_zero, full_precision


@full_precision
def foreground_mse(student: Tensor, teacher: Tensor, box: Tensor, per_box: bool = False) -> Tensor:
    r"""Mean squared difference of the features that lie in a box.

    .. math::
        L = \frac{1}{|F|\,C} \sum_{i \in F} |f^S_i - f^T_i|^2
        \quad\text{or}\quad
        L = \frac{1}{n} \sum_{b} \frac{1}{|F_b|\,C} \sum_{i \in F_b} |f^S_i - f^T_i|^2

    with the rows F in any box, and :math:`F_b` in box b, over the n boxes that hold a row.

    Source: SparseKD (NeurIPS 2022) compares feature imitation under a foreground mask (first form)
    and pooled to 7 x 7 in every box (second form, which here takes the box's rows as they are).

    Args:
        student: Features, lifted to the teacher's width by a connector, (M, C).
        teacher: Features, (M, C); detached.
        box: Box of every row, -1 for background, (M,) int64.
        per_box: Whether every box weighs the same, however many rows it holds.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, without foreground.

    Raises:
        ValueError: If rows or widths differ, or ``box`` holds no ids.

    Example:
        >>> box = torch.tensor([4, 4, 7, -1])
        >>> teacher = torch.tensor([[1.0], [1.0], [4.0], [9.0]])
        >>> foreground_mse(torch.zeros(4, 1), teacher, box)  # (1 + 1 + 16) / 3
        tensor(6.)
        >>> foreground_mse(torch.zeros(4, 1), teacher, box, per_box=True)  # (1 + 16) / 2
        tensor(8.5000)
    """
    check_same_width(student, teacher, 'channels', 'lift the student with a connector')
    check_ids('box', box, len(student))
    rows = (box >= 0).nonzero().squeeze(1)
    if not len(rows) or student.shape[1] == 0:
        return connected_zero(student)
    gap = (student[rows] - teacher[rows]).square().mean(dim=1, keepdim=True)
    if per_box:
        ids, owner = torch.unique(box[rows], return_inverse=True)
        gap = segment_mean(gap, owner, len(ids))
    return gap.mean()


class ForegroundMSELoss(nn.Module):
    """:func:`foreground_mse` of the rows that lie in a ground-truth box, seen from above.

    A row in several boxes belongs to the first. A box so small that it lies between the centers of
    the cells has no row: ``margin`` of half a cell gives it one.

    Args:
        per_box: Whether every box weighs the same, however many rows it holds.
        margin: Meters added to every side of the boxes.
        loss_weight: 0.1 with pooled boxes in SparseKD's release, where it is off.
    """

    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(
        self, per_box: bool = False, margin: float = 0.0, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        check_margin(margin)
        self.per_box, self.margin = per_box, margin
        self.loss_weight = loss_weight

    def forward(
        self,
        student: Tensor,
        teacher: Tensor,
        coord: Tensor,
        batch: Tensor,
        boxes: list[Tensor],
        classes: list[Tensor],
    ) -> Tensor:
        """Compute the loss.

        Args:
            student: Features, (M, C).
            teacher: Features, (M, C); detached.
            coord: Metric coordinates, (M, >= 2).
            batch: Sample of every row, (M,) int64; -1 leaves a row out.
            boxes: B times (n_b, >= 7), see :mod:`~projects.SRKD.ops.boxes`.
            classes: B times (n_b,) int64; boxes with -1 are left out.
        """
        box = rows_in_boxes_bev(coord, batch, select_boxes(boxes, classes), self.margin)
        share = rank_share(lambda: self._units(box[box >= 0]), student)
        return foreground_mse(student, teacher, box, self.per_box) * self.loss_weight * share

    def _units(self, held: Tensor) -> int:
        """Boxes with rows, or rows in boxes."""
        return len(torch.unique(held)) if self.per_box else len(held)

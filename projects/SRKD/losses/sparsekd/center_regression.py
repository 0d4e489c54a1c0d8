"""SparseKD for center heads: box parameters at the centers of objects.

Shape letters: M rows (BEV cells), C channels, P pairs of a row and a box, B samples, n_b boxes of
sample b.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ...ops import rank_share
from ...ops.boxes import rows_at_centers, select_boxes
from ..checks import check_same_width, connected_zero, full_precision


@full_precision
def center_l1(student: Tensor, teacher: Tensor, rows: Tensor) -> Tensor:
    r"""Absolute difference of predictions at chosen rows.

    .. math::
        L = \frac{1}{P} \sum_{p=1}^{P} |r^S_{i_p} - r^T_{i_p}|_1

    Source: SparseKD (Yang et al., NeurIPS 2022), which trains a center head's box parameters on
    its teacher's at the objects' centers; all code weights are one.

    Args:
        student: Predictions, (M, C).
        teacher: Predictions, (M, C); detached.
        rows: Row of every object, repeated where objects share one, (P,) int64.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, for P = 0.

    Raises:
        ValueError: If rows or widths differ.

    Example:
        >>> import torch
        >>> center_l1(torch.zeros(2, 2), torch.tensor([[9.0, 9.0], [1.0, -2.0]]), torch.tensor([1]))
        tensor(3.)
    """
    check_same_width(student, teacher, 'channels', 'tap the same branch of both heads')
    if not len(rows) or student.shape[1] == 0:
        return connected_zero(student)
    return (student[rows] - teacher[rows]).abs().sum(dim=1).mean()


class CenterRegressionLoss(nn.Module):
    """:func:`center_l1` of one regression branch of a center head, at its own objects' centers.

    The release sums over all branches and averages over tasks: give each branch a term, and divide
    ``loss_weight`` by the number of tasks. It drops the regression where grids differ. Here the
    teacher is matched to the student's rows; leave out ``reg`` alone then, the offset from a cell
    to the center, which each network counts in cells of its own.

    Args:
        classes: Class ids of the task, as in :class:`PivotalHeatmapLoss`; None for all.
        loss_weight: 0.2 in the release for voxels; 0 for pillars, whose grids differ there.
    """

    reads_predictions = True  # a term checks that its taps are a head's
    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(self, classes: Sequence[int] | None = None, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.classes = None if classes is None else tuple(classes)
        self.loss_weight = loss_weight

    def forward(
        self,
        student: Tensor,
        teacher: Tensor,
        coord: Tensor,
        batch: Tensor,
        boxes: list[Tensor],
        classes: list[Tensor],
        cell_size: tuple[float, float],
    ) -> Tensor:
        """Compute the loss.

        Args:
            student: Predictions, (M, C).
            teacher: Predictions, (M, C); detached.
            coord: Centers of the cells, (M, >= 2).
            batch: Sample of every row, (M,) int64; -1 leaves a row out.
            boxes: B times (n_b, >= 7), see :mod:`~projects.SRKD.ops.boxes`.
            classes: B times (n_b,) int64.
            cell_size: Meters of a cell along x and y.
        """
        chosen = select_boxes(boxes, classes, self.classes)
        rows = rows_at_centers(coord, batch, chosen, cell_size)[0]
        share = rank_share(len(rows), student)
        return center_l1(student, teacher, rows) * self.loss_weight * share

"""SparseKD for anchor heads: class probabilities of the anchors where it matters.

Shape letters: M rows (BEV cells), A anchors per cell, K classes, B samples, n_b boxes of sample b.
"""

from __future__ import annotations

from torch import Tensor, nn

from ...base.checks import check_choice
from ...ops import rank_share
from ...ops.boxes import check_margin, rows_in_boxes_bev, select_boxes
from ..checks import check_ids, check_rows
from .pivotal_logits import EPS, check_threshold, pivotal_mse, row_confidence, soft_mask

MASKS = ('spatial', 'teacher', 'none')


class AnchorLogitLoss(nn.Module):
    """:func:`pivotal_mse` of an anchor head's logits, for all anchors of a cell together.

    Source: SparseKD (Yang et al., NeurIPS 2022), whose release gives anchor heads three masks.
    ``'spatial'``: cells in a ground-truth box; the release also wants points in the cell, and takes
    a place near the cell's corner for its center. ``'teacher'``: cells where the teacher's most
    likely anchor and class exceed ``threshold``; the release gives these no soft form. Its third,
    cells with a positive anchor, needs the head's target assigner and is not offered.

    Args:
        mask: One of :data:`MASKS`; ``'none'`` counts all cells alike.
        threshold: Confidence that a cell must exceed for ``'teacher'``.
        soft: Whether cells in the mask weigh as much as the teacher is confident there.
        margin: Meters added to every side of the boxes for ``'spatial'``.
        loss_weight: Not known for anchor heads; 10 with center heads.

    Raises:
        ValueError: If the mask is unknown or an argument out of range.
    """

    reads_predictions = True  # a term checks that its taps are a head's
    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(
        self,
        mask: str = 'spatial',
        threshold: float = 0.0,
        soft: bool = True,
        margin: float = 0.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_choice('mask', mask, MASKS)
        check_threshold(threshold)
        check_margin(margin)
        self.mask, self.threshold, self.soft, self.margin = mask, threshold, soft, margin
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
            student: Logits, (M, A K).
            teacher: Logits, (M, A K); detached.
            coord: Centers of the cells, (M, >= 2).
            batch: Sample of every row, (M,) int64; -1 leaves a row out.
            boxes: B times (n_b, >= 7), see :mod:`~projects.SRKD.ops.boxes`.
            classes: B times (n_b,) int64; boxes with -1 are left out.
        """
        check_rows(student, teacher)
        check_ids('batch', batch, len(student))
        kept = batch >= 0
        if self.mask == 'spatial':
            kept = rows_in_boxes_bev(coord, batch, select_boxes(boxes, classes), self.margin) >= 0
        confidence = row_confidence(teacher)
        weight = kept.to(confidence)
        if self.mask == 'teacher':
            weight = weight * soft_mask(confidence, self.threshold, self.soft)
        elif self.mask == 'spatial' and self.soft:
            weight = weight * confidence
        share = rank_share(weight.sum() + EPS, student)
        return pivotal_mse(student, teacher, weight) * self.loss_weight * share

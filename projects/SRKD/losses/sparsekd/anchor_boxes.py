"""SparseKD for anchor heads: box deltas of the anchors around objects.

Shape letters: M rows (BEV cells), A anchors per cell, D numbers of a box, B samples, n_b boxes of
sample b.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...base import UsageError
from ...ops import rank_share
from ...ops.boxes import check_margin, rows_in_boxes_bev, select_boxes
from ..checks import check_ids, check_same_width, connected_zero, full_precision

BETA = 1 / 9
"""Where the smooth L1 norm turns from square to absolute, as second and pcdet train boxes."""

YAW = 6
"""Place of the angle in a box."""


@full_precision
def anchor_smooth_l1(
    student: Tensor, teacher: Tensor, batch: Tensor, num_samples: int, code_size: int = 7
) -> Tensor:
    r"""Smooth L1 norm of the difference of box deltas, the angles' by its sine.

    .. math::
        L = \frac{1}{B} \sum_b \frac{1}{M_b A} \sum_{i \in b} \sum_{a=1}^{A} \sum_{d=1}^{D}
            h(\delta_{iad}), \qquad
        h(\delta) = \begin{cases}
            \delta^2 / 2 \beta & |\delta| < \beta \\ |\delta| - \beta / 2 & \text{else}
        \end{cases}

    with :math:`\beta = 1/9`, and :math:`\delta` the student's delta minus the teacher's, for the
    yaw :math:`\sin(\theta^S - \theta^T)`, which is blind to half a turn. A sample without rows adds
    nothing but counts in B.

    Source: SparseKD (Yang et al., NeurIPS 2022), with the anchors assigned to an object in place of
    all anchors of the rows given.

    Args:
        student: Deltas, anchors outermost, (M, A D).
        teacher: Deltas, (M, A D); detached.
        batch: Sample of every row, (M,) int64; -1 leaves a row out.
        num_samples: B.
        code_size: D; 7, or 9 with velocities.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, without rows.

    Raises:
        UsageError: If rows or widths differ, or the width is no multiple of ``code_size``.

    Example:
        >>> teacher = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, torch.pi]])
        >>> anchor_smooth_l1(torch.zeros(1, 7), teacher, torch.tensor([0]), 1)  # 1 - 1 / 18
        tensor(0.9444)
    """
    check_same_width(student, teacher, 'channels', 'both heads must have the same anchors')
    check_ids('batch', batch, len(student))
    if student.shape[1] % code_size:
        raise UsageError(
            f'a regression map has anchors of {code_size} numbers each, but {student.shape[1]} '
            "channels came: tap the head's conv_reg, or set code_size"
        )
    rows = (batch >= 0).nonzero().squeeze(1)
    if not len(rows) or student.shape[1] == 0:
        return connected_zero(student)
    delta = (student[rows] - teacher[rows]).unflatten(1, (-1, code_size))
    delta = torch.cat([delta[..., :YAW], delta[..., YAW : YAW + 1].sin(), delta[..., YAW + 1 :]], 2)
    norm = F.smooth_l1_loss(delta, torch.zeros_like(delta), beta=BETA, reduction='none')
    norm = norm.sum(dim=2).mean(dim=1)  # rows
    counts = torch.bincount(batch[rows], minlength=num_samples).to(norm)
    return (norm / counts[batch[rows]]).sum() / num_samples


class AnchorBoxLoss(nn.Module):
    """:func:`anchor_smooth_l1` of the cells that lie in a ground-truth box, seen from above.

    The release takes the anchors that the head's target assigner calls positive; a term knows
    boxes, not assignments, so all anchors of a cell count.

    Args:
        code_size: D; 7, or 9 with velocities.
        margin: Meters added to every side of the boxes.
        loss_weight: Not known for anchor heads; 0.2 with center heads.
    """

    reads_predictions = True  # a term checks that its taps are a head's
    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(self, code_size: int = 7, margin: float = 0.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        if code_size <= YAW:
            raise UsageError(
                f'code_size must be at least 7, x, y, z, dx, dy, dz and yaw, but got {code_size}'
            )
        check_margin(margin)
        self.code_size, self.margin = code_size, margin
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
            student: Box deltas, (M, A D).
            teacher: Box deltas, (M, A D); detached.
            coord: Centers of the cells, (M, >= 2).
            batch: Sample of every row, (M,) int64; -1 leaves a row out.
            boxes: B times (n_b, >= 7), see :mod:`~projects.SRKD.ops.boxes`.
            classes: B times (n_b,) int64; boxes with -1 are left out.
        """
        box = rows_in_boxes_bev(coord, batch, select_boxes(boxes, classes), self.margin)
        inside = torch.where(box >= 0, batch, -1)
        loss = anchor_smooth_l1(student, teacher, inside, len(boxes), self.code_size)
        return loss * self.loss_weight * rank_share(len(boxes), student)

"""SparseKD for center heads: logits where it matters.

Shape letters: M rows (BEV cells), K classes of a task, B samples, n_b boxes of sample b.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...base import UsageError
from ...base.checks import check_choice, check_positive
from ...ops import group_rows, rank_share
from ...ops.boxes import select_boxes
from ...ops.heatmap import gaussian_heatmap
from ..checks import check_ids, check_rows, check_same_width, full_precision

MASKS = ('confidence', 'foreground')
EPS = 1e-6  # of a divisor


@full_precision
def pivotal_mse(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    r"""Squared difference of class probabilities at pivotal positions.

    .. math::
        L = \frac{\sum_i m_i \sum_k (p^S_{ik} - p^T_{ik})^2}{\sum_i m_i + 10^{-6}}, \qquad
        p = \min(\max(\mathrm{sigmoid}(z), 10^{-4}), 1 - 10^{-4})

    Source: SparseKD (Yang et al., NeurIPS 2022) in the form of the released code: summed over
    classes, averaged over positions. A probability at its bound has no gradient.

    Args:
        student: Logits, (M, K).
        teacher: Logits, (M, K); detached.
        mask: Weight of every row, at least 0, (M,); detached.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, for a mask of zeros.

    Raises:
        UsageError: If rows or classes differ or ``mask`` does not fit.

    Example:
        >>> teacher = torch.tensor([[0.0, 0.0], [99.0, 0.0]])
        >>> pivotal_mse(torch.zeros(2, 2), teacher, torch.tensor([0.0, 1.0]))  # 0.4999^2
        tensor(0.2499)
    """
    check_same_width(student, teacher, 'classes', 'both must be trained on the same classes')
    if mask.shape != student.shape[:1]:
        raise UsageError(
            f'mask must have shape ({len(student)},), one weight per row, but got '
            f'{tuple(mask.shape)}'
        )
    mask = mask.detach().to(student)
    gap = (clamped_sigmoid(student) - clamped_sigmoid(teacher)).square().sum(dim=1)  # (M,)
    return (gap * mask).sum() / (mask.sum() + EPS)


class PivotalHeatmapLoss(nn.Module):
    """:func:`pivotal_mse` of one task's heat map in a center head.

    The mask is a product: the teacher's confidence (its most likely class, zero up to
    ``threshold``), the foreground (the largest Gaussian of the head's own target, see
    :func:`gaussian_heatmap`), and the ``rank`` most confident cells of a sample.

    Differs from the release where grids differ: there the student's map is resized to the teacher's
    grid, here the teacher is matched to the student's rows. The release averages the terms of all
    tasks: divide ``loss_weight`` by their number. Its rank keeps the best (cell, class) pairs and
    adds the cells of earlier tasks; here every task keeps its own best cells.

    Args:
        classes: Class ids of the heat map's channels, in order.
        threshold: Confidence that a cell must exceed; 0 in the release.
        rank: Cells kept per sample; None (the release) keeps all.
        masks: Which masks to multiply, any of :data:`MASKS`.
        soft: Whether masks keep their values (the release) or count as 0 and 1.
        min_overlap: ``gaussian_overlap`` of the head's ``train_cfg``.
        min_radius: The same there, in cells.
        loss_weight: 10 in the release; 15 for its smallest students, 7 for pillars.

    Raises:
        UsageError: If a mask is unknown or an argument out of range.
    """

    reads_predictions = True  # a term checks that its taps are a head's
    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(
        self,
        classes: Sequence[int],
        threshold: float = 0.0,
        rank: int | None = None,
        masks: Sequence[str] = MASKS,
        soft: bool = True,
        min_overlap: float = 0.1,
        min_radius: int = 2,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        for mask in masks:
            check_choice('masks', mask, MASKS)
        check_threshold(threshold)
        if rank is not None:
            check_positive(rank=rank)
        self.classes = tuple(classes)
        self.threshold, self.rank = threshold, rank
        self.masks, self.soft = tuple(masks), soft
        self.min_overlap, self.min_radius = min_overlap, min_radius
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
            student: Logits, (M, K).
            teacher: Logits, (M, K); detached.
            coord: Centers of the cells, (M, >= 2).
            batch: Sample of every row, (M,) int64; -1 leaves a row out.
            boxes: B times (n_b, >= 7), see :mod:`~projects.SRKD.ops.boxes`.
            classes: B times (n_b,) int64; other tasks' boxes are no foreground.
            cell_size: Meters of a cell along x and y.
        """
        check_rows(student, teacher)
        if student.shape[1] != len(self.classes):
            raise UsageError(
                f'the heat map has {student.shape[1]} channels but classes names '
                f'{len(self.classes)}: give the class ids of this task alone'
            )
        check_ids('batch', batch, len(student))
        mask = (batch >= 0).float()
        confidence = row_confidence(teacher)
        if 'confidence' in self.masks:
            mask = mask * soft_mask(confidence, self.threshold, self.soft)
        if 'foreground' in self.masks:
            chosen = select_boxes(boxes, classes, self.classes)
            # The largest over classes is wanted: all of the task are drawn as one.
            one = [torch.zeros_like(box[:, 0], dtype=torch.int64) for box in chosen]
            heat = gaussian_heatmap(
                coord, batch, chosen, one, 1, cell_size, self.min_overlap, self.min_radius
            )
            mask = mask * soft_mask(heat[:, 0], 0.0, self.soft)
        if self.rank is not None:
            mask = mask * _top_of_samples(confidence, batch, self.rank)
        share = rank_share(mask.sum() + EPS, student)
        return pivotal_mse(student, teacher, mask) * self.loss_weight * share


def clamped_sigmoid(logit: Tensor) -> Tensor:
    """Probabilities kept 1e-4 off 0 and 1, as center heads train theirs."""
    return logit.sigmoid().clamp(1e-4, 1 - 1e-4)


def row_confidence(teacher: Tensor) -> Tensor:
    """Probability of every row's most likely class, (M, K) -> (M,) float32 or more; detached.

    Example:
        >>> row_confidence(torch.tensor([[-1.0, 0.0], [-99.0, -99.0]]))
        tensor([5.0000e-01, 1.0000e-04])
    """
    logit = teacher.detach().to(torch.promote_types(teacher.dtype, torch.float32))
    return clamped_sigmoid(logit.amax(dim=1)) if logit.shape[1] else logit.new_zeros(len(logit))


def soft_mask(value: Tensor, threshold: float, soft: bool) -> Tensor:
    """Zero up to the threshold; above, the value itself or, where not soft, one."""
    kept = (value > threshold).to(value)
    return value * kept if soft else kept


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that no probability, or all of them, can exceed.

    Raises:
        UsageError: With what came.
    """
    if not 0 <= threshold < 1:
        raise UsageError(f'threshold must be a probability in [0, 1), but got {threshold}')


def _top_of_samples(score: Tensor, batch: Tensor, limit: int) -> Tensor:
    """Mark the highest scores of every sample, (M,) -> (M,) of 0 and 1."""
    order = score.argsort(descending=True)
    groups = group_rows(batch[order])
    position = torch.arange(len(groups.order), device=score.device)
    position = position - torch.repeat_interleave(groups.starts, groups.counts)
    mark = torch.zeros_like(score)
    mark[order[groups.order[position < limit]]] = 1
    return mark

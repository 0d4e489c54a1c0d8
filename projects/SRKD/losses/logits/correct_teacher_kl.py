"""Soft targets where the teacher is right.

Shape letters: N points, L classes, K the points that are kept.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...base.checks import check_choice
from ...ops import rank_share
from ..checks import (
    check_ids,
    check_same_width,
    check_temperature,
    connected_zero,
    full_precision,
)
from ..divergence import row_divergence, with_t2

UNLABELED = ('all', 'none')


@full_precision
def correct_teacher_kl(
    student: Tensor,
    teacher: Tensor,
    label: Tensor | None,
    temperature: float = 2.0,
    unlabeled: str = 'all',
) -> Tensor:
    r"""Divergence of the student's class probabilities over points that the teacher gets right.

    .. math::
        L = T^2 \, \frac{1}{|K|} \sum_{i \in K} \mathrm{KL}\left(
            \sigma(z^T_i / T) \,\|\, \sigma(z^S_i / T)\right), \qquad
        K = \{i : \arg\max_c z^T_{ic} = y_i\} \cup U

    with logits :math:`z`, labels :math:`y`, softmax over classes :math:`\sigma`, temperature
    :math:`T`, and :math:`U` all points without a label, or none.

    Source: conditional teacher-student learning (Meng et al., ICASSP 2019), which learns from the
    label where the teacher is wrong; the task loss does so here. What becomes of points without a
    label is ours.

    Args:
        student: Logits, (N, L).
        teacher: Logits, (N, L); detached.
        label: Class of every point, -1 without one, (N,) int64; None: no point has one.
        temperature: T.
        unlabeled: ``'all'`` points without a label count, or ``'none'``.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, where no point is kept.

    Raises:
        UsageError: If rows or classes differ, or an argument is none of those above.

    Example:
        >>> student, teacher = torch.zeros(3, 2), torch.tensor([[2.0, 0.0]]).repeat(3, 1)
        >>> right = correct_teacher_kl(student, teacher, torch.tensor([0, 1, -1]), 1.0, 'none')
        >>> right == correct_teacher_kl(student[:1], teacher[:1], None, 1.0)
        tensor(True)
    """
    check_temperature(temperature)
    check_choice('unlabeled', unlabeled, UNLABELED)
    check_same_width(student, teacher, 'classes', 'both must be trained on the same classes')
    kept = _kept(teacher, label, unlabeled)  # (K,)
    if not len(kept):
        return connected_zero(student)
    divergence = row_divergence(teacher[kept] / temperature, student[kept] / temperature)
    return with_t2(divergence.mean(), temperature)


def _kept(teacher: Tensor, label: Tensor | None, unlabeled: str) -> Tensor:
    if label is None:
        label = torch.full((len(teacher),), -1, device=teacher.device)
    check_ids('label', label, len(teacher))
    if teacher.numel() == 0:
        return label[:0]
    kept = teacher.argmax(dim=1) == label  # (N,)
    if unlabeled == 'all':
        kept |= label < 0
    return kept.nonzero().squeeze(1)


class CorrectTeacherKLLoss(nn.Module):
    """:func:`correct_teacher_kl` as a loss of a distillation term.

    Args:
        temperature: T.
        unlabeled: ``'all'`` points without a label count, or ``'none'``.
        loss_weight: Of the term.
    """

    reads_predictions = True  # a term checks that its taps are a head's
    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(
        self, temperature: float = 2.0, unlabeled: str = 'all', loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_choice('unlabeled', unlabeled, UNLABELED)
        self.temperature, self.unlabeled = temperature, unlabeled
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor, label: Tensor | None = None) -> Tensor:
        """Compute the loss of logits (N, L) and labels (N,), -1 where there is none."""
        value = correct_teacher_kl(student, teacher, label, self.temperature, self.unlabeled)
        share = rank_share(lambda: len(_kept(teacher, label, self.unlabeled)), student)
        return value * self.loss_weight * share

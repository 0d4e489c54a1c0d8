"""Soft targets that weigh as much as the teacher is sure of them.

Shape letters: N points, L classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from ...base.checks import check_positive
from ...ops import rank_share
from ..checks import check_same_width, check_temperature, connected_zero, full_precision
from ..divergence import row_divergence, with_t2


@full_precision
def confidence_kl(
    student: Tensor, teacher: Tensor, temperature: float = 2.0, power: float = 1.0
) -> Tensor:
    r"""Divergence of the student's class probabilities, its mean weighted by confidence.

    .. math::
        L = T^2 \, \frac{\sum_i w_i \, \mathrm{KL}\left(
            \sigma(z^T_i / T) \,\|\, \sigma(z^S_i / T)\right)}{\sum_i w_i}, \qquad
        w_i = \left(\max_c \sigma(z^T_i)_c\right)^p

    with logits :math:`z`, softmax over classes :math:`\sigma`, temperature :math:`T` and power
    :math:`p`.

    Source: ours, the plainest of many forms; losses weighted by the teacher's confidence are common
    since CA-MKD (Zhang et al., ICASSP 2022), whose weights compare several teachers by labels.

    Args:
        student: Logits, (N, L).
        teacher: Logits, (N, L); detached.
        temperature: T of the soft targets; confidence is that of the logits as they are.
        power: p; large ones leave the points alone that the teacher is surest of.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, for N = 0.

    Raises:
        UsageError: If rows or classes differ, or temperature or power is not positive.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[9.0, 0.0], [0.0, 0.0]])
        >>> student = torch.tensor([[9.0, 0.0], [2.0, 0.0]])  # wrong where the teacher is unsure
        >>> all_alike = confidence_kl(student, teacher, 1.0, power=1e-9)
        >>> confidence_kl(student, teacher, 1.0) / all_alike  # (1 / 2) / (1 + 1 / 2) to 1 / 2
        tensor(0.6667)
    """
    check_temperature(temperature)
    check_positive(power=power)
    check_same_width(student, teacher, 'classes', 'both must be trained on the same classes')
    if student.numel() == 0:
        return connected_zero(student)
    # relative to the largest: high powers of small probabilities would all be zero
    weight = power * teacher.log_softmax(dim=1).amax(dim=1)  # (N,)
    weight = (weight - weight.max()).exp()
    divergence = row_divergence(teacher / temperature, student / temperature)  # (N,)
    return with_t2((weight * divergence).sum() / weight.sum(), temperature)


def _sum_of_weights(teacher: Tensor, power: float) -> Tensor | int:
    if teacher.numel() == 0:
        return 0
    return (power * teacher.detach().double().log_softmax(dim=1).amax(dim=1)).exp().sum()


class ConfidenceKLLoss(nn.Module):
    """:func:`confidence_kl` as a loss of a distillation term.

    Args:
        temperature: T of the soft targets.
        power: Of the teacher's confidence.
        loss_weight: Of the term.
    """

    reads_predictions = True  # a term checks that its taps are a head's
    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(
        self, temperature: float = 2.0, power: float = 1.0, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_positive(power=power)
        self.temperature, self.power = temperature, power
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compute the loss of logits (N, L)."""
        loss = confidence_kl(student, teacher, self.temperature, self.power)
        share = rank_share(lambda: _sum_of_weights(teacher, self.power), student)
        return loss * self.loss_weight * share

"""Soft targets of standardized logits: the student need not match the teacher's magnitudes.

Shape letters: N points, L classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from ...ops import rank_share
from ..checks import check_same_width, check_temperature, connected_zero, full_precision
from ..divergence import row_divergence, with_t2

_FLOOR = 1e-6  # added to the variance: equal logits, as of a head set to zero, keep a gradient


@full_precision
def standardized_kl(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    r"""Divergence of class probabilities of z-scored logits.

    .. math::
        L = T^2 \, \frac{1}{N} \sum_{i=1}^{N} \mathrm{KL}\left(
            \sigma(\hat z^T_i / T) \,\|\, \sigma(\hat z^S_i / T)\right), \qquad
        \hat z = \frac{z - \bar z}{\sqrt{\overline{(z - \bar z)^2}}}

    with logits :math:`z`, means over classes, softmax over classes :math:`\sigma` and temperature
    :math:`T`.

    Source: Sun et al., "Logit Standardization in Knowledge Distillation", CVPR 2024 (arXiv
    2403.01427). Its release divides by the standard deviation of a sample (L - 1 in the place of
    L), as a temperature larger by sqrt(L / (L - 1)) does, and adds 1e-7 to it; here 1e-6 is added
    to the variance, without which equal logits have no gradient.

    Args:
        student: Logits, (N, L).
        teacher: Logits, (N, L); detached.
        temperature: T.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, for N = 0.

    Raises:
        UsageError: If rows or classes differ or the temperature is not positive.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[3.0, 1.0, 2.0]])
        >>> bool(standardized_kl(5 * teacher + 1, teacher) < 1e-9)
        True
    """
    check_temperature(temperature)
    check_same_width(student, teacher, 'classes', 'both must be trained on the same classes')
    if student.numel() == 0:
        return connected_zero(student)
    own, taught = (_standardized(logits) / temperature for logits in (student, teacher))
    return with_t2(row_divergence(taught, own).mean(), temperature)


def _standardized(logits: Tensor) -> Tensor:
    gap = logits - logits.mean(dim=1, keepdim=True)  # (N, L)
    return gap / (gap.square().mean(dim=1, keepdim=True) + _FLOOR).sqrt()


class StandardizedKLLoss(nn.Module):
    """:func:`standardized_kl` as a loss of a distillation term.

    Args:
        temperature: T; 2 in the release. Logits that are standardized span a few units whatever a
            network is sure of, so T means the same for every pair.
        loss_weight: Of the term; 9 in the release's command for CIFAR-100, where T is 2.
    """

    reads_predictions = True  # a term checks that its taps are a head's
    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(self, temperature: float = 2.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        check_temperature(temperature)
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compute the loss of logits (N, L)."""
        loss = standardized_kl(student, teacher, self.temperature)
        return loss * self.loss_weight * rank_share(len(student), student)

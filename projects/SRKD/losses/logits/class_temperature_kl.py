"""Soft targets with a temperature for each class.

Shape letters: N points, L classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ...base import UsageError
from ...ops import rank_share
from ..checks import check_same_width, check_temperature, connected_zero, full_precision
from ..divergence import row_divergence


@full_precision
def class_temperature_kl(student: Tensor, teacher: Tensor, temperatures: Sequence[float]) -> Tensor:
    r"""Divergence of class probabilities at the temperature of the teacher's class.

    .. math::
        L = \frac{1}{N} \sum_{i=1}^{N} T_i^2 \, \mathrm{KL}\left(
            \sigma(z^T_i / T_i) \,\|\, \sigma(z^S_i / T_i)\right), \qquad
        T_i = T_{\arg\max_c z^T_{ic}}

    with logits :math:`z`, softmax over classes :math:`\sigma` and a temperature for each class. All
    logits of a point share one, so that every distribution is a softmax of the network's own order.

    Source: ours. A low temperature for large classes, which need no softening, and a higher one for
    rare ones spreads what a teacher knows of their neighbors.

    Args:
        student: Logits, (N, L).
        teacher: Logits, (N, L); detached.
        temperatures: L positive numbers.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, for N = 0.

    Raises:
        UsageError: If rows or classes differ, or there is not one positive temperature for each.

    Example:
        >>> import torch
        >>> from projects.SRKD.losses import soft_target_kl
        >>> student, teacher = torch.zeros(1, 2), torch.tensor([[0.0, 3.0]])
        >>> class_temperature_kl(student, teacher, (1, 4)) == soft_target_kl(student, teacher, 4)
        tensor(True)
    """
    check_same_width(student, teacher, 'classes', 'both must be trained on the same classes')
    _check_temperatures(temperatures)
    if len(temperatures) != student.shape[1]:
        raise UsageError(
            f'temperatures must be one for each of the {student.shape[1]} classes, but got '
            f'{len(temperatures)}'
        )
    if student.numel() == 0:
        return connected_zero(student)
    temperature = teacher.new_tensor(temperatures)[teacher.argmax(dim=1), None]  # (N, 1)
    divergence = row_divergence(teacher / temperature, student / temperature)  # (N,)
    return (temperature[:, 0].square() * divergence).mean()


def _check_temperatures(temperatures: Sequence[float]) -> None:
    if isinstance(temperatures, (str, int, float)) or not len(temperatures):
        raise UsageError(f'temperatures must be a list of numbers, but got {temperatures!r}')
    for temperature in temperatures:
        check_temperature(temperature)


class ClassTemperatureKLLoss(nn.Module):
    """:func:`class_temperature_kl` as a loss of a distillation term.

    Args:
        temperatures: One for each class, in the order of the student's head.
        loss_weight: Of the term.
    """

    reads_predictions = True  # a term checks that its taps are a head's
    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(self, temperatures: Sequence[float], loss_weight: float = 1.0) -> None:
        super().__init__()
        _check_temperatures(temperatures)
        self.temperatures = tuple(temperatures)
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compute the loss of logits (N, L)."""
        loss = class_temperature_kl(student, teacher, self.temperatures)
        return loss * self.loss_weight * rank_share(len(student), student)

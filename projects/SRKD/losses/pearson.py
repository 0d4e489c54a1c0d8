"""PKD: features compared up to the scale and offset of every channel.

Shape letters: N rows (points, voxels or BEV cells), C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ops import rank_share
from .checks import check_same_width, connected_zero, full_precision


@full_precision
def pearson_mse(student: Tensor, teacher: Tensor) -> Tensor:
    r"""Half the mean squared difference of standardized channels.

    .. math::
        L = \frac{1}{2 N C} \sum_{c=1}^{C} \sum_{i=1}^{N} (\hat f^S_{ic} - \hat f^T_{ic})^2
        \approx 1 - \frac{1}{C} \sum_{c=1}^{C} r_c, \qquad
        \hat f_{ic} = \frac{f_{ic} - \mu_c}{\sigma_c + 10^{-6}}

    with mean, standard deviation (of N - 1) and Pearson's correlation r of each channel over all
    rows of the batch; the two sides differ by the factor (N - 1) / N.

    Source: PKD (Cao et al., NeurIPS 2022), Eq. 3 to 5.

    Args:
        student: Features, lifted to the teacher's width by a connector, (N, C).
        teacher: Features, (N, C); detached.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, for N < 2.

    Raises:
        ValueError: If rows or widths differ.

    Example:
        >>> student = torch.tensor([[0.0], [1.0], [2.0]])
        >>> pearson_mse(student, 5 * student + 3) < 1e-9
        tensor(True)
        >>> pearson_mse(student, -student)  # (3 - 1) / 3 * (1 + 1)
        tensor(1.3333)
    """
    check_same_width(student, teacher, 'channels', 'lift the student with a connector')
    if len(student) < 2 or student.shape[1] == 0:
        return connected_zero(student)
    return (_standardized(student) - _standardized(teacher)).square().mean() / 2


def _standardized(feat: Tensor) -> Tensor:
    deviation = feat.std(dim=0)
    # A constant channel (a dead ReLU) has no gradient; 1e-6 would make it a million times larger.
    alive = deviation > 0
    return (feat - feat.mean(dim=0)) * torch.where(alive, 1 / (deviation + 1e-6), 0)


class PearsonLoss(nn.Module):
    """:func:`pearson_mse` as a loss of a distillation term; needs equal widths.

    In several processes each standardizes by its own rows, as a batch norm does; the loss is the
    mean over all rows of what they find.

    Args:
        loss_weight: 6 to 20 for image detectors.
    """

    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compute the loss of features (N, C)."""
        share = rank_share(len(student), student)
        return pearson_mse(student, teacher) * self.loss_weight * share

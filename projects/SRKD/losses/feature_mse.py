"""Feature imitation.

Shape letters: N points, C channels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import rank_share
from .checks import check_same_width, connected_zero, full_precision


@full_precision
def feature_mse(student: Tensor, teacher: Tensor) -> Tensor:
    r"""Mean squared difference of features.

    .. math::
        L = \frac{1}{N\,C} \sum_{i=1}^{N} |f^S_i - f^T_i|^2

    Source: FitNets (Romero et al., ICLR 2015, Eq. 3); ``FeatMSELoss`` of SRKD's release, whose code
    is not public: the mean over all entries is our reading.

    Args:
        student: Features, lifted to the teacher's width by a connector, (N, C).
        teacher: Features, (N, C); detached.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, for N = 0.

    Raises:
        ValueError: If rows or widths differ.

    Example:
        >>> import torch
        >>> feature_mse(torch.zeros(2, 2), torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
        tensor(1.)
    """
    check_same_width(student, teacher, 'channels', 'lift the student with a connector')
    return F.mse_loss(student, teacher) if student.numel() else connected_zero(student)


class FeatureMSELoss(nn.Module):
    """:func:`feature_mse` as a loss of a distillation term; needs equal widths.

    Args:
        loss_weight: 0.1 (ScanNet, nuScenes) and 0.025 (ScanNet200) in SRKD's release.
    """

    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compute the loss of features (N, C)."""
        share = rank_share(len(student), student)
        return feature_mse(student, teacher) * self.loss_weight * share

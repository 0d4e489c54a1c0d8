"""Attention transfer: where a network looks, whatever it sees there.

Shape letters: N rows (points, voxels or BEV cells), C_s and C_t channels, G samples.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ops import rank_share
from .checks import check_ids, connected_zero, full_precision


@full_precision
def attention_mse(student: Tensor, teacher: Tensor, batch: Tensor) -> Tensor:
    r"""Mean squared difference of attention maps of length one.

    .. math::
        L = \frac{1}{N} \sum_{i=1}^{N} \left(
            \frac{a^S_i}{|a^S_{b(i)}|} - \frac{a^T_i}{|a^T_{b(i)}|} \right)^2, \qquad
        a_i = \frac{1}{C} \sum_{c=1}^{C} f_{ic}^2

    with the Euclidean length of a over all rows of the sample b(i).

    Source: Zagoruyko & Komodakis, ICLR 2017, with p = 2, as a mean over positions.

    Args:
        student: Features, (N, C_s).
        teacher: Features, (N, C_t), of any width; detached.
        batch: Sample of every row, any order, (N,) int64; -1 leaves a row out.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, without rows.

    Raises:
        ValueError: If rows differ or ``batch`` holds no ids.

    Example:
        >>> teacher = torch.tensor([[2.0], [0.0]])
        >>> attention_mse(torch.tensor([[0.0, 5.0], [0.0, 0.0]]), teacher, torch.tensor([0, 0]))
        tensor(0.)
        >>> attention_mse(torch.tensor([[0.0, 0.0], [0.0, 5.0]]), teacher, torch.tensor([0, 0]))
        tensor(1.)
    """
    check_ids('batch', batch, len(student))
    rows = (batch >= 0).nonzero().squeeze(1)
    if not len(rows) or student.shape[1] == 0 or teacher.shape[1] == 0:
        return connected_zero(student)
    ids, sample = torch.unique(batch[rows], return_inverse=True)
    own, taught = (_attention(feat[rows], sample, len(ids)) for feat in (student, teacher))
    return (own - taught).square().mean()


def _attention(feat: Tensor, sample: Tensor, num_samples: int) -> Tensor:
    """Attention of every row, of length one over each sample; zeros for features of zeros."""
    attention = feat.square().mean(dim=1)  # (N,)
    square = attention.new_zeros(num_samples).index_add(0, sample, attention.square())
    alive = square > 0
    scale = torch.where(alive, torch.where(alive, square, 1).rsqrt(), 0)  # no NaN gradient at zero
    return attention * scale[sample]


class AttentionTransferLoss(nn.Module):
    """:func:`attention_mse` as a loss of a distillation term; takes any two widths.

    Args:
        loss_weight: 1000 for images in common use. The value shrinks with the rows of a sample,
            whose attention shares a length of one.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor, batch: Tensor) -> Tensor:
        """Compute the loss of features (N, C_s), (N, C_t) and sample ids (N,), -1 left out."""
        share = rank_share((batch >= 0).sum(), student)
        return attention_mse(student, teacher, batch) * self.loss_weight * share

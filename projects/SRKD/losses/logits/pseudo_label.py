"""Hard pseudo-labels: the teacher's class where it is sure of one.

Shape letters: N points, L classes, K the points that are kept.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...base import UsageError
from ...base.checks import check_choice
from ...ops import rank_share
from ..checks import check_same_width, connected_zero, full_precision

ROWS = ('unlabeled', 'all')


@full_precision
def pseudo_label_ce(student: Tensor, teacher: Tensor, threshold: float = 0.9) -> Tensor:
    r"""Cross-entropy with the teacher's class, where its probability exceeds a threshold.

    .. math::
        L = -\frac{1}{|K|} \sum_{i \in K} \log \sigma(z^S_i)_{y_i}, \qquad
        y_i = \arg\max_c z^T_{ic}, \quad K = \{i : \max_c \sigma(z^T_i)_c > \tau\}

    with logits :math:`z`, softmax over classes :math:`\sigma` and the threshold :math:`\tau`.

    Source: Lee 2013 ("Pseudo-Label"), whose labels are the student's own; of a frozen teacher they
    are the hard labels of DeiT (Touvron et al. 2021). The threshold is that of FixMatch (Sohn et
    al. 2020), where it is 0.95 and the mean is taken over all points: here over those kept, as a
    cross-entropy over labeled points is.

    Args:
        student: Logits, (N, L).
        teacher: Logits, (N, L); detached.
        threshold: :math:`\tau`, in [0, 1).

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, where no point is kept.

    Raises:
        UsageError: If rows or classes differ or the threshold is out of range.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[4.0, 0.0], [0.1, 0.0]])  # sure of the first point alone
        >>> pseudo_label_ce(torch.zeros(2, 2), teacher)  # ln 2
        tensor(0.6931)
    """
    check_threshold(threshold)
    check_same_width(student, teacher, 'classes', 'both must be trained on the same classes')
    kept, label = _kept(student, teacher, threshold)
    return F.cross_entropy(student[kept], label) if len(kept) else connected_zero(student)


@full_precision
def _kept(student: Tensor, teacher: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Rows and labels of the points that are kept, (K,) each."""
    if teacher.numel() == 0:
        none = torch.zeros(0, dtype=torch.int64, device=teacher.device)
        return none, none
    confidence, label = teacher.softmax(dim=1).max(dim=1)  # (N,)
    kept = (confidence > threshold).nonzero().squeeze(1)
    return kept, label[kept]


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that no probability, or every one, is beyond.

    Raises:
        UsageError: With what came.
    """
    if not 0 <= threshold < 1:
        raise UsageError(f'threshold must be a probability in [0, 1), but got {threshold}')


class PseudoLabelLoss(nn.Module):
    """:func:`pseudo_label_ce` as a loss of a distillation term.

    Args:
        threshold: Probability beyond which the teacher's class is taken.
        rows: ``'unlabeled'``: points without a label, the others have a better one; ``'all'``:
            every matched point.
        loss_weight: Of the term; 1 makes a pseudo-label as good as a label.
    """

    reads_predictions = True  # a term checks that its taps are a head's
    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(
        self, threshold: float = 0.9, rows: str = 'unlabeled', loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        check_threshold(threshold)
        check_choice('rows', rows, ROWS)
        self.threshold, self.rows = threshold, rows
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor, label: Tensor | None = None) -> Tensor:
        """Compute the loss of logits (N, L) and labels (N,), -1 where there is none."""
        if self.rows == 'unlabeled' and label is not None:
            student, teacher = student[label < 0], teacher[label < 0]
        share = rank_share(lambda: len(_kept(student, teacher, self.threshold)[0]), student)
        return pseudo_label_ce(student, teacher, self.threshold) * self.loss_weight * share

"""How alike two layers see the same points, whatever their widths.

Shape letters: P points, C_s and C_t channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...base import UsageError


class LinearCKA:
    r"""Linear centered kernel alignment, summed scan by scan.

    .. math::
        CKA(X, Y) = \frac{|\bar Y^\top \bar X|_F^2}
            {|\bar X^\top \bar X|_F |\bar Y^\top \bar Y|_F}

    with the mean over all points taken from each channel of X and Y. 1 where one is a rotation and
    a scaling of the other, 0 where no channel of one follows any of the other, or one is constant.
    Source: Kornblith et al., "Similarity of Neural Network Representations Revisited"
    (1905.00414), Eq. 5 for linear kernels. No P x P matrix is formed:
    :math:`\bar Y^\top \bar X = Y^\top X - P \bar y \bar x^\top`, in float64, about the mean of the
    first scan, so that a large common offset costs no digits.
    """

    def __init__(self) -> None:
        self.points = 0
        self._width = 0
        self._shift: Tensor | None = None

    def add(self, student: Tensor, teacher: Tensor) -> None:
        """Add the points of a scan.

        Args:
            student: Features, (P, C_s).
            teacher: Features of the same points, (P, C_t).

        Raises:
            UsageError: If the numbers of points differ.
        """
        if len(student) != len(teacher):
            raise UsageError(
                f'CKA must compare the same points, but got {len(student)} and {len(teacher)}'
            )
        if not len(student):
            return
        both = torch.cat([student.double(), teacher.double()], 1)  # (P, C_s + C_t)
        if self._shift is None:
            self._width, self._shift = student.shape[1], both.mean(0)
            self._sum = torch.zeros_like(self._shift)
            self._product = both.new_zeros(both.shape[1], both.shape[1])
        both = both - self._shift
        self.points += len(both)
        self._sum += both.sum(0)
        self._product += both.T @ both

    def result(self) -> float:
        """CKA, 0 to 1.

        Raises:
            UsageError: If there was no point.
        """
        if not self.points:
            raise UsageError('CKA needs a point that both layers see, but got none')
        covariance = self._product - torch.outer(self._sum, self._sum) / self.points
        own, theirs = slice(self._width), slice(self._width, None)
        cross = covariance[own, theirs].square().sum()
        scale = covariance[own, own].norm() * covariance[theirs, theirs].norm()
        return float(cross / scale) if bool(scale > 0) else 0.0

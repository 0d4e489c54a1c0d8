"""Whether a network is as sure as it is right.

Shape letters: P points, B bins.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...base import UsageError
from ...base.checks import check_count


class Reliability(NamedTuple):
    """A reliability curve and the error that sums it up.

    Attributes:
        points: In each bin.
        confidence: Mean of the probability of the predicted class in each; NaN in an empty bin.
        accuracy: Share that is right in each; NaN in an empty bin.
        ece: Expected calibration error, 0 to 1.
    """

    points: list[int]
    confidence: list[float]
    accuracy: list[float]
    ece: float


class Calibration:
    r"""Expected calibration error over bins of equal width.

    .. math:: ECE = \sum_b \frac{n_b}{N} |acc_b - conf_b|

    where bin b holds the n_b of N points whose predicted class has a probability in
    ((b - 1) / B, b / B], acc_b is the share of them that is right, conf_b their mean probability.
    Source: Guo et al., "On Calibration of Modern Neural Networks" (1706.04599), Eq. 3; B = 15
    there, too.

    Args:
        bins: B.
    """

    def __init__(self, bins: int = 15) -> None:
        check_count(bins=bins)
        self.bins = bins
        self._sums = torch.zeros(3, bins, dtype=torch.float64)  # points, probability, right

    def add(self, probability: Tensor, right: Tensor) -> None:
        """Add the points of a scan.

        Args:
            probability: Of the predicted class, (P,).
            right: Whether it is the true one, (P,) bool.
        """
        probability = probability.double().cpu()
        place = (probability * self.bins).ceil().long().clamp(1, self.bins) - 1
        values = torch.stack([torch.ones_like(probability), probability, right.cpu().double()])
        self._sums.index_add_(1, place, values)

    def result(self) -> Reliability:
        """The curve, and ECE.

        Raises:
            UsageError: If there was no point.
        """
        count, confidence, right = self._sums
        if not bool(count.sum() > 0):
            raise UsageError('calibration needs a point with a label, but got none')
        gap = (right - confidence).abs()  # n_b |acc_b - conf_b|
        return Reliability(
            points=count.long().tolist(),
            confidence=(confidence / count).tolist(),
            accuracy=(right / count).tolist(),
            ece=float(gap.sum() / count.sum()),
        )

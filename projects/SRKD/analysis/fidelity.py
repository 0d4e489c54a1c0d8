"""How closely a student follows its teacher on scans that neither was trained on.

Shape letters: P raw points of a scan, L classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..base import UsageError
from .networks import predict


class Fidelity:
    """Agreement and divergence of two networks, over points.

    It is not accuracy: Stanton et al., "Does Knowledge Distillation Really Work?" (2106.05945).
    """

    def __init__(self) -> None:
        self.points, self.same, self.divergence = 0, 0, 0.0

    def add(self, student: Tensor, teacher: Tensor) -> None:
        """Add a scan.

        Args:
            student: Logits, (P, L).
            teacher: Logits of the same points, (P, L).

        Raises:
            UsageError: If the shapes differ.
        """
        if student.shape != teacher.shape:
            raise UsageError(
                'student and teacher must give logits of the same points and classes, but got '
                f'{tuple(student.shape)} and {tuple(teacher.shape)}'
            )
        own, taught = student.double().log_softmax(1), teacher.double().log_softmax(1)
        self.points += len(own)
        self.same += int((own.argmax(1) == taught.argmax(1)).sum())
        self.divergence += float((taught.exp() * (taught - own)).sum())

    def result(self) -> dict[str, float]:
        """Share of points with one class for both, ``agreement``, and ``kl``, the mean over points.

        The divergence is KL(teacher || student) at temperature 1.

        Raises:
            UsageError: If there was no point.
        """
        if not self.points:
            raise UsageError('fidelity needs a scan with points, but got none')
        return dict(agreement=self.same / self.points, kl=self.divergence / self.points)


@torch.no_grad()
def fidelity(
    student: nn.Module, teacher: nn.Module, batches: Iterable[dict[str, Any]]
) -> dict[str, float]:
    """Run two segmentors on scans; see :meth:`Fidelity.result`.

    Args:
        student: Segmentor in eval mode.
        teacher: Segmentor in eval mode.
        batches: Batches of one scan each, raw, as the loaders give them.
    """
    found = Fidelity()
    for batch in batches:
        of = [
            predict(network, batch).pts_seg_logits.pts_seg_logits.T
            for network in (student, teacher)
        ]
        found.add(*of)
    return found.result()

"""CSMBGD: cross-sample mini-batch geometry distillation.

Shape letters: N points of all samples, C_s and C_t channels.
"""

from __future__ import annotations

import warnings

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ...base.checks import check_choice, check_positive
from ...ops import draw_rows, gather_rows, l2_normalize, rank_share, world_size
from ..checks import check_ids, check_temperature, full_precision
from ..divergence import DIRECTIONS, with_t2
from .cross_sample_kl import PAIRS, check_backend, cross_sample_kl, number_of_pairs


class CrossSampleAffinityLoss(nn.Module):
    """Align cosine similarities between points of different clouds of the mini-batch.

    Source: SRKD (arXiv 2506.17290), Eq. 8 and 9; see :func:`cross_sample_kl` for the formula and
    for what the paper contradicts. Teacher and student may differ in width.

    Args:
        n_points: Points drawn per cloud, the same for teacher and student; 1024 in the paper,
            which does not say how they are drawn. Ours: uniformly, without replacement.
        temperature: T; 2 in the paper, 1 in the nuScenes release, 0.1 in CIRKD.
        pairs: ``'upper'`` (the paper's 28 pairs of 8 clouds), ``'off_diagonal'`` or ``'all'``
            (CIRKD).
        direction: ``'teacher_student'`` (CIRKD's code) or ``'student_teacher'`` (as SRKD prints).
        t2_scale: Multiply by T^2; neither CIRKD nor, as far as known, SRKD does.
        valid_only: Draw among points with a valid label where labels are given.
        gather: Compare the clouds of all ranks of a distributed run, as one process would. Without
            it each process compares its own, and the loss is the mean over their pairs.
        loss_weight: 0.1 in the paper, 0.001 in the release.
        backend: As in :func:`cross_sample_kl`.

    Raises:
        ValueError: If an argument is out of range or unknown.
    """

    def __init__(
        self,
        n_points: int = 1024,
        temperature: float = 2.0,
        pairs: str = 'upper',
        direction: str = 'teacher_student',
        t2_scale: bool = False,
        valid_only: bool = True,
        gather: bool = False,
        loss_weight: float = 1.0,
        backend: str = 'torch',
    ) -> None:
        super().__init__()
        check_positive(n_points=n_points)
        check_temperature(temperature)
        check_choice('pairs', pairs, PAIRS)
        check_choice('direction', direction, DIRECTIONS)
        check_backend(backend, direction)
        self.n_points = n_points
        self.temperature = temperature
        self.pairs = pairs
        self.direction = direction
        self.t2_scale = t2_scale
        self.valid_only = valid_only
        self.gather = gather
        self.loss_weight = loss_weight
        self.backend = backend
        self._warned = False

    def forward(
        self, student: Tensor, teacher: Tensor, batch: Tensor, label: Tensor | None = None
    ) -> Tensor:
        """Compute the loss of features (N, C_s), (N, C_t), sample ids and labels (N,)."""
        check_ids('batch', batch, len(student))
        if self.valid_only and label is not None:
            batch = torch.where(label >= 0, batch, -1)
        rows = draw_rows(batch, self.n_points)
        student, teacher, batch = student[rows], teacher[rows], batch[rows].long()
        if self.gather and world_size() > 1:
            # Sample ids of different ranks must not meet; the rank goes above any id.
            batch = gather_rows(batch + (dist.get_rank() << 32))
            dtype = torch.promote_types(student.dtype, torch.float32)
            student, teacher = (gather_rows(feat.to(dtype)) for feat in (student, teacher.detach()))
        if self.pairs != 'all':
            self._warn_without_pair(batch)
        loss = _cosine_kl(
            student, teacher, batch, self.temperature, self.pairs, self.direction, self.backend
        )
        loss = with_t2(loss, self.temperature, self.t2_scale) * self.loss_weight
        if self.gather:
            return loss  # the same on all ranks
        return loss * rank_share(
            lambda: number_of_pairs(len(torch.unique(batch[batch >= 0])), self.pairs), loss
        )

    def _warn_without_pair(self, batch: Tensor) -> None:
        if self._warned or len(torch.unique(batch)) > 1:
            return
        self._warned = True
        warnings.warn(
            'CrossSampleAffinityLoss compares clouds, but the batch holds fewer than two with '
            'valid points: the term is zero there; raise batch_size to 2 or more, or gather '
            'clouds over ranks (gather=True). This is said once.',
            stacklevel=3,
        )


@full_precision
def _cosine_kl(
    student: Tensor,
    teacher: Tensor,
    batch: Tensor,
    temperature: float,
    pairs: str,
    direction: str,
    backend: str,
) -> Tensor:
    student, teacher = l2_normalize(student), l2_normalize(teacher)
    return cross_sample_kl(student, teacher, batch, temperature, pairs, direction, backend=backend)

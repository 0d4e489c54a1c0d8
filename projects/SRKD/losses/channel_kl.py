"""Channel-wise distillation: where along the scan does each channel fire?

Shape letters: N points of all samples, C channels, B samples.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.checks import check_choice, check_positive
from ..ops import batch_to_list, occupied_cells, rank_share, segment_mean
from .checks import check_ids, check_same_width, check_temperature, connected_zero, full_precision
from .divergence import DIRECTIONS, divergence_terms, with_t2

REDUCTIONS = ('sum', 'mean')


@full_precision
def channel_kl(
    student: Tensor,
    teacher: Tensor,
    batch: Tensor,
    temperature: float = 1.0,
    direction: str = 'teacher_student',
    reduction: str = 'sum',
    *,
    t2_scale: bool = True,
) -> Tensor:
    r"""Divergence of the student's spatial distribution of every channel from the teacher's.

    .. math::
        L = \frac{T^2}{B\,C} \sum_{b=1}^{B} \sum_{c=1}^{C}
            \mathrm{KL}\left(\phi_b(f^T_c) \,\|\, \phi_b(f^S_c)\right),
        \qquad
        \phi_b(f_c)_i = \frac{e^{f_{ic} / T}}{\sum_{j \in b} e^{f_{jc} / T}}

    so a softmax over the *points* of a sample, per channel.

    Source: CWD (Shu et al., ICCV 2021, Eq. 2 and 3), which SRKD's release uses
    (``ChannelWiseKDLoss``). SRKD's paper prints its Eq. 7 with a softmax over the channels of each
    point and a factor 1/N inside the KL, which is no divergence; for the softmax over channels
    take :func:`soft_target_kl` on features.

    Args:
        student: Features, (N, C).
        teacher: Features, (N, C); detached.
        batch: Sample id of every row, any order, (N,); -1 leaves a row out.
        temperature: T.
        direction: ``'teacher_student'`` or ``'student_teacher'``, see :class:`ChannelKLLoss`.
        reduction: ``'sum'`` over the points of a sample, as CWD, or ``'mean'``: the sum over its
            N_b points, the factor 1 / N_p of SRKD's Eq. 7, which its weight of 1000 belongs to.
        t2_scale: Whether the factor T^2 is there, see :func:`with_t2`.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); samples weigh equally; zero, and connected,
        for N = 0.

    Raises:
        UsageError: If rows or widths differ, the ids are no integers, the temperature is not
            positive, or direction or reduction is unknown.
    """
    check_temperature(temperature)
    check_choice('direction', direction, DIRECTIONS)
    check_choice('reduction', reduction, REDUCTIONS)
    check_same_width(student, teacher, 'channels', 'lift the student with a connector')
    check_ids('batch', batch, len(student))
    if student.numel() == 0 or not bool((batch >= 0).any()):
        return connected_zero(student)
    divergences = []
    for own, taught in zip(batch_to_list(student, batch), batch_to_list(teacher, batch)):
        log_q = F.log_softmax(own / temperature, dim=0)  # (n_b, C)
        log_p = F.log_softmax(taught / temperature, dim=0)
        if direction == 'student_teacher':
            log_p, log_q = log_q, log_p
        points, channels = own.shape
        divergence = divergence_terms(log_p, log_q).sum() / channels
        divergences.append(divergence / points if reduction == 'mean' else divergence)
    return with_t2(torch.stack(divergences).mean(), temperature, t2_scale)


class ChannelKLLoss(nn.Module):
    """:func:`channel_kl` as a loss of a distillation term; needs equal widths.

    Args:
        temperature: T; 2 in SRKD's release.
        loss_weight: 1000 in the paper, which belongs to ``reduction='mean'``.
        t2_scale: Multiply by T^2, as CWD does.
        direction: ``'teacher_student'`` (CWD) or ``'student_teacher'`` (as SRKD prints it).
        reduction: ``'sum'`` (CWD) or ``'mean'`` (SRKD's Eq. 7) over the points of a sample.
    """

    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(
        self,
        temperature: float = 2.0,
        loss_weight: float = 1.0,
        t2_scale: bool = True,
        direction: str = 'teacher_student',
        reduction: str = 'sum',
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_choice('direction', direction, DIRECTIONS)
        check_choice('reduction', reduction, REDUCTIONS)
        self.temperature = temperature
        self.loss_weight = loss_weight
        self.t2_scale = t2_scale
        self.direction = direction
        self.reduction = reduction

    def forward(self, student: Tensor, teacher: Tensor, batch: Tensor) -> Tensor:
        """Compute the loss of features (N, C) and sample ids (N,)."""
        loss = channel_kl(
            student, teacher, batch, self.temperature, self.direction, self.reduction,
            t2_scale=self.t2_scale,
        )  # fmt: skip
        share = rank_share(lambda: len(torch.unique(batch[batch >= 0])), student)
        return loss * self.loss_weight * share


class VoxelChannelKLLoss(ChannelKLLoss):
    """:class:`ChannelKLLoss` on voxel features, the second sum of SRKD's Eq. 7.

    The paper does not define a voxel feature for a point network: ours is the mean over the points
    of a cube of ``voxel_size``.

    Args:
        voxel_size: Edge of the cubes in meters; ours.
        temperature: As in :class:`ChannelKLLoss`.
        loss_weight: As in :class:`ChannelKLLoss`.
        t2_scale: As in :class:`ChannelKLLoss`.
        direction: As in :class:`ChannelKLLoss`.
        reduction: As in :class:`ChannelKLLoss`.
    """

    def __init__(
        self,
        voxel_size: float = 0.2,
        temperature: float = 2.0,
        loss_weight: float = 1.0,
        t2_scale: bool = True,
        direction: str = 'teacher_student',
        reduction: str = 'sum',
    ) -> None:
        super().__init__(temperature, loss_weight, t2_scale, direction, reduction)
        check_positive(voxel_size=voxel_size)
        self.voxel_size = voxel_size

    def forward(self, student: Tensor, teacher: Tensor, coord: Tensor, batch: Tensor) -> Tensor:
        """Compute the loss of features (N, C), metric coordinates (N, 3) and sample ids (N,)."""
        cells = torch.floor(coord / self.voxel_size).long()
        voxels, voxel = occupied_cells(torch.cat([batch[:, None].long(), cells], dim=1))
        student, teacher = _voxel_means(student, teacher, voxel, num_voxels=len(voxels))
        return super().forward(student, teacher, voxels[:, 0])


@full_precision
def _voxel_means(
    student: Tensor, teacher: Tensor, voxel: Tensor, num_voxels: int
) -> tuple[Tensor, Tensor]:
    return segment_mean(student, voxel, num_voxels), segment_mean(teacher, voxel, num_voxels)

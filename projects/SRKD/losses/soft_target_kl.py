"""Soft targets: the logit term of SRKD and of plain knowledge distillation.

Shape letters: N points, L classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..base.checks import check_choice
from ..ops import rank_share
from .checks import check_same_width, check_temperature, connected_zero, full_precision
from .divergence import DIRECTIONS, row_divergence, with_t2


@full_precision
def soft_target_kl(
    student: Tensor,
    teacher: Tensor,
    temperature: float = 1.0,
    direction: str = 'teacher_student',
    *,
    t2_scale: bool = True,
) -> Tensor:
    r"""Divergence of the student's class probabilities from the teacher's.

    .. math::
        L = T^2 \, \frac{1}{N} \sum_{i=1}^{N}
            \mathrm{KL}\left(\sigma(z^T_i / T) \,\|\, \sigma(z^S_i / T)\right)

    with logits :math:`z`, softmax over classes :math:`\sigma` and temperature :math:`T`.

    Source: Hinton et al., 2015; SRKD (arXiv 2506.17290) :math:`L_{kd}` of Eq. 10, where the KL is
    printed student first. :class:`SoftTargetKLLoss` offers both orders.

    Args:
        student: Logits, (N, L).
        teacher: Logits, (N, L); detached.
        temperature: T.
        direction: ``'teacher_student'`` or ``'student_teacher'``, see :class:`SoftTargetKLLoss`.
        t2_scale: Whether the factor T^2 is there, see :func:`with_t2`.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, for N = 0.

    Raises:
        ValueError: If rows or classes differ or the temperature is not positive.

    Example:
        >>> import torch
        >>> soft_target_kl(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0]]))  # ln cosh 1
        tensor(0.4338)
    """
    check_temperature(temperature)
    check_choice('direction', direction, DIRECTIONS)
    check_same_width(student, teacher, 'classes', 'both must be trained on the same classes')
    if student.numel() == 0:
        return connected_zero(student)
    first, second = teacher / temperature, student / temperature  # (N, L)
    if direction == 'student_teacher':
        first, second = second, first
    return with_t2(row_divergence(first, second).mean(), temperature, t2_scale)


class SoftTargetKLLoss(nn.Module):
    """:func:`soft_target_kl` as a loss of a distillation term.

    Args:
        temperature: T; 2 in SRKD's experiments and in its release, save 1 for one nuScenes config.
        loss_weight: 0.3 in the paper; 0.05 to 0.3 in the release.
        t2_scale: Multiply by T^2. Neither paper nor release says; True keeps the gradient's size
            independent of the temperature.
        direction: ``'teacher_student'`` is KL(teacher || student); ``'student_teacher'`` the order
            the paper prints.
        skip_ignored: Leave out points whose label is -1, as the release's ``KDLoss_CE`` does with
            its ignore_index. By default every matched point counts: a teacher needs no label.
    """

    reads_predictions = True  # a term checks that its taps are a head's
    equal_width = True  # of student and teacher; a term checks it while building

    def __init__(
        self,
        temperature: float = 2.0,
        loss_weight: float = 1.0,
        t2_scale: bool = True,
        direction: str = 'teacher_student',
        skip_ignored: bool = False,
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_choice('direction', direction, DIRECTIONS)
        self.temperature = temperature
        self.loss_weight = loss_weight
        self.t2_scale = t2_scale
        self.direction = direction
        self.skip_ignored = skip_ignored

    def forward(self, student: Tensor, teacher: Tensor, label: Tensor | None = None) -> Tensor:
        """Compute the loss of logits (N, L) and labels (N,), -1 where ignored."""
        if self.skip_ignored and label is not None:
            student, teacher = student[label >= 0], teacher[label >= 0]
        loss = soft_target_kl(
            student, teacher, self.temperature, self.direction, t2_scale=self.t2_scale
        )
        return loss * self.loss_weight * rank_share(len(student), student)

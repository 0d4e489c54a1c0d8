"""Cross-sample similarity, streamed in blocks of rows.

Shape letters: N points of all samples, n_a and n_b points of samples a and b, C channels, R rows of
one block.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..ops import group_rows
from .checks import (
    check_choice,
    check_ids,
    check_temperature,
    connected_zero,
    full_precision,
)

PAIRS = ('upper', 'off_diagonal', 'all')

MAX_BLOCK_ENTRIES = 1 << 17
"""Similarities held at a time per network; 512 KiB in float32, so that a block stays in cache."""

SAFE_EXPONENT = 32.0
"""Largest logit difference for which the precise form cannot overflow float32 (twice 32 < 88)."""


def cross_sample_kl(
    student: Tensor,
    teacher: Tensor,
    batch: Tensor,
    temperature: float = 2.0,
    pairs: str = 'upper',
) -> Tensor:
    r"""Divergence of similarities between points of different samples.

    .. math::
        L = \frac{1}{|\mathcal{P}|} \sum_{(a, b) \in \mathcal{P}} \frac{1}{n_a} \sum_{i \in a}
            \mathrm{KL}\left(p_i \,\|\, q_i\right),
        \quad
        p_i = \operatorname{softmax}_{j \in b}(f^T_i \cdot f^T_j / T),
        \quad
        q_i = \operatorname{softmax}_{j \in b}(f^S_i \cdot f^S_j / T)

    with pairs of samples :math:`\mathcal{P}` and no factor :math:`T^2`. Rows are compared as given.

    Source: SRKD (arXiv 2506.17290), Eq. 8 and 9; CIRKD (Yang et al., CVPR 2022), which takes all
    ordered pairs and divides by B^2. SRKD speaks of 28 pairs of 8 samples (``'upper'``) but prints
    a sum over 64 and a prefactor 1/N^2, read here as the mean over pairs.

    Blocks of rows of sample a meet all of sample b; value and gradient come from one sweep and only
    (N, C) outlives it. With :math:`d_j` the difference of student and teacher logits less its
    mean under p, :math:`\mathrm{KL} = \log(1 + \sum_j p_j (e^{d_j} - 1 - d_j))`: every summand is
    positive, so that the tiny values that T = 2 brings keep their precision in float32.

    Args:
        student: Features, (N, C_s).
        teacher: Features, (N, C_t), of any width; detached.
        batch: Sample id of every row, any order, sizes may differ, (N,); -1 leaves a row out.
        temperature: T.
        pairs: ``'upper'`` (a < b by id), ``'off_diagonal'`` (a != b) or ``'all'``.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, without a pair.

    Raises:
        ValueError: If rows differ, the ids are no integers, the temperature is not positive or
            ``pairs`` is unknown.
    """
    return _cross_sample_kl(student, teacher, batch, temperature, pairs, 'teacher_student')


@full_precision
def _cross_sample_kl(
    student: Tensor,
    teacher: Tensor,
    batch: Tensor,
    temperature: float,
    pairs: str,
    direction: str,
) -> Tensor:
    check_temperature(temperature)
    check_choice('pairs', pairs, PAIRS)
    check_ids('batch', batch, len(student))
    groups = group_rows(batch)
    chosen = list(_sample_pairs(len(groups.ids), pairs))
    if not chosen:
        return connected_zero(student)
    with_grad = torch.is_grad_enabled() and student.requires_grad
    # Rows sorted by sample: every sample is a slice, nothing is copied per pair.
    order, counts = groups.order, groups.counts.tolist()
    return _CrossSampleKL.apply(
        student[order], teacher[order], counts, chosen, temperature, direction, with_grad
    )


def _sample_pairs(num_samples: int, pairs: str) -> Iterator[tuple[int, int]]:
    for a in range(num_samples):
        for b in range(num_samples):
            if pairs == 'all' or (a < b if pairs == 'upper' else a != b):
                yield a, b


class _CrossSampleKL(torch.autograd.Function):
    @staticmethod
    def forward(ctx, student, teacher, counts, pairs, temperature, direction, with_grad) -> Tensor:
        divergence = _forward_kl if direction == 'teacher_student' else _reverse_kl
        # Cauchy-Schwarz bounds every logit; one synchronisation decides for all blocks.
        bound = sum(_largest_square(feat) for feat in (student, teacher)) / temperature
        precise = bound <= SAFE_EXPONENT
        own, taught = student.split(counts), teacher.split(counts)
        grad = torch.zeros_like(student) if with_grad else None
        grads = grad.split(counts) if with_grad else None
        value = torch.zeros((), dtype=torch.float64, device=student.device)
        for a, b in pairs:
            share = 1 / (counts[a] * len(pairs))
            step = max(1, MAX_BLOCK_ENTRIES // counts[b])
            for start in range(0, counts[a], step):
                rows = slice(start, start + step)
                own_logits = own[a][rows] @ own[b].T / temperature  # (R, n_b)
                taught_logits = taught[a][rows] @ taught[b].T / temperature
                total, slope = divergence(own_logits, taught_logits, precise)
                value += total * share
                if with_grad:
                    slope *= share / temperature
                    grads[a][rows].addmm_(slope, own[b])
                    grads[b].addmm_(slope.T, own[a][rows])
        ctx.save_for_backward(grad)
        return value.to(student.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_loss: Tensor):
        (grad,) = ctx.saved_tensors
        return grad_loss * grad, None, None, None, None, None, None


def _largest_square(feat: Tensor) -> float:
    return float(feat.square().sum(dim=1).max())


def _forward_kl(own: Tensor, taught: Tensor, precise: bool) -> tuple[Tensor, Tensor]:
    """Sum over rows of KL(p || q) (float64) and q - p, from logits (R, n)."""
    if not precise:
        log_p, log_q = F.log_softmax(taught, dim=1), F.log_softmax(own, dim=1)
        p = log_p.exp()
        return (p * (log_p - log_q)).sum(dtype=torch.float64), log_q.exp_().sub_(p)
    p = F.softmax(taught, dim=1)
    d = own.sub_(taught)
    d -= (p * d).sum(dim=1, keepdim=True)
    rise = torch.expm1(d)  # q is proportional to p (1 + rise)
    excess = (p * (rise - d)).sum(dim=1, keepdim=True)
    slope = rise.sub_(excess).mul_(p).div_(1 + excess)
    return torch.log1p(excess).sum(dtype=torch.float64), slope


def _reverse_kl(own: Tensor, taught: Tensor, precise: bool) -> tuple[Tensor, Tensor]:
    """Sum over rows of KL(q || p) (float64) and its gradient in the student's logits."""
    log_q = F.log_softmax(own, dim=1)
    q = log_q.exp()
    d = own - taught
    d = d - (q * d).sum(dim=1, keepdim=True)
    if precise:
        excess = (q * (torch.expm1(-d) + d)).sum(dim=1)
        value = torch.log1p(excess).sum(dtype=torch.float64)
    else:
        value = (q * (log_q - F.log_softmax(taught, dim=1))).sum(dtype=torch.float64)
    return value, q * d

"""Kullback-Leibler divergence that stays right where two distributions are nearly one, and the
factor T^2 that stands before it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DIRECTIONS = ('teacher_student', 'student_teacher')  # KL(first || second)
_NEAR = 1.0  # of log q - log p; beyond, nothing cancels
_TINY = 1e-2  # within, expm1(r) - r would cancel, down to below zero; its series does not


def row_divergence(first: Tensor, second: Tensor) -> Tensor:
    """KL(softmax(first) || softmax(second)) of every row, never negative.

    Args:
        first: Logits, (N, L).
        second: Logits, (N, L).

    Returns:
        (N,).

    Example:
        >>> row_divergence(torch.tensor([[2.0, 0.0]]), torch.tensor([[2.5, 0.5]]))
        tensor([0.])
    """
    return divergence_terms(F.log_softmax(first, dim=1), F.log_softmax(second, dim=1)).sum(dim=1)


def divergence_terms(log_p: Tensor, log_q: Tensor) -> Tensor:
    r"""Terms whose sum over a distribution is KL(p || q), none of them negative.

    .. math:: q - p - p \,(\log q - \log p) = p\,(e^r - 1 - r), \qquad r = \log q - \log p

    They differ from p (log p - log q) by q - p, which sums to zero. In float32 the usual terms
    carry the rounding of the log-sum-exp in first order (-4e-6 where 5e-7 is right, over 10^5
    points); in these it is squared.

    Args:
        log_p: Logarithms of a distribution.
        log_q: Likewise, of the same shape.
    """
    p = log_p.exp()
    r = log_q - log_p
    near = r.clamp(max=_NEAR)  # keeps the branch not taken, and its gradient, finite
    tiny = r.clamp(-_TINY, _TINY)
    series = tiny.square() / 2 * (1 + tiny / 3 * (1 + tiny / 4 * (1 + tiny / 5 * (1 + tiny / 6))))
    gap = torch.where(r.abs() < _TINY, series, torch.expm1(near) - near)
    return torch.where(r < _NEAR, p * gap, log_q.exp() - p - p * r)


def with_t2(divergence: Tensor, temperature: float, t2_scale: bool = True) -> Tensor:
    r"""Multiply a divergence of softened distributions by T^2, where it is wanted.

    .. math:: T^2 \, \mathrm{KL}\left(\sigma(z^T / T) \,\|\, \sigma(z^S / T)\right)

    Source: Hinton et al., 2015: gradients of softened logits shrink with 1 / T^2, so that with this
    factor they keep their size beside the task's, whatever T.

    Args:
        divergence: Of distributions softened by T, 0-d.
        temperature: T.
        t2_scale: Whether it is wanted.

    Example:
        >>> with_t2(torch.tensor(0.5), 2.0), with_t2(torch.tensor(0.5), 2.0, t2_scale=False)
        (tensor(2.), tensor(0.5000))
    """
    return divergence * temperature**2 if t2_scale else divergence

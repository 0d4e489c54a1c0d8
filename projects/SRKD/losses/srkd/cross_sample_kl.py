"""Cross-sample similarity, streamed in blocks of rows.

Shape letters: N points of all samples, n_a and n_b points of samples a and b, C channels, R rows of
one block.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...base import UsageError
from ...base.checks import check_choice
from ...ops import group_rows
from ..checks import check_ids, check_temperature, connected_zero, full_precision
from ..divergence import DIRECTIONS, divergence_terms

PAIRS = ('upper', 'off_diagonal', 'all')

BACKENDS = ('torch', 'triton')

MAX_BLOCK_ENTRIES = 1 << 17
"""Similarities of a block on a CPU: 512 KiB in float32, so that its four buffers stay in cache."""

MAX_BLOCK_ENTRIES_GPU = 1 << 22
"""The same on a GPU: four buffers of 16 MiB, so that a block outlasts the launch of its kernels."""

SAFE_EXPONENT = 32.0
"""Largest logit difference for which the precise form cannot overflow float32 (twice 32 < 88)."""


@full_precision
def cross_sample_kl(
    student: Tensor,
    teacher: Tensor,
    batch: Tensor,
    temperature: float = 2.0,
    pairs: str = 'upper',
    direction: str = 'teacher_student',
    *,
    backend: str = 'torch',
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
        direction: ``'teacher_student'`` is KL(p || q) as above, ``'student_teacher'`` KL(q || p).
        backend: ``'torch'`` or, on a GPU, ``'triton'``: a fused kernel for features up to float32
            that **has not run on a GPU yet** (checked in Triton's interpreter; compared with torch
            once per process and pair of widths). Features too long for the precise form go to
            torch with either.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, without a pair.

    Raises:
        UsageError: If rows differ, the ids are no integers, the temperature is not positive,
            ``pairs``, ``direction`` or ``backend`` is unknown, or ``'triton'`` cannot run here.
        RuntimeError: If the fused kernel disagrees with torch on this GPU.
    """
    check_temperature(temperature)
    check_choice('pairs', pairs, PAIRS)
    check_choice('direction', direction, DIRECTIONS)
    check_backend(backend, direction)
    check_ids('batch', batch, len(student))
    groups = group_rows(batch)
    chosen = list(_sample_pairs(len(groups.ids), pairs))
    if not chosen:
        return connected_zero(student)
    with_grad = torch.is_grad_enabled() and student.requires_grad
    kernel = _fused_kernel(student, teacher.shape[1], backend)
    # Rows sorted by sample: every sample is a slice, nothing is copied per pair.
    order, counts = groups.order, groups.counts.tolist()
    return _CrossSampleKL.apply(
        student[order], teacher[order], counts, chosen, temperature, direction, with_grad, kernel
    )


def _sample_pairs(num_samples: int, pairs: str) -> Iterator[tuple[int, int]]:
    for a in range(num_samples):
        for b in range(num_samples):
            if pairs == 'all' or (a < b if pairs == 'upper' else a != b):
                yield a, b


def number_of_pairs(num_samples: int, pairs: str) -> int:
    """How many pairs of samples the loss is a mean over.

    Example:
        >>> [number_of_pairs(8, pairs) for pairs in ('upper', 'off_diagonal', 'all')]
        [28, 56, 64]
    """
    return sum(1 for _ in _sample_pairs(num_samples, pairs))


def check_backend(backend: str, direction: str) -> None:
    """Refuse an unknown backend, or the fused kernel for a direction that it does not know."""
    check_choice('backend', backend, BACKENDS)
    if backend == 'triton' and direction != 'teacher_student':
        raise UsageError(
            f"backend 'triton' knows no direction but teacher_student, and this is {direction}; "
            "use 'torch'"
        )


def _fused_kernel(
    student: Tensor, width_t: int, backend: str
) -> Callable[..., tuple[Tensor, Tensor | None]] | None:
    """The function that replaces :func:`_sweep`, or None to stay with that."""
    if backend == 'torch':
        return None
    if student.dtype != torch.float32:
        obstacle = f'takes features up to float32, but these are {student.dtype}'
    elif importlib.util.find_spec('triton') is None:
        obstacle = 'needs the package triton, which is not installed'
    else:
        from . import cross_sample_triton as fused

        if student.is_cuda or fused.INTERPRETED:
            fused.check_agreement(_precise_sweep, student.device, student.shape[1], width_t)
            return fused.fused_sweep
        obstacle = f'needs a GPU or TRITON_INTERPRET=1, but features are on {student.device}'
    raise UsageError(f"backend 'triton' {obstacle}; use 'torch'")


class _CrossSampleKL(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, student, teacher, counts, pairs, temperature, direction, with_grad, kernel
    ) -> Tensor:
        # Cauchy-Schwarz bounds every logit; one synchronization decides for all blocks.
        bound = sum(feat.square().sum(dim=1).max() for feat in (student, teacher)) / temperature
        precise = bool(bound <= SAFE_EXPONENT)
        sweep = kernel
        if kernel is None or not precise:
            divergence = dict(teacher_student=_forward_kl, student_teacher=_reverse_kl)[direction]
            sweep = functools.partial(_sweep, divergence=divergence, precise=precise)
        value, grad = sweep(student, teacher, counts, pairs, temperature, with_grad)
        ctx.save_for_backward(grad)
        return value.to(student.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_loss: Tensor):
        (grad,) = ctx.saved_tensors
        return grad_loss * grad, *[None] * 7


def _sweep(
    student: Tensor,
    teacher: Tensor,
    counts: list[int],
    pairs: list[tuple[int, int]],
    temperature: float,
    with_grad: bool,
    divergence: Callable,
    precise: bool,
) -> tuple[Tensor, Tensor | None]:
    """Loss (float64) and gradient (N, C_s) of features sorted by sample, ``counts`` rows each."""
    own, taught = student.split(counts), teacher.split(counts)
    own_soft, taught_soft = ((feat / temperature).split(counts) for feat in (student, teacher))
    grad = torch.zeros_like(student) if with_grad else None
    grads = grad.split(counts) if with_grad else None
    value = torch.zeros((), dtype=torch.float64, device=student.device)
    limit = MAX_BLOCK_ENTRIES if student.device.type == 'cpu' else MAX_BLOCK_ENTRIES_GPU
    steps = [min(counts[a], max(1, limit // counts[b])) for a, b in pairs]  # R of every pair
    # Written again by every block: fresh memory would cost a CPU more than the arithmetic.
    size = max(step * counts[b] for step, (_, b) in zip(steps, pairs))
    buffers = [student.new_empty(size) for _ in range(4)]
    for step, (a, b) in zip(steps, pairs):
        share = 1 / (counts[a] * len(pairs))
        for start in range(0, counts[a], step):
            rows = slice(start, min(start + step, counts[a]))
            shape = rows.stop - start, counts[b]
            own_logits, taught_logits, *spare = (
                each.as_strided(shape, (shape[1], 1)) for each in buffers
            )
            torch.mm(own[a][rows], own_soft[b].T, out=own_logits)
            torch.mm(taught[a][rows], taught_soft[b].T, out=taught_logits)
            total, slope, weight = divergence(own_logits, taught_logits, spare, precise)
            value.add_(total, alpha=share)
            if with_grad:
                grads[a][rows].addcmul_(slope @ own_soft[b], weight, value=share)
                grads[b].addmm_(slope.T, own_soft[a][rows] * weight, alpha=share)
    return value, grad


def _forward_kl(
    own: Tensor, taught: Tensor, spare: list[Tensor], precise: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum over rows of KL(p || q) (float64) and its gradient q - p in the student's logits (R, n).

    Overwrites the logits and two spare buffers (R, n). The gradient comes as (R, n) and a weight
    per row (R, 1) that is cheaper to apply to its products.
    """
    if not precise:
        log_p, log_q = F.log_softmax(taught, dim=1), F.log_softmax(own, dim=1)
        value = divergence_terms(log_p, log_q).sum(dtype=torch.float64)
        return value, log_q.exp_().sub_(log_p.exp_()), own.new_ones(len(own), 1)
    first, second = spare
    d = own.sub_(taught)
    p = taught.exp_()  # times its sum; the logits are bounded, no maximum is needed
    total = p.sum(dim=1, keepdim=True)
    d -= torch.mul(p, d, out=first).sum(dim=1, keepdim=True) / total
    # expm1(d) = tanh(d / 2) (1 + exp(d)), in three fast passes instead of a slow one.
    half = torch.mul(d, 0.5, out=second).tanh_()
    rise = torch.addcmul(half, half, torch.exp(d, out=first), out=second)  # q ~ p (1 + rise)
    excess = torch.sub(rise, d, out=d).mul_(p).sum(dim=1, keepdim=True) / total
    slope = rise.sub_(excess).mul_(p)
    return torch.log1p(excess).sum(dtype=torch.float64), slope, 1 / (total * (1 + excess))


def _reverse_kl(
    own: Tensor, taught: Tensor, spare: list[Tensor], precise: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The same of KL(q || p)."""
    log_q = F.log_softmax(own, dim=1)
    q = log_q.exp()
    d = own - taught
    d -= (q * d).sum(dim=1, keepdim=True)
    if precise:
        excess = (q * (torch.expm1(-d) + d)).sum(dim=1)
        value = torch.log1p(excess).sum(dtype=torch.float64)
    else:
        log_p = F.log_softmax(taught, dim=1)
        value = divergence_terms(log_q, log_p).sum(dtype=torch.float64)
    return value, q * d, own.new_ones(len(own), 1)


_precise_sweep = functools.partial(_sweep, divergence=_forward_kl, precise=True)

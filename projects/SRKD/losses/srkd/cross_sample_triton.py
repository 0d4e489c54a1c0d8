"""Cross-sample KL as two fused Triton kernels, for GPUs; its mathematics is ``cross_sample_kl``'s.

Checked in Triton's interpreter (``TRITON_INTERPRET=1``) against torch in float64, and compiled for
sm_75 to sm_100, but **never run or timed on a GPU**. Hence :func:`check_agreement`, and nobody gets
it who does not ask for it.

No similarity is written to memory: three numbers per row and pair, and the gradient, are all that
outlives a kernel. A program owns a block of rows and loops over their partners, so that nothing is
added atomically and a result repeats bit by bit.

Shape letters: N points of all samples, C channels, P pairs, S rows of all pairs (the sum of n_a),
R rows that a program owns, J rows that it meets at a time, K channels of a product at a time,
W channels of the gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

TILE = dict(R=64, J=64, K=32, num_warps=8)

MAX_W = 128
"""A wider student's gradient is taken in parts, each of which computes the similarities again."""

PRECISION = tl.constexpr('ieee')
"""Of products; ``'tf32x3'`` takes tensor cores. Rounded so, gradients of a student at 1e-4 from its
teacher are off by 6e-4 instead of 3e-4 (emulated)."""


def fused_sweep(
    student: Tensor,
    teacher: Tensor,
    counts: list[int],
    pairs: list[tuple[int, int]],
    temperature: float,
    with_grad: bool,
) -> tuple[Tensor, Tensor | None]:
    """Loss and gradient of features sorted by sample.

    Args:
        student: Features, (N, C_s), float32; logits bounded by ``SAFE_EXPONENT``.
        teacher: Features, (N, C_t), float32.
        counts: Rows of every sample, at least one each.
        pairs: Ordered pairs of samples (a, b), none twice.
        temperature: T.
        with_grad: Whether the gradient is asked for.

    Returns:
        The 0-d loss (float64) and the student's gradient (N, C_s) or None.
    """
    device, width = student.device, student.shape[1]
    ends = torch.tensor(counts).cumsum(0)
    samples = torch.stack([ends - torch.tensor(counts), ends], dim=1)  # first row, end
    first, second = samples[torch.tensor(pairs)].unbind(1)  # (P, 2) each
    rows = first[:, 1] - first[:, 0]  # n_a
    offset = rows.cumsum(0) - rows
    table = torch.cat([first, second, offset[:, None]], dim=1).to(device)  # (P, 5)
    mean, excess, total = torch.empty(3, int(rows.sum()), device=device)  # (S,) each
    features = student.contiguous(), teacher.contiguous(), table, mean, excess
    sizes = dict(TILE, C_S=width, C_T=teacher.shape[1])
    blocks = triton.cdiv(max(counts), TILE['R'])
    with torch.cuda.device_of(student):
        _statistics[len(pairs), blocks](*features, total, 1 / temperature, **sizes)
        share = (1 / (rows * len(pairs)).double()).repeat_interleave(rows).to(device)  # (S,)
        value = (excess.log1p() * share).sum()
        if not with_grad:
            return value, None
        weight = (share / temperature / (total * (1 + excess))).float()
        grad = torch.empty_like(features[0])
        sizes['W'] = min(MAX_W, max(16, triton.next_power_of_2(width)))
        _gradient[blocks, len(counts), triton.cdiv(width, sizes['W'])](
            *features, weight, samples.to(device), grad, len(pairs), 1 / temperature, **sizes
        )
    return value, grad


@functools.cache
def check_agreement(reference: Callable, device: torch.device, width_s: int, width_t: int) -> None:
    """Compare value and gradient on a device with another sweep's, once for a pair of widths.

    Args:
        reference: Takes what :func:`fused_sweep` takes.
        device: Where the kernels run.
        width_s: C_s.
        width_t: C_t.

    Raises:
        RuntimeError: If they differ by more than 1e-4.
    """
    gen = torch.Generator().manual_seed(0)
    student, teacher = (
        F.normalize(torch.randn(200, width, generator=gen)).to(device)
        for width in (width_s, width_t)
    )
    args = student, teacher, [70, 130], [(0, 1)], 2.0, True
    pairs = zip(fused_sweep(*args), reference(*args))
    apart = [((ours - plain).norm() / plain.norm()).double() for ours, plain in pairs]
    off = torch.stack(apart).max()  # NaN if any is
    if not off < 1e-4:
        raise RuntimeError(
            f'the fused kernel of cross_sample_kl is off by {off:.0e} on {device} with {width_s} '
            f'and {width_t} channels, expected to agree with torch to 1e-4: use backend="torch"'
        )


@triton.jit
def _gram(feat, rows, partners, real, met, C: tl.constexpr, K: tl.constexpr):
    """Products (R, J) of rows of ``feat`` (N, C) with others."""
    out = tl.zeros((rows.shape[0], partners.shape[0]), tl.float32)
    for start in range(0, C, K):
        channel = start + tl.arange(0, K)
        inside = channel < C
        left = tl.load(feat + rows[:, None] * C + channel, real[:, None] & inside, 0.0)
        right = tl.load(feat + partners * C + channel[:, None], met & inside[:, None], 0.0)
        out = tl.dot(left, right, out, input_precision=PRECISION)
    return out


@triton.jit
def _logits(student, teacher, rows, partners, real, met, inverse_t, C_S, C_T, K):
    """The teacher's logits and what the student's exceed them by, (R, J) each."""
    taught = _gram(teacher, rows, partners, real, met, C_T, K) * inverse_t
    return taught, _gram(student, rows, partners, real, met, C_S, K) * inverse_t - taught


@triton.jit
def _remainder(x):
    """exp(x) - 1 - x; near zero, where that would cancel, by its series (off by < 1e-8 of it)."""
    series = 1 / 720 + x * (1 / 5040 + x * (1 / 40320 + x / 362880))
    series = 1 / 2 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x * series)))
    return tl.where(tl.abs(x) < 0.5, x * x * series, tl.exp(x) - 1 - x)


@triton.jit
def _statistics(
    student, teacher, table, mean_out, excess_out, total_out, inverse_t,
    R: tl.constexpr, J: tl.constexpr, K: tl.constexpr, C_S: tl.constexpr, C_T: tl.constexpr,
):  # fmt: skip
    """Of every row of a pair: mean of d under p, sum of p (e^d - 1 - d), sum of e^teacher, (S,)."""
    pair = table + 5 * tl.program_id(0)
    own_start, own_end = tl.load(pair), tl.load(pair + 1)
    start, end, offset = tl.load(pair + 2), tl.load(pair + 3), tl.load(pair + 4)
    rows = own_start + tl.program_id(1) * R + tl.arange(0, R)
    real = rows < own_end
    if own_start + tl.program_id(1) * R >= own_end:
        return
    total = tl.zeros((R,), tl.float32)
    mean = tl.zeros((R,), tl.float32)
    excess = tl.zeros((R,), tl.float32)  # not yet divided by the total
    for first in range(start, end, J):
        partners = first + tl.arange(0, J)
        met = partners < end
        taught, d = _logits(student, teacher, rows, partners, real, met, inverse_t, C_S, C_T, K)
        p = tl.where(met, tl.exp(taught), 0.0)
        here = tl.sum(p, 1)
        middle = tl.sum(p * d, 1) / here
        around = tl.sum(p * _remainder(d - middle[:, None]), 1)
        # What was summed around two means moves to their common one, as variances do.
        share = here / (total + here)
        back, ahead = (mean - middle) * share, (middle - mean) * (1 - share)
        excess = tl.exp(back) * excess + total * _remainder(back)
        excess += tl.exp(ahead) * around + here * _remainder(ahead)
        mean -= back
        total += here
    at = offset + rows - own_start
    tl.store(mean_out + at, mean, real)
    tl.store(excess_out + at, excess / total, real)
    tl.store(total_out + at, total, real)


@triton.jit
def _add_gradient(
    out, student, teacher, mean, excess, weight, rows, real, channel, start, end, inverse_t,
    FIRST: tl.constexpr, J: tl.constexpr, K: tl.constexpr, C_S: tl.constexpr, C_T: tl.constexpr,
):  # fmt: skip
    """Add a pair's gradient (R, W); FIRST says whether the rows are of its first sample."""
    for first in range(start, end, J):
        partners = first + tl.arange(0, J)
        met = partners < end
        taught, d = _logits(student, teacher, rows, partners, real, met, inverse_t, C_S, C_T, K)
        # Statistics belong to the first sample's rows: down the tile or across it.
        at = rows[:, None] if FIRST else partners[None, :]
        known = real[:, None] if FIRST else met[None, :]
        d -= tl.load(mean + at, known, 0.0)
        slope = d + _remainder(d) - tl.load(excess + at, known, 0.0)
        slope *= tl.exp(taught) * tl.load(weight + at, known, 0.0)
        mask = met[:, None] & (channel < C_S)
        feat = tl.load(student + partners[:, None] * C_S + channel, mask, 0.0)
        out = tl.dot(slope, feat, out, input_precision=PRECISION)
    return out


@triton.jit
def _gradient(
    student, teacher, table, mean, excess, weight, samples, grad, num_pairs, inverse_t,
    R: tl.constexpr, J: tl.constexpr, K: tl.constexpr, C_S: tl.constexpr, C_T: tl.constexpr,
    W: tl.constexpr,
):  # fmt: skip
    """Gradient of a block of a sample's rows and of channels, over all pairs with that sample."""
    sample = samples + 2 * tl.program_id(1)
    own_start, own_end = tl.load(sample), tl.load(sample + 1)
    rows = own_start + tl.program_id(0) * R + tl.arange(0, R)
    real = rows < own_end
    if own_start + tl.program_id(0) * R >= own_end:
        return
    channel = tl.program_id(2) * W + tl.arange(0, W)
    out = tl.zeros((R, W), tl.float32)
    for number in range(num_pairs):
        pair = table + 5 * number
        a, a_end, b, b_end = (
            tl.load(pair), tl.load(pair + 1), tl.load(pair + 2), tl.load(pair + 3),
        )  # fmt: skip
        shift = tl.load(pair + 4) - a
        means, excesses, weights = mean + shift, excess + shift, weight + shift
        if a == own_start:
            out = _add_gradient(out, student, teacher, means, excesses, weights, rows, real,
                                channel, b, b_end, inverse_t, True, J, K, C_S, C_T)  # fmt: skip
        if b == own_start:
            out = _add_gradient(out, student, teacher, means, excesses, weights, rows, real,
                                channel, a, a_end, inverse_t, False, J, K, C_S, C_T)  # fmt: skip
    tl.store(grad + rows[:, None] * C_S + channel, out, real[:, None] & (channel < C_S))


INTERPRETED = not isinstance(_gradient, triton.JITFunction)
"""Whether Triton runs in its interpreter, which takes CPU tensors and is slow."""

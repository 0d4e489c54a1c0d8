"""Fair timing of two ways to compute one loss."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor


def value_and_grad(loss: Callable[[Tensor], Tensor], student: Tensor) -> tuple[Tensor, Tensor]:
    """Run forward and backward once."""
    value = loss(student)
    (grad,) = torch.autograd.grad(value, student)
    return value.detach(), grad


def check_equal(
    ours: Callable[[Tensor], Tensor],
    plain: Callable[[Tensor], Tensor],
    student: Tensor,
    rtol: float,
) -> str:
    """Compare value and gradient with the definition in float64.

    Raises:
        AssertionError: If either differs by more than ``rtol``.
    """
    value, grad = value_and_grad(ours, student)
    exact, exact_grad = value_and_grad(plain, student.detach().double().requires_grad_())
    off = abs(value.double() / exact - 1).item()
    grad_off = ((grad.double() - exact_grad).norm() / exact_grad.norm()).item()
    assert off < rtol and grad_off < rtol, (off, grad_off)
    return f'value off by {off:.0e}, gradient by {grad_off:.0e}'


def compare(
    ours: Callable[[Tensor], Tensor],
    plain: Callable[[Tensor], Tensor],
    student: Tensor,
    repeats: int,
) -> tuple[float, float]:
    """Return the median seconds of either, forward and backward, taken in turn after a warm-up."""
    seconds = {ours: [], plain: []}
    for turn in range(repeats + 1):
        for loss, taken in seconds.items():
            _finish(student)
            start = time.perf_counter()
            value_and_grad(loss, student)
            _finish(student)
            if turn:
                taken.append(time.perf_counter() - start)
    return statistics.median(seconds[ours]), statistics.median(seconds[plain])


def _finish(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)

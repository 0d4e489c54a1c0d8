"""Fair timing: calls taken in turn, peak memory, growth with size, goals beside figures."""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import arguments
import torch
from torch import Tensor

PATIENCE = 15.0  # seconds after which a slow call is not repeated: what is long varies little
DTYPES = {name: getattr(torch, name) for name in arguments.PRECISIONS}
# How far value and gradient may be from the definition in float64.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 1e-2}


def begin(args: argparse.Namespace) -> None:
    """Set the number of threads; print the command and the setting."""
    args.threads = args.threads or torch.get_num_threads()
    torch.set_num_threads(args.threads)
    describe(args.device)


def setting(device: str = 'cpu') -> str:
    """Hardware and versions in one line."""
    if torch.device(device).type == 'cuda':
        place = f'{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}'
    else:
        place = f'{_processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads'
    names = ('torch', 'mmdet3d', 'mmengine', 'mmcv', 'spconv', 'numpy')
    return f'{place}; Python {platform.python_version()}, ' + ', '.join(map(_version, names))


def _version(name: str) -> str:
    try:
        return f'{name} {version(name)}'
    except ModuleNotFoundError:
        return f'no {name}'


def _processor() -> str:
    info = Path('/proc/cpuinfo')
    names = re.findall(r'model name\s*:\s*(.+)', info.read_text()) if info.exists() else []
    return names[0] if names else platform.machine()


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


def in_turn(
    calls: Mapping[str, Callable[[], object]],
    repeats: int,
    device: str = 'cpu',
    warm_up: bool = True,
) -> dict[str, float]:
    """Return the median seconds of every call, taken in turn.

    What runs beside a benchmark then slows all calls alike. A call is not repeated once it has
    taken :data:`PATIENCE` seconds in all.

    Args:
        calls: By name.
        repeats: How often each is timed.
        device: To wait for.
        warm_up: Whether a first round goes before them that is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats + warm_up):
        for name, call in calls.items():
            if sum(seconds[name]) < PATIENCE:
                finish(device)
                start = time.perf_counter()
                call()
                finish(device)
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken[warm_up:] or taken) for name, taken in seconds.items()}


def finish(device: str | torch.device) -> None:
    """Wait for a GPU."""
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)


def peak_mib(call: Callable[[], object], device: str = 'cpu') -> float:
    """Highest memory during a call above what was held before it, in MiB.

    Of a GPU the allocator's, else resident memory; NaN where the system does not tell. Run it
    after a warm-up: libraries allocate once.
    """
    if torch.device(device).type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    status = Path('/proc/self/status')
    if not status.exists():
        return math.nan
    ctypes.CDLL(None).malloc_trim(0)  # else the call reuses what was freed, unseen
    try:
        Path('/proc/self/clear_refs').write_text('5')  # the high-water mark starts again
    except OSError:
        return math.nan
    before = _resident(status, 'VmRSS')
    call()
    return (_resident(status, 'VmHWM') - before) / 2**10


def share(part: float, whole: float) -> float:
    """Return one peak memory as a share of another; NaN where that is too small to be seen.

    Example:
        >>> share(1.0, 4.0), share(0.0, 0.0)
        (0.25, nan)
    """
    return part / whole if whole else math.nan


def resident_mib() -> float:
    """Resident memory of this process in MiB; NaN where the system does not tell."""
    status = Path('/proc/self/status')
    return _resident(status, 'VmRSS') / 2**10 if status.exists() else math.nan


def _resident(status: Path, field: str) -> int:
    return int(re.search(rf'{field}:\s+(\d+)', status.read_text())[1])


def growth(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Exponent p of ``value ~ size^p``, by least squares in logarithms.

    Example:
        >>> round(growth([10, 100, 1000], [3, 300, 30000]), 6)
        2.0
    """
    x, y = ([math.log(number) for number in numbers] for numbers in (sizes, values))
    x_mean, y_mean = statistics.mean(x), statistics.mean(y)
    along = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y))
    return along / sum((a - x_mean) ** 2 for a in x)


def report_goal(what: str, value: float, relation: str, bound: float, unit: str = 'x') -> None:
    """Print a measured figure beside its goal; ``relation`` is ``>=`` or ``<=``."""
    met = value >= bound if relation == '>=' else value <= bound
    verdict = 'met' if met else 'missed'
    figures = f'{value:.3g}{unit} | {relation} {bound:g}{unit} | {verdict}'
    print(f'{arguments.GOAL}{what} | {figures}', flush=True)


def describe(device: str) -> None:
    """Print the command and the setting."""
    print(f'# {Path(sys.argv[0]).name} {" ".join(sys.argv[1:])}\n# {setting(device)}', flush=True)

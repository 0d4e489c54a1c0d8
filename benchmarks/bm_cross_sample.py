"""Cross-sample KL: ours streamed in blocks beside autograd over pairs and one batched tensor.

Value and gradient are checked against the definition in float64 before anything is timed.

    python benchmarks/bm_cross_sample.py [--samples 8] [--points 1024] [--device cuda]
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from timing import (
    DTYPES,
    TOLERANCE,
    check_equal,
    describe,
    growth,
    in_turn,
    options,
    peak_mib,
    report_goal,
    value_and_grad,
)
from torch import Tensor

from projects.SRKD.losses import cross_sample_kl

TEMPERATURE = 2.0
CHECKED = 256  # points per sample at which ours is compared with the definitions in float64
LIMIT = 1024  # MiB that ours may take at four times the paper's points


def by_pairs(student: Tensor, teacher: Tensor, num_samples: int) -> Tensor:
    """The definition as a loop over pairs of equally large samples; autograd keeps every matrix."""
    own, taught = student.chunk(num_samples), teacher.to(student.dtype).chunk(num_samples)
    losses = [
        F.kl_div(
            F.log_softmax(own[a] @ own[b].T / TEMPERATURE, dim=1),
            F.log_softmax(taught[a] @ taught[b].T / TEMPERATURE, dim=1),
            reduction='batchmean',
            log_target=True,
        )
        for a in range(num_samples)
        for b in range(a + 1, num_samples)
    ]
    return torch.stack(losses).mean()


def batched(student: Tensor, teacher: Tensor, num_samples: int) -> Tensor:
    """The definition as one tensor of all pairs."""
    first, second = torch.triu_indices(num_samples, num_samples, 1, device=student.device)
    logs = []
    for feat in (student, teacher.to(student.dtype)):
        clouds = torch.stack(feat.chunk(num_samples))
        logs.append(F.log_softmax(clouds[first] @ clouds[second].mT / TEMPERATURE, dim=2))
    return F.kl_div(*logs, reduction='sum', log_target=True) / logs[0].shape[:2].numel()


def variants(points: int, args: argparse.Namespace) -> tuple[dict[str, Callable], Tensor]:
    """Ours and both plain forms as functions of the student's features, and these."""
    gen = torch.Generator().manual_seed(0)
    shape = args.samples * points, args.channels
    student, teacher = (
        F.normalize(torch.randn(shape, generator=gen)).to(args.device, DTYPES[args.dtype])
        for _ in range(2)
    )
    batch = torch.arange(args.samples, device=args.device).repeat_interleave(points)
    forms = dict(
        ours=functools.partial(
            cross_sample_kl, teacher=teacher, batch=batch, temperature=TEMPERATURE
        ),
        by_pairs=functools.partial(by_pairs, teacher=teacher, num_samples=args.samples),
        batched=functools.partial(batched, teacher=teacher, num_samples=args.samples),
    )
    return forms, student.requires_grad_()


def measure(points: int, args: argparse.Namespace) -> float:
    """Print one line per form; returns ours' seconds."""
    forms, student = variants(points, args)
    if points > args.largest:  # the plain forms keep every matrix of every pair
        forms = dict(ours=forms['ours'])
    calls = {
        name: functools.partial(value_and_grad, form, student) for name, form in forms.items()
    }
    seconds = in_turn(calls, args.repeats, args.device)
    memory = {name: peak_mib(call, args.device) for name, call in calls.items()}
    for name in calls:
        print(f'{points:7d} {name:>9} {1e3 * seconds[name]:9.1f} '
              f'{seconds[name] / seconds["ours"]:7.2f}x {memory[name]:8.0f} '
              f'{memory["ours"] / memory[name]:7.1%}', flush=True)  # fmt: skip
    what = f'cross-sample KL, {args.samples} samples of {points:,} points'
    for name in list(calls)[1:]:
        ratio, share = seconds[name] / seconds['ours'], memory['ours'] / memory[name]
        if (args.samples, points) == (8, 1024):
            report_goal(f'{what}: {name} / ours', ratio, '>=', 1.0)
            report_goal(f'{what}: memory of {name}', 100 * share, '<=', 15, ' %')
    if (args.samples, points) == (8, 4096):
        report_goal(f'{what}: memory above the inputs', memory['ours'], '<=', LIMIT, ' MiB')
    return seconds['ours']


def main() -> None:
    """Check, then print one line per number of points and form."""
    parser = options(__doc__)
    parser.add_argument('--samples', type=int, default=8)
    parser.add_argument('--points', type=int, nargs='+', default=[512, 1024, 4096])
    parser.add_argument('--largest', type=int, default=1024, help='points up to which plain runs')
    parser.add_argument('--channels', type=int, default=128)
    parser.add_argument('--dtype', choices=DTYPES, default='float32')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    describe(args.device)
    forms, student = variants(CHECKED, args)
    for name in ('by_pairs', 'batched'):
        equal = check_equal(forms['ours'], forms[name], student, TOLERANCE[DTYPES[args.dtype]])
        print(f'{CHECKED} points, {name}: {equal}')
    print(f'{"points":>7} {"form":>9} {"ms":>9} {"of ours":>8} {"MiB":>8} {"share":>7}')
    seconds = [measure(points, args) for points in args.points]
    if len(seconds) > 1:
        power = growth(args.points, seconds)
        print(f'time grows with the power {power:.2f} of the points (all pairs of them: 2)')


if __name__ == '__main__':
    main()

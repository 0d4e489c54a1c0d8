"""Cross-sample KL: ours streamed in blocks beside autograd over pairs and one batched tensor.

Value and gradient are checked against the definition in float64 before anything is timed. On a GPU
the fused kernel takes part, too. The column ``reached`` is the share of a measured ceiling:
similarities and gradients as one large product of the same precision, or features and gradient
copied once, whichever takes longer.

    python benchmarks/bm_cross_sample.py [--samples 8] [--points 1024] [--device cuda]
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
from collections.abc import Callable

from arguments import PRECISIONS, options


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__)
    parser.add_argument('--samples', type=int, default=8, help='clouds of a batch (default 8)')
    parser.add_argument(
        '--points', type=int, nargs='+', default=[512, 1024, 4096], help='of each cloud'
    )
    parser.add_argument('--largest', type=int, default=1024, help='points up to which plain runs')
    parser.add_argument('--channels', type=int, default=128, help='of the features (default 128)')
    parser.add_argument('--dtype', choices=PRECISIONS, default='float32', help='of the features')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

import torch
import torch.nn.functional as F
from timing import (
    DTYPES,
    TOLERANCE,
    begin,
    check_equal,
    growth,
    in_turn,
    peak_mib,
    report_goal,
    share,
    value_and_grad,
)
from torch import Tensor

from projects.SRKD.losses import cross_sample_kl

TEMPERATURE = 2.0
PLAIN = 'by_pairs', 'batched'
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
    ours = functools.partial(cross_sample_kl, teacher=teacher, batch=batch, temperature=TEMPERATURE)
    forms = dict(ours=ours)
    if student.is_cuda and importlib.util.find_spec('triton') and student.dtype != torch.float64:
        forms['fused'] = functools.partial(ours, backend='triton')
    for plain in (by_pairs, batched):
        forms[plain.__name__] = functools.partial(plain, teacher=teacher, num_samples=args.samples)
    return forms, student.requires_grad_()


def rates(args: argparse.Namespace) -> tuple[float, float]:
    """Operations per second of a large matrix product and bytes per second of a copy."""
    size = 2048 if torch.device(args.device).type == 'cpu' else 8192
    dtype = torch.promote_types(DTYPES[args.dtype], torch.float32)
    matrix, out = torch.ones(2, size, size, dtype=dtype, device=args.device)
    calls = dict(product=lambda: torch.mm(matrix, matrix, out=out), copy=lambda: out.copy_(matrix))
    seconds = in_turn(calls, args.repeats, args.device)
    return 2 * size**3 / seconds['product'], 2 * matrix.nbytes / seconds['copy']


def ceiling(points: int, args: argparse.Namespace) -> float:
    """Least seconds: products of every pair of points at the rates that :func:`rates` measures."""
    operations, bandwidth = args.rates
    entries = args.samples * (args.samples - 1) // 2 * points**2
    bytes_moved = 3 * args.samples * points * args.channels * 4  # two features and the gradient
    return max(8 * args.channels * entries / operations, bytes_moved / bandwidth)


def measure(points: int, args: argparse.Namespace) -> float:
    """Print one line per form; returns ours' seconds."""
    forms, student = variants(points, args)
    if points > args.largest:  # the plain forms keep every matrix of every pair
        forms = {name: form for name, form in forms.items() if name not in PLAIN}
    calls = {name: functools.partial(value_and_grad, form, student) for name, form in forms.items()}
    seconds = in_turn(calls, args.repeats, args.device)
    memory = {name: peak_mib(call, args.device) for name, call in calls.items()}
    what = f'cross-sample KL, {args.samples} samples of {points:,} points'
    for name in calls:
        ratio, taken = seconds[name] / seconds['ours'], share(memory['ours'], memory[name])
        print(f'{points:7d} {name:>9} {1e3 * seconds[name]:9.1f} {ratio:7.2f}x '
              f'{memory[name]:8.0f} {taken:7.1%} {ceiling(points, args) / seconds[name]:7.0%}',
              flush=True)  # fmt: skip
        if name in PLAIN and (args.samples, points) == (8, 1024):
            report_goal(f'{what}: {name} / ours', ratio, '>=', 1.0)
            report_goal(f'{what}: memory of {name}', 100 * taken, '<=', 15, ' %')
    if (args.samples, points) == (8, 4096):
        report_goal(f'{what}: memory above the inputs', memory['ours'], '<=', LIMIT, ' MiB')
    return seconds['ours']


def main() -> None:
    """Check, then print one line per number of points and form."""
    args = parse_args()
    begin(args)
    forms, student = variants(CHECKED, args)
    for name in PLAIN:
        for ours in [form for form in forms if form not in PLAIN]:
            equal = check_equal(forms[ours], forms[name], student, TOLERANCE[DTYPES[args.dtype]])
            print(f'{CHECKED} points, {ours} and {name}: {equal}')
    args.rates = rates(args)
    print('peak: {:.2g} operations and {:.2g} bytes per second'.format(*args.rates))
    heads = dict(points=7, form=9, ms=9, of_ours=8, MiB=8, share=7, reached=7)
    print(' '.join(f'{head.replace("_", " "):>{width}}' for head, width in heads.items()))
    seconds = [measure(points, args) for points in args.points]
    if len(seconds) > 1:
        power = growth(args.points, seconds)
        print(f'time grows with the power {power:.2f} of the points (all pairs of them: 2)')


if __name__ == '__main__':
    main()

"""Squared-distance affinity: ours in linear time beside its definition over all pairs.

Value and gradient are checked against the definition in float64 before anything is timed. Three
tables: beside the definition; ours alone as the cloud grows; many super-voxels beside one.

    python benchmarks/bm_affinity.py [--rows 4096 16384] [--channels 128] [--device cuda]
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable

from arguments import PRECISIONS, options

LARGE = 1_000_000


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__)
    parser.add_argument(
        '--rows', type=int, nargs='*', default=[1024, 4096, 16384],
        help='rows at which ours stands beside the definition',
    )  # fmt: skip
    parser.add_argument(
        '--growth', type=int, nargs='*', default=[10_000, 100_000, LARGE],
        help='rows at which ours stands alone',
    )  # fmt: skip
    parser.add_argument(
        '--grouped', type=int, default=131_072, help='rows that are divided into super-voxels'
    )
    parser.add_argument('--channels', type=int, default=128, help='of the features (default 128)')
    parser.add_argument('--dtype', choices=PRECISIONS, default='float32', help='of the features')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

import torch
from timing import (
    DTYPES,
    TOLERANCE,
    begin,
    check_equal,
    growth,
    in_turn,
    peak_mib,
    report_goal,
    value_and_grad,
)
from torch import Tensor

from projects.SRKD.losses import affinity_mse

GOALS = {4096: 20, 16384: 100}  # times faster than the definition
SMALL_GROUP = 8  # rows of a super-voxel with fewer points than channels
CHECKED = 2048  # rows at which ours is compared with the definition in float64


def distances(feat: Tensor) -> Tensor:
    """Squared distances of all pairs, (N, N), the quick way: one matrix product."""
    square = feat.square().sum(dim=1)
    return square[:, None] + square[None] - 2 * feat @ feat.T


def plain(student: Tensor, teacher: Tensor, num_groups: int) -> Tensor:
    """The definition, group by group; groups are consecutive and of one size."""
    teacher = teacher.to(student.dtype)
    groups = zip(student.chunk(num_groups), teacher.chunk(num_groups))
    losses = [(distances(own) - distances(taught)).square().mean() for own, taught in groups]
    return torch.stack(losses).mean()


class Case:
    """Features of a number of rows in super-voxels of one size, and the two losses of them."""

    def __init__(self, rows: int, num_groups: int, args: argparse.Namespace) -> None:
        gen = torch.Generator().manual_seed(0)
        student, teacher = (
            torch.randn(rows, args.channels, generator=gen).to(args.device, DTYPES[args.dtype])
            for _ in range(2)
        )
        self.student, self.device = student.requires_grad_(), args.device
        group = torch.arange(num_groups, device=args.device).repeat_interleave(rows // num_groups)
        self.ours = functools.partial(affinity_mse, teacher=teacher, group=group)
        self.plain = functools.partial(plain, teacher=teacher, num_groups=num_groups)

    def step(self, loss: Callable[[Tensor], Tensor]) -> Callable[[], object]:
        """Forward and backward of one of them as a call."""
        return lambda: value_and_grad(loss, self.student)

    def memory(self, loss: Callable[[Tensor], Tensor]) -> float:
        """Peak MiB above the inputs."""
        return peak_mib(self.step(loss), self.device)


def beside_the_definition(args: argparse.Namespace) -> None:
    """One line per number of rows, in one super-voxel."""
    print(f'{"rows":>8} {"ours ms":>9} {"plain ms":>10} {"ratio":>8} {"ours MiB":>9} '
          f'{"plain MiB":>9}')  # fmt: skip
    for rows in args.rows:
        case = Case(rows, 1, args)
        both = dict(ours=case.step(case.ours), plain=case.step(case.plain))
        seconds = in_turn(both, args.repeats, args.device)
        ratio = seconds['plain'] / seconds['ours']
        small, large = case.memory(case.ours), case.memory(case.plain)
        print(f'{rows:8d} {1e3 * seconds["ours"]:9.2f} {1e3 * seconds["plain"]:10.2f} '
              f'{ratio:7.1f}x {small:9.0f} {large:9.0f}', flush=True)  # fmt: skip
        if rows in GOALS:
            report_goal(f'affinity, {rows:,} rows: plain / ours', ratio, '>=', GOALS[rows])


def as_the_cloud_grows(args: argparse.Namespace) -> None:
    """One line per number of rows, and the exponent."""
    print(f'{"rows":>8} {"ours ms":>9} {"above inputs MiB":>16} {"of it gradient":>14}')
    seconds = []
    for rows in args.growth:
        case = Case(rows, 1, args)
        seconds.append(in_turn(dict(ours=case.step(case.ours)), args.repeats, args.device)['ours'])
        memory = case.memory(case.ours)
        own = case.student.numel() * case.student.element_size() / 2**20
        print(f'{rows:8d} {1e3 * seconds[-1]:9.1f} {memory:16.0f} {own:14.0f}', flush=True)
        if rows == LARGE:
            report_goal('affinity, 10^6 rows: memory above the inputs', memory, '<=', 1024, ' MiB')
    if len(seconds) > 1:
        power = growth(args.growth, seconds)
        report_goal(f'affinity, {args.growth[0]:,} to {args.growth[-1]:,} rows: time grows with '
                    'the power', power, '<=', 1.1, '')  # fmt: skip


def many_beside_one(args: argparse.Namespace) -> None:
    """One line per size of super-voxels, of the same rows in all."""
    step = 24 * args.channels  # a multiple of all sizes
    rows = args.grouped // step * step
    # In the middle: pairs of points and C x C products take equally long, the worst case.
    sizes = (rows, 8 * args.channels, 3 * args.channels // 2, args.channels, SMALL_GROUP)
    cases = {size: Case(rows, rows // size, args) for size in sizes}
    calls = {str(size): case.step(case.ours) for size, case in cases.items()}
    seconds = in_turn(calls, args.repeats, args.device)
    print(f'{"rows":>8} {"per group":>9} {"ours ms":>9} {"of one group":>12} {"MiB":>7}')
    for size, case in cases.items():
        share = seconds[str(size)] / seconds[str(rows)]
        print(f'{rows:8d} {size:9d} {1e3 * seconds[str(size)]:9.1f} {share:12.2f} '
              f'{case.memory(case.ours):7.0f}', flush=True)  # fmt: skip
        if args.channels <= size < rows:
            report_goal(f'affinity, {rows:,} rows in super-voxels of {size}: time of one of all',
                        share, '<=', 1.3)  # fmt: skip


def main() -> None:
    """Check, then print the tables."""
    args = parse_args()
    begin(args)
    for num_groups in (1, 4, CHECKED // SMALL_GROUP):
        case = Case(CHECKED, num_groups, args)
        tolerance = TOLERANCE[DTYPES[args.dtype]]
        equal = check_equal(case.ours, case.plain, case.student, tolerance)
        print(f'{CHECKED} rows in {num_groups} groups: {equal}')
    beside_the_definition(args)
    as_the_cloud_grows(args)
    many_beside_one(args)


if __name__ == '__main__':
    main()

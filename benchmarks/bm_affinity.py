"""Squared-distance affinity: ours in linear time beside its definition over all pairs.

Value and gradient are checked against the definition in float64 before anything is timed.

    python benchmarks/bm_affinity.py [--rows 1024 4096] [--channels 64] [--device cuda]
"""

from __future__ import annotations

import argparse
import functools

import torch
from timing import check_equal, compare
from torch import Tensor

from projects.SRKD.losses import affinity_mse


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


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rows', type=int, nargs='+', default=[1024, 4096])
    parser.add_argument('--channels', type=int, default=64)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--device', default='cpu')
    args = parser.parse_args()
    print(f'{"rows":>7} {"groups":>6} {"ours ms":>9} {"plain ms":>9} {"ratio":>7}')
    cases = [(rows, 1) for rows in args.rows] + [(8192, 16), (8192, 1024)]
    for rows, num_groups in cases:
        gen = torch.Generator().manual_seed(0)
        student, teacher = (
            torch.randn(rows, args.channels, generator=gen).to(args.device) for _ in range(2)
        )
        student.requires_grad_()
        group = torch.arange(num_groups, device=args.device).repeat_interleave(rows // num_groups)
        ours = functools.partial(affinity_mse, teacher=teacher, group=group)
        definition = functools.partial(plain, teacher=teacher, num_groups=num_groups)
        equal = check_equal(ours, definition, student, rtol=1e-5)
        fast, slow = compare(ours, definition, student, args.repeats)
        times = f'{1e3 * fast:9.2f} {1e3 * slow:9.2f} {slow / fast:6.1f}x'
        print(f'{rows:7d} {num_groups:6d} {times}   {equal}', flush=True)


if __name__ == '__main__':
    main()

"""Cross-sample KL: ours streamed in blocks beside autograd over pairs and one batched tensor.

Value and gradient are checked against the definition in float64 before anything is timed.

    python benchmarks/bm_cross_sample.py [--samples 8] [--points 1024] [--device cuda]
"""

from __future__ import annotations

import argparse
import functools

import torch
import torch.nn.functional as F
from timing import check_equal, compare
from torch import Tensor

from projects.SRKD.losses import cross_sample_kl

TEMPERATURE = 2.0


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


def main() -> None:
    """Print one line per plain form."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--samples', type=int, default=8)
    parser.add_argument('--points', type=int, default=1024)
    parser.add_argument('--channels', type=int, default=64)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--device', default='cpu')
    args = parser.parse_args()
    gen = torch.Generator().manual_seed(0)
    shape = args.samples * args.points, args.channels
    student, teacher = (
        F.normalize(torch.randn(shape, generator=gen)).to(args.device) for _ in range(2)
    )
    student.requires_grad_()
    batch = torch.arange(args.samples, device=args.device).repeat_interleave(args.points)
    ours = functools.partial(cross_sample_kl, teacher=teacher, batch=batch, temperature=TEMPERATURE)
    print(f'{args.samples} samples of {args.points} points, {args.channels} channels')
    print(f'{"plain form":>10} {"ours ms":>9} {"plain ms":>9} {"ratio":>7}')
    for form in (by_pairs, batched):
        definition = functools.partial(form, teacher=teacher, num_samples=args.samples)
        equal = check_equal(ours, definition, student, rtol=1e-4)
        fast, slow = compare(ours, definition, student, args.repeats)
        times = f'{1e3 * fast:9.2f} {1e3 * slow:9.2f} {slow / fast:6.1f}x'
        print(f'{form.__name__:>10} {times}   {equal}', flush=True)


if __name__ == '__main__':
    main()

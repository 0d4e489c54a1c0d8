"""PTv3: ours beside the original's way of working, with the same parameters, in one run.

The original's way (``ptv3_plain.py``) attends patch by patch and does its index work in every
block. Outputs (and, in training, gradients) are compared before anything is timed; tests compare
both with the original's own output (``tests/golden``).

    python benchmarks/bm_ptv3.py [--sizes half base] [--voxels 31834 60152] [--device cuda]

Times stand beside that of one 4096 x 4096 float32 matrix product. In that unit the original itself
(float32, on 2 cores, in eval) took 5.8 and 12.2 with the base model on real scans of 31,834 and
60,152 voxels, 3.5 and 8.1 with half its width.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from arguments import options

SIZES = dict(
    base=dict(),
    half=dict(enc_channels=(16, 32, 64, 128, 256), dec_channels=(32, 32, 64, 128)),
)
GOALS = dict(eval=1.5, train=2.0)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__)
    parser.add_argument(
        '--sizes', nargs='+', choices=SIZES, default=list(SIZES), help='of the network'
    )
    parser.add_argument(
        '--modes', nargs='+', choices=GOALS, default=list(GOALS), help='forward, or with backward'
    )
    parser.add_argument(
        '--voxels', type=int, nargs='+', default=[31834, 60152], help='of the cloud'
    )
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

import torch
from ptv3_plain import plain_forward
from scenes import street_voxels
from timing import begin, in_turn, peak_mib, report_goal, share
from torch import Tensor

from projects.SRKD.backbones import PointTransformerV3

ORIGINAL = dict(base={31834: 5.8, 60152: 12.2}, half={31834: 3.5, 60152: 8.1})  # in products

Forward = Callable[[Tensor, Tensor], Tensor]


def evaluate(forward: Forward, feat: Tensor, coors: Tensor) -> Tensor:
    """Forward without gradient."""
    with torch.no_grad():
        return forward(feat, coors)


def train(forward: Forward, feat: Tensor, coors: Tensor) -> Tensor:
    """Forward and backward of a training step, from one seed; returns the output."""
    torch.manual_seed(1)
    out = forward(feat, coors)
    (out.square().sum() / len(out)).backward()
    return out.detach()


def compare(
    network: PointTransformerV3, calls: dict[str, Callable[[], Tensor]], device: str
) -> tuple[str, dict[str, float]]:
    """Check that two ways agree in output and, in training, in the gradient.

    Returns:
        How far they are apart, and the peak memory of each in MiB.

    Raises:
        AssertionError: If they differ by more than rounding in float32.
    """
    found, memory = [], {}
    for name, call in calls.items():
        network.zero_grad()
        kept = []
        memory[name] = peak_mib(lambda call=call, kept=kept: kept.append(call()), device)
        grads = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
        found.append((kept[0], torch.cat(grads) if grads else kept[0]))
    network.zero_grad()
    off, grad_off = (((a - b).norm() / b.norm()).item() for a, b in zip(*found))
    # Pooling passes a gradient to one row of many: rounding decides between near equals.
    assert off < 1e-4 and grad_off < 2e-2, (off, grad_off)
    return f'output off by {off:.0e}' + f', gradient by {grad_off:.0e}' * bool(grads), memory


def matmul(device: str) -> Callable[[], Tensor]:
    """The unit of time: one product of 4096 x 4096 matrices in float32."""
    one, other = torch.rand(2, 4096, 4096, device=device)
    return lambda: one @ other


def measure(size: str, mode: str, voxels: int, args: argparse.Namespace) -> None:
    """Print one line and its goals."""
    feat, coors, source = street_voxels(voxels)
    feat, coors = feat.to(args.device), coors.to(args.device)
    torch.manual_seed(0)
    network = PointTransformerV3(in_channels=6, **SIZES[size]).to(args.device)
    network.train(mode == 'train')
    step = dict(eval=evaluate, train=train)[mode]
    calls = dict(
        ours=lambda: step(network, feat, coors),
        plain=lambda: step(lambda *inputs: plain_forward(network, *inputs), feat, coors),
    )
    step(network, feat[:256], coors[:256])  # libraries allocate at their first call
    equal, memory = compare(network, calls, args.device)
    calls['unit'] = matmul(args.device)
    seconds = in_turn(calls, args.repeats, args.device, warm_up=False)  # compared: they have run
    ours, plain, unit = (seconds[name] for name in ('ours', 'plain', 'unit'))
    print(
        f'{size:>5} {mode:>6} {voxels:7d} {ours:8.3f} {plain:8.3f} {plain / ours:6.2f}x '
        f'{ours / unit:7.2f} {plain / unit:7.2f} {memory["ours"]:8.0f} {memory["plain"]:9.0f}   '
        f'{equal}; {source}',
        flush=True,
    )
    what = f'PTv3 {size} {mode}, {voxels:,} voxels'
    report_goal(f'{what}: plain / ours', plain / ours, '>=', GOALS[mode])
    report_goal(f'{what}: memory ours / plain', share(memory['ours'], memory['plain']), '<=', 1.0)
    if mode == 'eval' and args.device == 'cpu' and voxels in ORIGINAL[size]:
        times = ORIGINAL[size][voxels] / (ours / unit)
        report_goal(f'{what}: the original itself / ours, in products', times, '>=', GOALS[mode])


def main() -> None:
    """Print one line per model, mode and number of voxels."""
    args = parse_args()
    begin(args)
    print(f'{"size":>5} {"mode":>6} {"voxels":>7} {"ours s":>8} {"plain s":>8} {"ratio":>7} '
          f'{"ours/mm":>7} {"plain/mm":>7} {"ours MiB":>8} {"plain MiB":>9}')  # fmt: skip
    for size in args.sizes:
        for mode in args.modes:
            for voxels in args.voxels:
                measure(size, mode, voxels, args)


if __name__ == '__main__':
    main()

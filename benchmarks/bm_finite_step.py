"""What it costs that every step is looked at: a training step with the guard beside one without.

    python benchmarks/bm_finite_step.py [--pairs mini half] [--clouds 8] [--voxels 4000]

The step is a runner's: preprocessing, teacher, student and terms, backward, clipping, AdamW; the
student alone likewise. The goal is for what the guard itself takes within a step, which other work
on the machine hardly moves. Steps with and without it, taken in turn, stand beside it: they show
that nothing was left out, as far as the machine is quiet. On a GPU they are the figure, as the
guard waits for what was launched before it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from arguments import options


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__, repeats=11)
    parser.add_argument(
        '--pairs', nargs='+', choices=('mini', 'half_base', 'half'), default=['mini'],
        help='of student and teacher, those of bm_step.py',
    )  # fmt: skip
    parser.add_argument('--clouds', type=int, default=8, help='of a batch (default 8)')
    parser.add_argument('--voxels', type=int, default=4000, help='of each cloud (default 4000)')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

import torch
from bm_step import VOXEL_SIZE, build
from mmengine.optim import OptimWrapper
from scenes import room_batch
from timing import begin, finish, report_goal
from torch import nn

from projects.SRKD.distill import DistillModel
from projects.SRKD.engine import FiniteStepHook

_TOLD = ('begin', 'before_backward', 'after_backward', 'before_clip', 'after_step')


class Steps:
    """Training steps of one network, with and without the guard.

    Args:
        model: The network.
        batch: What every step is about.
        device: To wait for.
    """

    def __init__(self, model: nn.Module, batch: dict, device: str) -> None:
        self._batch, self._device = batch, device
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
        wrapper = OptimWrapper(optimizer, clip_grad=dict(max_norm=10.0))
        self._runner = SimpleNamespace(model=model.train(), optim_wrapper=wrapper, iter=0, epoch=0)
        self._spent = 0.0  # seconds in the guard

    def plain(self) -> float:
        """Seconds of a step."""
        finish(self._device)
        start = time.perf_counter()
        self._runner.model.train_step(self._batch, self._runner.optim_wrapper)
        finish(self._device)
        return time.perf_counter() - start

    def guarded(self) -> tuple[float, float]:
        """Seconds of a step that is looked at, and those of the guard in it."""
        hook = FiniteStepHook()
        hook.before_train(self._runner)
        for name in _TOLD:
            setattr(hook, name, self._timed(getattr(hook, name)))
        model = self._runner.model
        if isinstance(model, DistillModel):
            model.tell_what_is_taught(self._timed(hook._start.take_lesson))
        for _ in range(2):  # the first makes room for copies of buffers
            self._spent = 0.0
            hook.before_train_iter(self._runner, 0, self._batch)
            whole = self.plain()
        hook.after_train(self._runner)
        return whole, self._spent

    def _timed(self, call: Callable) -> Callable:
        def timed(*args):
            start = time.perf_counter()
            call(*args)
            self._spent += time.perf_counter() - start

        return timed


def measure(what: str, steps: Steps, repeats: int) -> None:
    """Print one network's figures and its goal."""
    steps.plain()
    share, beside, taken = [], [], []
    for _ in range(repeats):
        plain, (guarded, guard) = steps.plain(), steps.guarded()
        share.append(guard / (guarded - guard))
        beside.append(guarded / plain)
        taken.append(guard)
    print(
        f'{what}: guard {1e3 * statistics.median(taken):.2f} ms; steps in turn '
        f'{statistics.median(beside):.3f}x (each {min(beside):.2f} to {max(beside):.2f})'
    )
    percent = 100 * statistics.median(share)
    report_goal(f'{what}: guard / the step without it', percent, '<=', 2, ' %')


def main() -> None:
    """Measure student and distillation of each pair."""
    args = parse_args()
    begin(args)
    with tempfile.TemporaryDirectory() as folder:
        for pair in args.pairs:
            model = build(pair, Path(folder), args.device)
            model.tell_connectors_are_kept()
            batch = room_batch(args.clouds, args.voxels, VOXEL_SIZE)
            size = f'{args.clouds} clouds of {args.voxels:,} voxels'
            for name, network in ((f'{pair} student', model.student), (f'{pair} pair', model)):
                measure(f'{name}, {size}', Steps(network, batch, args.device), args.repeats)


if __name__ == '__main__':
    main()

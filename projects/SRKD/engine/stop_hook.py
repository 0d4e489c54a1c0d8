"""Ends a training by SIGTERM or Ctrl-C behind the step that runs, and behind a checkpoint."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import torch
import torch.distributed as dist
from mmdet3d.registry import HOOKS
from mmengine.dist import is_distributed, is_main_process
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..compat.mmengine_checkpoints import STOPPED, note_checkpoint

APART = 0.5
"""Seconds between two Ctrl-C of a person; a terminal and a launcher both pass one on at once."""
GRACE = 25
"""Seconds that a loader's worker has after SIGTERM; Slurm and torchrun kill after 30."""


class TrainingStopped(Exception):
    """A training that was asked to end and has ended; goes on with ``--resume``.

    Args:
        message: Says where the run stands and what was written.
        number: The signal that asked.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.code = 128 + number  # as of a process that the signal has ended


class Listening:
    """A context in which SIGTERM and SIGINT are noted instead of obeyed.

    A second Ctrl-C ends the process at once. Outside the main thread nothing is changed: Python
    has handlers there alone.
    """

    def __init__(self) -> None:
        self.heard = 0  # number of the signal
        self._since = 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Listening:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *error) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame) -> None:
        if not self.heard:
            self.heard, self._since = number, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._since > APART:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)


@HOOKS.register_module()
class StopHook(Hook):
    """Where a signal was heard, finish the step, write ``stopped.pth``, and end.

    In a validation the batch is finished instead, and the checkpoint is of the state before the
    validation, which a resumed run begins with. All ranks end together though but one of them was
    asked. Workers of loaders outlive a SIGTERM that is sent to the whole job, as Slurm does: the
    step needs their batch.

    ``stopped.pth`` is removed when a later checkpoint is whole.

    Args:
        listening: What notes the signals, from before the run.
    """

    # behind all that belongs to the step
    priority = 'LOWEST'

    def __init__(self, listening: Listening) -> None:
        self._listening = listening
        self._group = None
        self._common = 0  # batches of a validation that every rank has

    def before_run(self, runner: Runner) -> None:
        """Let the ranks talk without a GPU, and workers finish their batch."""
        if is_distributed() and dist.get_backend() != 'gloo':
            self._group = dist.new_group(backend='gloo')
        loops = [runner.train_loop] + [runner.val_loop] * (runner.val_loop is not None)
        for loop in loops:
            outlive_sigterm(loop.dataloader)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        """End behind a step.

        Raises:
            TrainingStopped: If a rank was asked to.
        """
        number = self._agreed(self._listening.heard)
        if number:
            where = f'behind step {runner.iter + 1}'
            self._stop(runner, number, where, dict(epoch=runner.epoch, iter=runner.iter + 1))

    def before_val(self, runner: Runner) -> None:
        """Find out in how many batches the ranks can agree: the last one may be some ranks' own."""
        self._common = -self._agreed(-len(runner.val_dataloader))

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        """End amid a validation.

        Raises:
            TrainingStopped: If a rank was asked to.
        """
        number = self._agreed(self._listening.heard) if batch_idx < self._common else 0
        if number:
            for hook in runner.hooks:
                if isinstance(hook, EMAHook):
                    hook.after_val_epoch(runner)  # the weights in training take their place again
            self._stop_in_validation(runner, number, 'in')

    def after_val_epoch(self, runner: Runner, metrics=None) -> None:
        """End behind a validation.

        Raises:
            TrainingStopped: If a rank was asked to.
        """
        number = self._agreed(self._listening.heard)
        if number:
            self._stop_in_validation(runner, number, 'behind')

    def _stop_in_validation(self, runner: Runner, number: int, place: str) -> None:
        where = f'{place} the validation of step {runner.iter}'
        self._stop(runner, number, where, dict(epoch=runner.epoch, iter=runner.iter))

    def _agreed(self, number: int) -> int:
        """The largest of all ranks' numbers."""
        if not is_distributed():
            return number
        told = torch.tensor(number)
        dist.all_reduce(told, dist.ReduceOp.MAX, group=self._group)
        return int(told)

    def _stop(self, runner: Runner, number: int, where: str, meta: dict) -> None:
        runner.call_hook('before_save_on_all_ranks')
        keeper = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
        folder = getattr(keeper, 'out_dir', None) or runner.work_dir
        backend = getattr(keeper, 'backend_args', None)
        runner.save_checkpoint(folder, STOPPED, meta=meta, by_epoch=False, backend_args=backend)
        path = os.path.join(folder, STOPPED)
        if is_main_process():
            note_checkpoint(runner, path)
        self._agreed(0)  # a launcher ends the ranks that are still here when the first is gone
        raise TrainingStopped(
            f'ended by {signal.Signals(number).name} {where}; {path} is whole, go on with --resume',
            number,
        )


def outlive_sigterm(loader: DataLoader) -> None:
    """Let workers that the loader starts from now on live for some seconds after SIGTERM."""
    if not isinstance(loader.worker_init_fn, _OutlivingWorker):
        loader.worker_init_fn = _OutlivingWorker(loader.worker_init_fn)


class _OutlivingWorker:
    """A ``worker_init_fn`` in front of another one, or of none."""

    def __init__(self, then: Callable[[int], None] | None) -> None:
        self._then = then

    def __call__(self, worker: int) -> None:
        # by the alarm ends what nobody waits for any longer: a main process at its end joins us
        signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(GRACE))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self._then is not None:
            self._then(worker)

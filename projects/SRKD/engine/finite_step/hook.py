"""Ends a run before a loss, a gradient or a weight that is no number is stepped along or saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import all_gather_object, all_reduce, get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.optim import Optimizer

from ...base import UsageError
from ...compat.mmengine_checkpoints import look_for_checkpoint
from ...distill import DistillModel
from ...models.weights import wrong_weights
from ..distill_checkpoint_hook import unwrap
from . import causes
from .kept_step import rank_file, weights_file
from .step_folder import keep_step
from .step_start import StepStart
from .watched_steps import (
    WatchedSteps,
    gradient_norm_of,
    gradients_of,
    is_skipped,
    scaler_of,
    unwatch,
    watch,
    wrappers_in,
)

PATIENCE = 20
"""Steps in a row that a gradient scaler may skip; it starts too high and needs some."""


class _Known(NamedTuple):
    """What a process knows of a step."""

    is_wrong: bool  # whether an entry of its own loss is
    told: str
    whence: list[str]


class NonFiniteLossError(RuntimeError):
    """A run that cannot go on: names terms, scans, who brought it, and the last checkpoint."""


@HOOKS.register_module()
class FiniteStepHook(Hook):
    """Ends a training at the first step that is not finite, keeps the step and says who brought it.

    Every loss is looked at before it is differentiated, every gradient (unscaled, not yet clipped)
    before the optimizer steps along it, and the weights before they are saved. The weights stay
    those of the last step, and so do the checkpoints. All processes end together, also if the loss
    of one is wrong. Steps that the gradient scaler of mixed precision skips are its own business,
    unless 20 follow each other.

    The step is kept in ``work_dir/non_finite_iterN``, from which ``tools/replay_step.py`` repeats
    it. See `docs/training.md`.

    ``tools/train.py`` adds it to every run as ``default_hooks.finite_step``; None leaves it out::

        default_hooks = dict(finite_step=dict(type='FiniteStepHook', keep=1))

    Costs one reading of the gradients and two numbers exchanged between the processes per step.

    Args:
        keep: How many folders of steps stay in the work dir; 0: none is written.
        max_mib: MiB that a process may write into a folder; what is larger is not kept.

    Raises:
        UsageError: If ``keep`` is no count, or ``max_mib`` is below 1.
    """

    priority = 'LOWEST'  # what others do to the batch, or to a checkpoint, has been done

    def __init__(self, keep: int = 3, max_mib: int = 4096) -> None:
        for name, value, least in (('keep', keep, 0), ('max_mib', max_mib, 1)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UsageError(
                    f'{name} of FiniteStepHook must be a whole number of at least {least}, but got '
                    f'{value!r}'
                )
        self.keep, self.max_mib = keep, max_mib

    def __deepcopy__(self, memo: dict) -> FiniteStepHook:
        return self  # copies of a network that it listens to (EMA) are no copies of the run

    def before_train(self, runner: Runner) -> None:
        """Listen to the network and to its optimizer wrappers."""
        self._runner = runner
        self._model = unwrap(runner.model)
        self._start = StepStart(self._model)
        self._by_design = set(wrong_weights(self._model.state_dict()))
        self._batch, self._step = None, (runner.iter + 1, runner.epoch + 1)
        self._seen: list[tuple[dict, Any]] = []  # losses and batches since the last step
        self._losses: list[Tensor] = []  # totals since then, where a scaler may skip
        self._skipped, self._stepped = 0, False
        wrappers = wrappers_in(runner.optim_wrapper).values()
        self._watched = [each for each in wrappers if not isinstance(each, WatchedSteps)]
        self._handles = []
        for wrapper in self._watched:
            watch(wrapper, self)
            self._handles += [
                wrapper.optimizer.register_step_pre_hook(self._before_scaled_step),
                wrapper.optimizer.register_step_post_hook(self._note_step),
            ]
        if self._watched:
            self._handles.append(self._model.register_forward_hook(self._after_forward))
            if isinstance(self._model, DistillModel):
                self._model.tell_what_is_taught(self._start.take_lesson)

    def after_train(self, runner: Runner) -> None:
        """Stop listening."""
        for handle in self._handles:
            handle.remove()
        for wrapper in self._watched:
            unwatch(wrapper)
        if self._watched and isinstance(self._model, DistillModel):
            self._model.tell_what_is_taught(None)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Note which batch the step is about."""
        self._batch = data_batch
        self._step = runner.iter + 1, runner.epoch + 1

    def before_save_checkpoint(self, runner: Runner, checkpoint: Mapping) -> None:
        """Look at the weights: a step along a finite gradient may still have lost them.

        Raises:
            NonFiniteLossError: If some are not finite; nothing is saved.
        """
        lost = causes.lost_weights(checkpoint, self._by_design)
        if lost:
            rates = [causes.rate_of(each) for each in self._watched]
            raise self._error([f'{lost} at {", ".join(rates)}'], 'they were not saved')

    # What WatchedSteps tells.

    def begin(self, wrapper: OptimWrapper) -> None:
        """Keep what the step begins with."""
        self._start.take(self._batch, wrapper)

    def before_backward(self, wrapper: OptimWrapper, loss: Tensor) -> None:
        """Look at the loss, unless a scaler will."""
        loss = loss.detach()
        if scaler_of(wrapper):
            self._losses.append(loss)
        else:
            self._end_if(~loss.isfinite().all(), wrapper, 'it was not taken')

    def after_backward(self, wrapper: OptimWrapper) -> None:
        """Look at the gradients, unless a scaler will."""
        if not scaler_of(wrapper):
            self._end_if(
                ~gradient_norm_of(wrapper).isfinite(), wrapper, 'it was not taken', gradients=True
            )
            self._forget()

    def before_clip(self, wrapper: OptimWrapper) -> None:
        """Look for a norm that a scaler does not mind and that clipping turns into zeros."""
        if scaler_of(wrapper):
            lost = ~gradient_norm_of(wrapper).isfinite()
            if lost:
                lost &= all(grad.isfinite().all() for grad in gradients_of(wrapper))
            self._end_if(lost, wrapper, 'it was not taken')

    def after_step(self, wrapper: OptimWrapper) -> None:
        """Count the steps that a gradient scaler has skipped."""
        scaler = scaler_of(wrapper)
        if scaler is None:
            return
        self._skipped = 0 if self._stepped else self._skipped + 1
        self._stepped = False
        if self._skipped == PATIENCE:
            self._end(
                wrapper,
                f'the gradient scaler has skipped {PATIENCE} steps in a row, its scale is now '
                f'{scaler.get_scale():g}',
            )
        self._forget()

    def _before_scaled_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        """Look at a step that a scaler has let pass: its gradients are unscaled here."""
        wrapper = next(each for each in self._watched if each.optimizer is optimizer)
        if scaler_of(wrapper) is None or is_skipped(optimizer):
            return
        wrong = ~gradient_norm_of(wrapper).isfinite()
        for loss in self._losses:
            wrong = wrong | ~loss.to(wrong.device).isfinite().all()
        self._end_if(wrong, wrapper, 'it was not taken')

    def _note_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        self._stepped = not is_skipped(optimizer)

    def _after_forward(self, model: nn.Module, inputs: tuple, losses) -> None:
        if model.training and isinstance(losses, dict):
            self._seen.append((losses, self._start.batch))

    def _forget(self) -> None:
        self._seen.clear()
        self._losses.clear()
        self._start.forget()

    def _end_if(
        self, wrong: Tensor, wrapper: OptimWrapper, consequence: str, gradients: bool = False
    ) -> None:
        wrong = wrong.float()
        all_reduce(wrong, 'max')
        if wrong.item():
            self._end(wrapper, consequence, gradients)

    def _end(self, wrapper: OptimWrapper, consequence: str, gradients: bool = False) -> None:
        """Keep the step, and say what every process knows of it."""
        every = all_gather_object(self._known(wrapper))
        # without a wrong term the gradients of all processes show what one has lost
        blamed = [each for each in every if each.is_wrong] or every
        told = [each.told for each in blamed] + [words for each in blamed for words in each.whence]
        error = self._error(told, consequence)
        if not self.keep:
            raise NonFiniteLossError(f'{error}; the step is not kept (keep=0)')

        def files() -> dict[str, dict]:
            weights = weights_file(self._model) if is_main_process() else {}
            if not every[get_rank()].is_wrong and blamed is not every:
                return weights
            terms = self._terms(self._seen[-1][0]) if self._seen else {}
            start = self._start
            return weights | rank_file(self._runner, start, wrapper, str(error), terms, gradients)

        folder = Path(self._runner.work_dir) / f'non_finite_iter{self._step[0]}'
        failed = keep_step(folder, files, self.max_mib * 2**20, self.keep)
        kept = f'python tools/replay_step.py {folder} repeats it'
        raise NonFiniteLossError(
            f'{error}; {f"the step could not be kept: {failed}" if failed else kept}'
        )

    def _known(self, wrapper: OptimWrapper) -> _Known:
        """What this process can say; other processes wait for it, so it says something always."""
        try:
            parsed = [(self._terms(losses), causes.scans_of(batch)) for losses, batch in self._seen]
            terms = [told for each in parsed if (told := causes.wrong_terms(*each))]
            scans = [scan for _, names in parsed for scan in names]
            told = '; '.join(terms) or causes.wrong_gradients(self._model, wrapper, scans)
            return _Known(bool(terms), told, causes.origins(self._model, self._start, wrapper))
        except Exception as error:  # of a network's own parse_losses, for example
            return _Known(False, f'what it is cannot be told ({type(error).__name__}: {error})', [])

    def _terms(self, losses: Mapping) -> dict[str, Tensor]:
        with torch.no_grad():
            return self._model.parse_losses(losses)[1]

    def _error(self, told: Sequence[str], consequence: str) -> NonFiniteLossError:
        runner = self._runner
        where = 'iteration {} (epoch {})'.format(*self._step)
        last = _last_checkpoint(runner)
        kept = f'the last checkpoint is {last}' if last else 'there is no checkpoint yet'
        return NonFiniteLossError(
            f'the step of {where} is not finite: {"; ".join(dict.fromkeys(told))}; {consequence}, '
            f'{kept}'
        )


def _last_checkpoint(runner: Runner) -> str | None:
    """The newest that is there: mmengine notes down a name before the file is written."""
    noted = runner.message_hub.runtime_info.get('last_ckpt')
    if noted and ('://' in noted or Path(noted).is_file()):
        return noted
    try:
        return look_for_checkpoint(runner.work_dir)[0]
    except UsageError:  # there are files, and all are torn
        return None

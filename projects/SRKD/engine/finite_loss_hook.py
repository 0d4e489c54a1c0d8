"""Stops a run before a loss or a gradient that is no number reaches the weights."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import all_gather_object, all_reduce
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from .distill_checkpoint_hook import unwrap

PATIENCE = 20
"""Steps in a row that a gradient scaler may skip; it starts too high and needs some."""
_SHOWN = 3  # parameters named in a message


class NonFiniteLossError(RuntimeError):
    """A run that cannot go on: names terms, scans and the last checkpoint."""


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Ends a training whose total loss or norm of gradients is NaN or infinite, before the step.

    The weights stay those of the last step, and so do the checkpoints. All ranks end together, also
    if the loss of one is wrong. Steps that the gradient scaler of mixed precision skips are its own
    business, unless 20 follow each other.

    ``tools/train.py`` adds it to every run. Costs one reading of the gradients and one number
    exchanged between the ranks per step.
    """

    def before_train(self, runner: Runner) -> None:
        """Listen to the model's losses and to its optimizers."""
        self._runner = runner
        self._seen: list[tuple[dict[str, Tensor], list[str]]] = []  # since the last step
        self._scans: list[str] = []
        self._skipped, self._stepped = 0, False
        self._handles = [unwrap(runner.model).register_forward_hook(self._after_forward)]
        for optimizer in _optimizers(runner):
            self._handles += [
                optimizer.register_step_pre_hook(self._before_step),
                optimizer.register_step_post_hook(self._after_step),
            ]

    def after_train(self, runner: Runner) -> None:
        """Stop listening."""
        for handle in self._handles:
            handle.remove()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Note which scans the step is about."""
        samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
        self._scans = [_scan(sample) for sample in samples] if isinstance(samples, list) else []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        """Count the steps that a gradient scaler has skipped.

        Raises:
            NonFiniteLossError: If it has skipped 20 in a row.
        """
        wrapper = runner.optim_wrapper
        scaler = getattr(wrapper, 'loss_scaler', None)
        if scaler is not None and scaler.is_enabled() and wrapper.should_update():
            self._skipped = 0 if self._stepped else self._skipped + 1
            if self._skipped == PATIENCE:
                raise self._error(
                    f'the gradient scaler has skipped {PATIENCE} steps in a row, its scale is now '
                    f'{scaler.get_scale():g}'
                )
            if not self._stepped:
                self._seen.clear()
        self._stepped = False

    def _after_forward(self, model: nn.Module, inputs: tuple, losses) -> None:
        if model.training and isinstance(losses, dict):
            with torch.no_grad():
                terms = model.parse_losses(losses)[1]
            self._seen.append((terms, self._scans))

    def _before_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        skipped = getattr(optimizer, 'found_inf', None)  # a fused optimizer skips by itself
        if skipped is not None and skipped.item():
            return
        grads = [param.grad for param in _params(optimizer) if param.grad is not None]
        if not grads:
            return
        finite = get_total_norm(grads).isfinite()
        for terms, _ in self._seen:
            finite = finite & terms['loss'].to(finite.device).isfinite()
        wrong = (~finite).float()
        all_reduce(wrong, 'max')
        if wrong.item():
            raise self._error('it was not taken')

    def _after_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        skipped = getattr(optimizer, 'found_inf', None)
        self._stepped = skipped is None or not skipped.item()
        if self._stepped:
            self._seen.clear()

    def _error(self, consequence: str) -> NonFiniteLossError:
        """One sentence of all ranks' terms and scans."""
        terms, gradients = zip(*all_gather_object((self._wrong_terms(), self._wrong_gradients())))
        told = sum(terms, []) or gradients  # the gradients of all ranks show what one has lost
        runner = self._runner
        where = f'iteration {runner.iter + 1} (epoch {runner.epoch + 1})'
        last = runner.message_hub.runtime_info.get('last_ckpt')
        kept = f'the last checkpoint is {last}' if last else 'there is no checkpoint yet'
        return NonFiniteLossError(
            f'the step of {where} is not finite: {"; ".join(dict.fromkeys(told))}; {consequence}, '
            f'{kept}'
        )

    def _wrong_terms(self) -> list[str]:
        parts = []
        for terms, scans in self._seen:
            values = {name: value.item() for name, value in terms.items()}
            wrong = {name: value for name, value in values.items() if not isfinite(value)}
            if wrong:
                named = ', '.join(f'{name}={value}' for name, value in wrong.items())
                parts.append(f'{named} on {", ".join(scans) or "scans without a name"}')
        return parts

    def _wrong_gradients(self) -> str:
        names = {param: name for name, param in unwrap(self._runner.model).named_parameters()}
        params = [param for optimizer in _optimizers(self._runner) for param in _params(optimizer)]
        wrong = [
            names.get(param, 'a parameter outside the model')
            for param in params
            if param.grad is not None and not param.grad.isfinite().all()
        ]
        more = ', ...' if len(wrong) > _SHOWN else ''
        found = (
            f'the gradients of {len(wrong)} parameters are not ({", ".join(wrong[:_SHOWN])}{more})'
            if wrong
            else 'the norm of the gradients is not'
        )
        scans = ', '.join(scan for _, names in self._seen for scan in names)
        return f'every term is a number, {found}, on {scans or "scans without a name"}'


def _optimizers(runner: Runner) -> Iterator[Optimizer]:
    wrapper = runner.optim_wrapper
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    return (each.optimizer for each in wrappers)


def _params(optimizer: Optimizer) -> Iterator[nn.Parameter]:
    return (param for group in optimizer.param_groups for param in group['params'])


def _scan(sample) -> str:
    facts = getattr(sample, 'metainfo', {})
    return str(facts.get('lidar_path') or f'sample {facts.get("sample_idx", "without a name")}')

"""Gathers the statistics of a trained student's batch norms anew.

Shape letters: C channels.
"""

from __future__ import annotations

import logging
from functools import partial
from itertools import islice

import torch
from mmdet3d.registry import HOOKS
from mmengine.dataset import DefaultSampler
from mmengine.dist import all_reduce, get_rank
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import update_bn
from torch.utils.data import BatchSampler

from ..base import UsageError, UsageTypeError, seeded
from ..datasets.sample_draws import with_batches
from .distill_checkpoint_hook import unwrap
from .reseed_hook import shared_seed

_REESTIMATE = 5  # with the numbers of ReseedHook: never one seed for two kinds of draws


@HOOKS.register_module()
class ReestimateBatchNormHook(Hook):
    r"""Replace running statistics by those of the final weights, once, after the last step.

    Running statistics are an exponential average over the weights of the past; with a momentum of
    0.01, as PTv3's batch norms have it, the last hundred steps. A short training moves its weights
    faster than that. After the last step and before the last checkpoint and validation, one pass
    over the training scans (the loader's own pipeline and batch size, shuffled, each scan once)
    gives

    .. math::
        \mu_c = \frac{1}{B} \sum_b \mu_{bc}, \qquad
        \sigma^2_c = \frac{1}{B} \sum_b \sigma^2_{bc}

    over all B batches of all ranks, with the batch's own mean and unbiased variance of channel c.
    Source: :func:`torch.optim.swa_utils.update_bn`, which does it. The student runs in train mode
    without gradient and without a teacher; it runs in mode ``loss``, because detectors of mmdet3d's
    ``MVXTwoStageDetector`` have no mode ``tensor``. Layers that such a pass does not touch (frozen
    ones) keep what they have. With an ``EMAHook`` the statistics are those of the averaged weights.

    A batch that is not full counts like the others, so it is left out, unless it is the only one. A
    run that has ended is not changed by resuming it. A run that an ``EarlyStoppingHook`` ends keeps
    its running statistics: its last checkpoint is written before that is known.

    Off by default. As one line of a config::

        default_hooks = dict(reestimate=dict(type='ReestimateBatchNormHook'))

    Args:
        num_batches: Batches of every rank; None: all there are.

    Raises:
        UsageError: If ``num_batches`` is below 1.
    """

    # behind the step that EMAHook (NORMAL) takes, before CheckpointHook (VERY_LOW)
    priority = 'LOW'

    def __init__(self, num_batches: int | None = None) -> None:
        if num_batches is not None and num_batches < 1:
            raise UsageError(
                'num_batches of ReestimateBatchNormHook must be at least 1 or None for all, but '
                f'got {num_batches}'
            )
        self.num_batches = num_batches

    def before_train(self, runner: Runner) -> None:
        """Refuse a network without running statistics.

        Raises:
            UsageTypeError: If there are none.
        """
        if not _layers(_student(runner)):
            raise UsageTypeError(
                'the model of ReestimateBatchNormHook must have BatchNorm layers with running '
                f'statistics, but got {type(_student(runner)).__name__} without any: leave the '
                'hook out'
            )

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        """Gather, if this was the last step of the run."""
        if not self.is_last_train_iter(runner):
            return
        averages = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
        for hook in averages:
            hook.before_val_epoch(runner)  # the averaged weights take their place in the model
        self._reestimate(runner)
        for hook in averages:
            hook.after_val_epoch(runner)
            if not hook.ema_model.update_buffers:  # else the call above has moved them
                _copy_buffers(hook.src_model, hook.ema_model.module)

    def _reestimate(self, runner: Runner) -> None:
        network = _student(runner)
        layers = _layers(network)
        before = [_statistics(layer) for layer in layers]
        batches = _batches(runner, self.num_batches)
        forward = _Forward(network, unwrap(runner.model), runner)
        with seeded(_REESTIMATE, shared_seed(runner), get_rank()), torch.no_grad():
            update_bn(with_batches(runner.train_dataloader, batches), forward)
        idle = 0
        for layer, old in zip(layers, before):
            if layer.num_batches_tracked == 0:
                idle += 1
                for value, kept in zip(_statistics(layer, copy=False), old):
                    value.copy_(kept)
                continue
            for value in (layer.running_mean, layer.running_var):
                all_reduce(value, 'mean')  # every rank has seen as many batches
        print_log(
            f'statistics of {len(layers) - idle} batch norms are gathered anew over {len(batches)} '
            f'batches of every rank{f"; {idle} saw none and keep theirs" if idle else ""}',
            logger='current',
            level=logging.INFO,
        )


class _Forward(nn.Module):
    """What ``update_bn`` calls with a batch: the student's training forward."""

    def __init__(self, network: nn.Module, model: nn.Module, runner: Runner) -> None:
        super().__init__()
        self.network = network
        # of a distiller: it knows frames that have no label
        self._run = getattr(model, 'task_losses', partial(network, mode='loss'))
        self._context = runner.optim_wrapper.optim_context

    def forward(self, data: dict) -> None:
        with self._context(self.network):  # in the precision of the training
            self._run(**self.network.data_preprocessor(data, True))


def _student(runner: Runner) -> nn.Module:
    model = unwrap(runner.model)
    return getattr(model, 'student', model)


def _layers(network: nn.Module) -> list[_BatchNorm]:
    return [
        layer
        for layer in network.modules()
        if isinstance(layer, _BatchNorm) and layer.running_mean is not None
    ]


def _statistics(layer: _BatchNorm, copy: bool = True) -> list[Tensor]:
    """Mean (C,), variance (C,) and the count of batches."""
    values = [layer.running_mean, layer.running_var, layer.num_batches_tracked]
    return [value.clone() for value in values] if copy else values


def _batches(runner: Runner, most: int | None) -> list[list[int]]:
    """Indices of every batch of this rank; all ranks have as many."""
    loader = runner.train_dataloader
    size = loader.batch_size or loader.batch_sampler.batch_size
    sampler = DefaultSampler(loader.dataset, shuffle=True, seed=shared_seed(runner))
    batches = list(islice(BatchSampler(sampler, size, drop_last=False), most))
    return [batch for batch in batches if len(batch) == size] or batches


def _copy_buffers(source: nn.Module, target: nn.Module) -> None:
    for ours, theirs in zip(source.buffers(), target.buffers()):
        theirs.copy_(ours)

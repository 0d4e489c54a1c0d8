"""Loading that loads everything: no weight stays random, none is left out, without a word."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from ..base import UsageError
from ..models.weights import (
    check_finite,
    compare_weights,
    weights_beside,
    weights_in,
    wrong_weights,
)


@HOOKS.register_module()
class EveryWeightHook(Hook):
    """Refuse a file that would leave some of the network as it was initialized, or make it NaN.

    A training refuses weights that the network has not, too: they are those of another network. A
    test passes them over, and mmengine lists them.

    mmengine only warns. ``tools/train.py`` and ``tools/test.py`` have this hook always, and
    ``DistillCheckpointHook`` looks in its place where it is missing.

    Args:
        partial: Whether what fits is loaded and the rest only listed, for fine-tuning with another
            head. A resumed run continues the same network, and is never partial.
    """

    def __init__(self, partial: bool = False) -> None:
        self.partial = partial

    def after_load_checkpoint(self, runner: Runner, checkpoint: Mapping) -> None:
        """Compare, before mmengine copies the weights.

        Raises:
            UsageError: With a report of what is missing, of another shape, too much or not finite.
        """
        check_every_weight(runner, checkpoint, self.partial and not runner._resume)
        if runner._resume:
            check_state(checkpoint, str(runner._load_from or runner.work_dir))


def check_state(checkpoint: Mapping, source: str) -> None:
    """Refuse to resume from what is not the state of a run.

    Raises:
        UsageError: If epoch, iteration or the message hub are not there, or not what they must be.
    """
    parts = ('log_scalars', 'runtime_info', 'resumed_keys')
    meta, hub = (_mapping(checkpoint.get(key)) for key in ('meta', 'message_hub'))
    wrong = [f'meta.{key}' for key in ('epoch', 'iter') if type(meta.get(key)) is not int]
    wrong += [f'message_hub.{key}' for key in parts if not isinstance(hub.get(key), Mapping)]
    wrong += [key for key in ('optimizer',) if not isinstance(checkpoint.get(key, {}), Mapping)]
    if wrong:
        raise UsageError(
            f'{source} must hold the state of a run to be resumed, but lacks {", ".join(wrong)}: '
            'to start from its weights, say load_from'
        )


def _mapping(value: object) -> Mapping:
    return value if isinstance(value, Mapping) else {}


def check_every_weight(runner: Runner, checkpoint: Mapping, partial: bool = False) -> None:
    """Refuse, or list if ``partial``, what a checkpoint lacks or holds alone.

    Raises:
        UsageError: If it holds no weights or some that are not finite, does not fill the network,
            no weight fits at all, or, in a training, some belong to no part of the network.
    """
    network = runner.model.module if is_model_wrapper(runner.model) else runner.model
    network = network.module if isinstance(network, BaseTTAModel) else network
    source = f'checkpoint {runner._load_from or "to resume from in " + str(runner.work_dir)}'
    weights = weights_in(checkpoint, source)
    check_finite(network, weights, source)
    beside = wrong_weights(weights_beside(checkpoint)) if runner._resume else []
    if beside:
        raise UsageError(
            f'averages and connectors must be finite to resume, but got {source} with '
            f'{len(beside)} that hold NaN or infinity ({beside[0]}): resume from an earlier '
            'checkpoint, or use load_from for the weights alone'
        )
    report = compare_weights(network, weights)
    trains = isinstance(getattr(runner, '_train_loop', None), BaseLoop)
    if report.fills and not (trains and report.unexpected):
        return
    if partial and report.matched:
        left = (
            ('these stay as initialized', [*report.missing, *report.misshapen]),
            ('these of the file are left out', report.unexpected),
        )
        print_log(
            f'{source} is loaded in part: {report.matched} of {report.total} weights of '
            f'{report.network}'
            + ''.join(f', {words}: {", ".join(keys)}' for words, keys in left if keys),
            logger='current',
            level=logging.WARNING,
        )
        return
    advice = '' if runner._resume or partial else _ADVICE
    raise UsageError(f'{source} does not fit {report.network}: {report}{advice}')


_ADVICE = '; to fine-tune with what fits, say load_from=dict(checkpoint=..., partial=True)'

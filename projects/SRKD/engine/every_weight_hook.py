"""Loading that loads everything: no weight stays random without a word."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner

from ..base import UsageError
from ..distill.weights import compare_weights, weights_in


@HOOKS.register_module()
class EveryWeightHook(Hook):
    """Refuse a file that would leave some of the network as it was initialised.

    mmengine only warns. ``tools/train.py`` and ``tools/test.py`` have this hook always, and
    ``DistillCheckpointHook`` looks in its place where it is missing. Further keys in the file are
    listed by mmengine.

    Args:
        partial: Whether what fits is loaded and the rest only listed, for fine-tuning with another
            head. A resumed run continues the same network, and is never partial.
    """

    def __init__(self, partial: bool = False) -> None:
        self.partial = partial

    def after_load_checkpoint(self, runner: Runner, checkpoint: Mapping) -> None:
        """Compare, before mmengine copies the weights.

        Raises:
            UsageError: With a report of what is missing or of another shape.
        """
        check_every_weight(runner, checkpoint, self.partial and not runner._resume)


def check_every_weight(runner: Runner, checkpoint: Mapping, partial: bool = False) -> None:
    """Refuse, or list if ``partial``, what a checkpoint leaves as it was initialised.

    Raises:
        UsageError: If it holds no weights, does not fill the network, or no weight fits at all.
    """
    network = runner.model.module if is_model_wrapper(runner.model) else runner.model
    network = network.module if isinstance(network, BaseTTAModel) else network
    source = f'checkpoint {runner._load_from or "to resume from in " + str(runner.work_dir)}'
    report = compare_weights(network, weights_in(checkpoint, source))
    if report.fills:
        return
    if partial and report.matched:
        print_log(
            f'{source} is loaded in part: {report.matched} of {report.total} weights of '
            f'{report.network}, these stay as initialised: '
            f'{", ".join([*report.missing, *report.misshapen])}',
            logger='current',
            level=logging.WARNING,
        )
        return
    advice = '' if runner._resume or partial else _ADVICE
    raise UsageError(f'{source} does not fit {report.network}: {report}{advice}')


_ADVICE = '; to fine-tune with what fits, say load_from=dict(checkpoint=..., partial=True)'

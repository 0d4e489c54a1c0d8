"""Checkpoints against the loop they are to save."""

from __future__ import annotations

from mmengine.hooks import CheckpointHook
from mmengine.runner import IterBasedTrainLoop, Runner


def tell_single_checkpoint(runner: Runner) -> None:
    """Say that a loop by iterations with checkpoints by epochs saves once, when it ends."""
    if not isinstance(runner._train_loop, IterBasedTrainLoop):
        return
    if any(isinstance(hook, CheckpointHook) and hook.by_epoch for hook in runner.hooks):
        runner.logger.warning(
            'the training goes by iterations and default_hooks.checkpoint by epochs, so the only '
            'checkpoint is written at the end: say default_hooks=dict(checkpoint=dict('
            'by_epoch=False, interval=...)) for more'
        )

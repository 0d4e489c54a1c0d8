"""All processes validate the network that is saved."""

from __future__ import annotations

import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import broadcast, is_distributed
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .distill_checkpoint_hook import unwrap


@HOOKS.register_module()
class SameNetworkHook(Hook):
    """Give the first process's buffers to the others before a validation.

    Weights are equal on all ranks, running statistics of batch norms are not: each rank's are of
    its own scans, and mmengine's wrapper leaves them so. A checkpoint holds those of the first. So
    each rank would score its share of the scans with a network of its own, the sum of which is the
    score of none, and a run that is resumed, where all begin with the checkpoint's, would find
    another score than the uninterrupted one.

    No training step reads these buffers, so weights do not change. mmengine's ``SyncBuffersHook``
    averages them instead, after an epoch, so that a checkpoint in its middle is of other statistics
    than one at its end; it may stand beside this hook.

    ``tools/train.py`` adds it to every run.
    """

    # behind EMAHook, which puts its averages in the place of the weights
    priority = 'LOWEST'

    def before_val_epoch(self, runner: Runner) -> None:
        """Copy from the first rank."""
        if not is_distributed():
            return
        for buffer in unwrap(runner.model).buffers():
            # gloo knows no truth values
            broadcast(buffer.view(torch.uint8) if buffer.dtype == torch.bool else buffer, src=0)

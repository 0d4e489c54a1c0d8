"""Makes a resumed run draw the random numbers of the run it continues."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import broadcast_object_list, get_rank
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner


@HOOKS.register_module()
class ReseedHook(Hook):
    """Seeds every source of randomness anew before each training epoch.

    A checkpoint of mmengine holds no state of a random generator, and a run that resumes without
    a seed in its config shuffles by another seed than the one it resumes; its loader workers, on
    the other hand, are seeded alike in each epoch and so repeat their augmentations. With this
    hook all draws of an epoch follow from (seed, rank, epoch), those of a worker from (seed, rank,
    epoch, worker): a run resumed at the end of an epoch gives the losses of the uninterrupted run,
    and augmentations differ from epoch to epoch.

    Persistent workers are seeded when they start and never again, so they are restarted for each
    epoch (a fork per worker; on Linux milliseconds, and what a worker had cached is lost).

    The seed is the runner's, that of rank 0 for all ranks.
    """

    # last before the epoch: what other hooks draw does not matter
    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Agree on the seed, after a resume has restored it.

        Raises:
            TypeError: if training does not go by epochs.
        """
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise TypeError(
                'ReseedHook seeds epoch by epoch and needs an EpochBasedTrainLoop, but the train '
                f'loop is {type(runner.train_loop).__name__}; leave the hook out or train by '
                'epochs.'
            )
        told = [runner.seed]
        broadcast_object_list(told, src=0)
        self._seed = told[0]
        self._start_worker = runner.train_dataloader.worker_init_fn
        # the loader was built before the checkpoint told the seed
        for sampler in _samplers(runner.train_dataloader):
            if getattr(sampler, 'seed', None) is not None:
                sampler.seed = self._seed

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process, and the workers about to start."""
        seeds = (self._seed, get_rank(), runner.epoch)
        _seed_everything(*seeds)
        loader = runner.train_dataloader
        loader.worker_init_fn = partial(_init_worker, first=self._start_worker, seeds=seeds)
        loader._iterator = None  # persistent workers of the last epoch end here


def _samplers(loader) -> list:
    return [loader.sampler, getattr(loader.batch_sampler, 'sampler', None)]


def _init_worker(worker_id: int, first: Callable | None, seeds: tuple[int, ...]) -> None:
    if first is not None:
        first(worker_id)
    _seed_everything(*seeds, worker_id)


def _seed_everything(*entropy: int) -> None:
    """Seed ``random``, numpy and torch (all devices) from several integers >= 0."""
    # SeedSequence pads with zeros: without the length, worker 0 would draw what the main
    # process draws
    states = np.random.SeedSequence([len(entropy), *entropy]).generate_state(3, np.uint64)
    random.seed(int(states[0]))
    np.random.seed(int(states[1] >> np.uint64(32)))
    torch.manual_seed(int(states[2] >> np.uint64(1)))

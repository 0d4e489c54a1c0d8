"""Makes every random number of a training a function of the seed and of where it is drawn."""

from __future__ import annotations

from itertools import chain, islice, repeat

import numpy as np
from mmdet3d.registry import HOOKS
from mmengine.dist import broadcast_object_list, get_dist_info
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from ..base import UsageError, seed_process
from ..datasets.sample_draws import EpochDraws, SampleFetcher, endless_draws, with_batches

# with the 1 of samples: numbers of different kinds never share a seed
_ORDER, _EPOCH, _STEP = 2, 3, 4


@HOOKS.register_module()
class ReseedHook(Hook):
    """Seeds every source of randomness anew wherever numbers are drawn.

    A checkpoint of mmengine holds no state of a random generator, and its loader workers repeat
    their augmentations in each epoch. With this hook

    * a sample's augmentation follows from (seed, epoch, index): see
      :mod:`~projects.SRKD.datasets.sample_draws`;
    * the order of the samples follows from (seed, epoch);
    * what the model draws (dropout, drop path, points of a loss) follows from (seed, rank,
      iteration).

    So 0 and 8 workers train alike, and a run resumed from any checkpoint, in the middle of an epoch
    too, gives the weights of the uninterrupted run. Batches that a resumed run has seen before are
    not loaded again.

    Validation and test samples of pipelines that draw follow from (seed, index). In iteration-based
    loops the place in the stream of samples stands for the epoch.

    The seed is the runner's, that of rank 0 for all ranks.
    """

    # last before the step: what other hooks draw does not matter
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._resumed: dict | None = None  # meta of the checkpoint
        self._done = 0  # batches of the epoch under way

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember where the run to continue stood."""
        if runner._resume:
            self._resumed = checkpoint.get('meta', {})

    def before_train(self, runner: Runner) -> None:
        """Number the samples, after a resume has restored the seed.

        Raises:
            UsageError: If a run in mid-epoch is resumed with epochs of another length, or the loop
                is none of mmengine's.
        """
        loop = runner.train_loop
        self._seed = shared_seed(runner)
        loader = loop.dataloader
        _seed_samplers(loader, self._seed)
        SampleFetcher.install(loader.dataset, self._seed)
        loader._iterator = None  # workers that began before the seed was known end here
        if isinstance(loop, EpochBasedTrainLoop):
            loop.dataloader = with_batches(loader, EpochDraws(loader.batch_sampler))
            loop.first_batch = self._batches_done(loop, runner._load_from)
        elif isinstance(loop, IterBasedTrainLoop):
            draws = endless_draws(loader.batch_sampler, *get_dist_info())
            rest = with_batches(loader, islice(draws, loop.iter, None))
            # the loop asks for the batches it has trained on and drops them
            loop.dataloader_iterator = chain(repeat(None, loop.iter), rest)
        else:
            raise UsageError(
                'train_cfg of a run with ReseedHook must be an EpochBasedTrainLoop or an '
                f'IterBasedTrainLoop, but got {type(loop).__name__}: leave the hook out by '
                'default_hooks=dict(reseed=None)'
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed what samplers without a seed of their own draw from."""
        seed_process(_EPOCH, self._seed, get_dist_info()[0], runner.epoch)
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            runner.train_dataloader.batch_sampler.epoch = runner.epoch

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Seed what the model draws from."""
        self._done = batch_idx + 1
        seed_process(_STEP, self._seed, get_dist_info()[0], runner.iter)

    def after_train_epoch(self, runner: Runner) -> None:
        """Note that no epoch is under way."""
        self._done = 0

    def after_train(self, runner: Runner) -> None:
        """Let the workers go; they would wait for garbage collection."""
        runner.train_dataloader._iterator = None
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            runner.train_loop.dataloader_iterator = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write down how far the epoch has come."""
        loop, meta = runner.train_loop, checkpoint['meta']
        if isinstance(loop, EpochBasedTrainLoop):
            ended = meta['epoch'] > runner.epoch  # written at the end of an epoch, for the next
            done = 0 if ended else self._done
            meta['batches_of_epoch'] = dict(done=done, of=len(loop.dataloader))

    def before_val(self, runner: Runner) -> None:
        """Number the samples of a validation."""
        SampleFetcher.install(runner.val_dataloader.dataset, shared_seed(runner))

    def before_test(self, runner: Runner) -> None:
        """Number the samples of a test."""
        SampleFetcher.install(runner.test_dataloader.dataset, shared_seed(runner))

    def _batches_done(self, loop: EpochBasedTrainLoop, source: str | None) -> int:
        """Batches of the first epoch that the resumed run has trained on."""
        if self._resumed is None:
            return 0
        length = len(loop.dataloader)
        batches = self._resumed.get('batches_of_epoch')
        if batches is None:  # written without this hook
            done = loop.iter - loop.epoch * length
            return done if 0 < done <= length else 0
        if batches['done'] and batches['of'] != length:
            raise UsageError(
                f'the checkpoint to resume from{f" ({source})" if source else ""} stands behind '
                f'batch {batches["done"]} of {batches["of"]} of epoch {loop.epoch + 1}, and an '
                f'epoch now has {length} batches: resume with the batch size, data set and number '
                'of processes it was written with, or from a checkpoint at the end of an epoch'
            )
        return batches['done']


def shared_seed(runner: Runner) -> int:
    """The seed of rank 0's runner, on every rank."""
    told = [runner.seed]
    broadcast_object_list(told, src=0)
    return told[0]


def _seed_samplers(loader: DataLoader, seed: int) -> None:
    """Let samplers draw by a seed that the checkpoint has told after the loader was built.

    They add the epoch to their seed: spread seeds keep run 0 from showing in its second epoch the
    order that run 1 shows in its first.
    """
    spread = int(np.random.SeedSequence([_ORDER, seed]).generate_state(1, np.uint64)[0]) >> 2
    for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
        if getattr(sampler, 'seed', None) is not None:
            sampler.seed = spread
        if hasattr(sampler, '_indices_of_rank') and hasattr(sampler, 'indices'):
            sampler.indices = sampler._indices_of_rank()  # InfiniteSampler's stream, by that seed

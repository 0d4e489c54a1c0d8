"""Mini-batches whose pairs of scans are worth comparing (the "mini-batch" of SRKD's CSMBGD)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import chain, count, islice

import numpy as np
from mmdet3d.registry import DATA_SAMPLERS
from mmengine.dist import broadcast_object_list, get_dist_info
from torch.utils.data import BatchSampler, Dataset, Sampler

from ...base import UsageError, UsageTypeError
from .batch_composition import compose_batches, rarity, visibility
from .scene_statistics import SceneStatistics, scene_statistics

WINDOW = 20.0
"""Default of ``window``; 20 s at 30 km/h are 170 m, beyond what a lidar sees of its own past."""


@DATA_SAMPLERS.register_module()
class CrossSampleBatchSampler(BatchSampler):
    """Composes mini-batches of different scenes and, if asked to, of scans that share classes.

    SRKD compares the scans of a mini-batch with each other (cross-sample mini-batch geometry
    distillation). Two crops of one room, or two frames of one drive, teach that term little;
    nor do two scans without a class in common. This sampler keeps the former apart and, with
    ``group_size``, brings scans together that show the same classes. How:
    ``batch_composition.compose_batches``.

    It regroups what ``sampler`` yields and nothing else: within the share of each rank every index
    appears exactly as often as ``sampler`` yields it. Batches are a function of seed, epoch, rank
    and the order of ``sampler``. Scenes and classes come from :func:`scene_statistics`; if a data
    set tells neither, batches are plain, with one warning. Where scenes are too few for all
    batches, pairs of one scene remain and ``relaxed_pairs`` counts those of the last epoch.

    Args:
        sampler: Yields the indices of this rank. An infinite one is composed in stretches of
            ``len(sampler)`` indices.
        batch_size: Scans per batch.
        drop_last: Whether to leave out the last ``len(sampler) % batch_size`` indices of
            ``sampler``. mmengine takes no ``drop_last`` beside a ``batch_sampler``: write it here.
        window: Seconds below which two scans of one sequence count as the same place.
        candidates: Scans considered for each group; more find better company, in proportional
            time.
        group_size: Scans chosen for each other by the classes that they share; a batch is a random
            draw of such groups. 1 only keeps scans of one place apart. More sounds right for a
            relation loss and cost 7 (2 scans) to 13 mIoU (all of a batch) of 39 on mini rooms
            (``studies/results/NOTES.md``).
        seed: Of the composition; None takes the seed of ``sampler``.
        statistics: Facts about the data set, if they are known already.

    Raises:
        UsageTypeError: If ``sampler`` is not a ``Sampler``.
        UsageError: If a number is out of range, or ``statistics`` of another length.

    Example:
        .. code-block:: python

            train_dataloader = dict(
                batch_size=8, sampler=dict(type='DefaultSampler', shuffle=True),
                batch_sampler=dict(type='CrossSampleBatchSampler', drop_last=True), ...)
    """

    def __init__(
        self,
        sampler: Sampler,
        batch_size: int,
        drop_last: bool = False,
        window: float = WINDOW,
        candidates: int = 64,
        group_size: int = 1,
        seed: int | None = None,
        statistics: SceneStatistics | None = None,
    ) -> None:
        if not isinstance(sampler, Sampler):
            raise UsageTypeError(f'sampler must be a torch Sampler, but got {sampler}')
        counts = dict(batch_size=batch_size, candidates=candidates, group_size=group_size)
        for name, value in counts.items():
            if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
                raise UsageError(f'{name} must be a positive integer, but got {name}={value}')
        if seed is not None and (not isinstance(seed, int) or seed < 0):
            raise UsageError(f'seed must be a whole number of at least 0 or None, but got {seed!r}')
        if not window >= 0:
            raise UsageError(f'window must be a number of seconds >= 0, but got window={window}')
        self.sampler = sampler  # DistSamplerSeedHook reaches set_epoch through this name
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.window = window
        self.candidates = candidates
        self.group_size = group_size
        self.seed = seed
        self.relaxed_pairs = 0
        dataset = getattr(sampler, 'dataset', getattr(sampler, 'data_source', None))
        if statistics is None:
            statistics = _statistics_of_all_ranks(dataset)
        elif dataset is not None and len(statistics) != len(dataset):
            raise UsageError(
                f'statistics must cover the {len(dataset)} scans of the data set, '
                f'but got those of {len(statistics)}'
            )
        self.statistics = statistics
        self._prepare(statistics)

    def _prepare(self, statistics: SceneStatistics) -> None:
        """Turn facts into the columns that the composition reads, once."""
        self._plain = not statistics.known
        if self._plain:
            warnings.warn(
                'CrossSampleBatchSampler finds neither scenes (no lidar_path) nor '
                'classes (no semantic masks) in this data set, so its batches are '
                'plain.',
                stacklevel=3,
            )
            return
        n = len(statistics)
        if statistics.scene is None:  # every scan its own scene: only repetitions are kept apart
            self._scene, self._time = np.arange(n), np.full(n, np.nan)
        else:
            self._scene = np.unique(statistics.scene, return_inverse=True)[1]
            self._time = statistics.time
        histogram = statistics.histogram
        self._visible = visibility(np.zeros((n, 0)) if histogram is None else histogram)  # (n, L)
        self._weight = rarity(self._visible)  # (L,)

    def __iter__(self) -> Iterator[list[int]]:
        """Batches of this rank and epoch."""
        stream = iter(self.sampler)
        length = max(len(self.sampler), self.batch_size)
        held: list[int] = []
        for stretch in count():
            # one more than a finite sampler has to offer tells whether there is more to come
            held = list(chain(held, islice(stream, length + 1 - len(held))))
            endless = len(held) > length
            n_now = len(held) - endless
            if endless or self.drop_last:
                n_now -= n_now % self.batch_size
            yield from self._compose(held[:n_now], stretch)
            held = held[n_now:]
            if not endless:
                return

    def _compose(self, indices: list[int], stretch: int) -> list[list[int]]:
        """Batches of some indices; a short one is the last."""
        return self._regroup(indices, self.batch_size, stretch)

    def _regroup(self, indices: list[int], batch_size: int, stretch: int) -> list[list[int]]:
        if self._plain or not indices:
            return [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]
        rows = np.asarray(indices)  # (n,)
        if rows.max() >= len(self._scene):
            raise IndexError(
                f'The sampler yields index {rows.max()}, but the statistics cover '
                f'{len(self._scene)} scans; was the data set changed after the '
                'batch sampler was built?'
            )
        batches, self.relaxed_pairs = compose_batches(
            self._scene[rows],
            self._time[rows],
            self._visible[rows],
            self._weight,
            batch_size,
            self.window,
            self.candidates,
            self._generator(stretch),
            self.group_size,
        )
        return [rows[batch].tolist() for batch in batches]

    def _generator(self, stretch: int) -> np.random.Generator:
        seed, epoch, rank, _ = self._place()
        return np.random.default_rng([seed, epoch, rank, stretch])

    def _place(self) -> tuple[int, int, int, int]:
        """Seed, epoch, rank and number of ranks, as the sampler knows them."""
        seed = self.seed if self.seed is not None else getattr(self.sampler, 'seed', 0)
        rank, world_size = get_dist_info()
        return (
            seed or 0,
            getattr(self.sampler, 'epoch', 0),
            getattr(self.sampler, 'rank', rank),
            getattr(self.sampler, 'world_size', world_size),
        )

    def __len__(self) -> int:
        """Batches per epoch."""
        short = 0 if self.drop_last else self.batch_size - 1
        return (len(self.sampler) + short) // self.batch_size


def _statistics_of_all_ranks(dataset: Dataset | None) -> SceneStatistics:
    """Let one process read the masks and tell the others, its failure included."""
    rank, world_size = get_dist_info()
    told = [None]
    if rank == 0:
        try:
            told = [scene_statistics(dataset)]
        except Exception as error:  # the others wait in the broadcast: they must hear of it
            told = [error]
    if world_size > 1:
        broadcast_object_list(told, src=0)
    if isinstance(told[0], Exception):
        raise told[0]
    return told[0]

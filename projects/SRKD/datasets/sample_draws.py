"""Random numbers that belong to the sample, whichever process loads it.

What a sample's pipeline draws (augmentation, partners of a mix, retries of a data set) follows from
(seed, epoch, index), not from what its process drew before: any number of workers, ranks and
resumes shows the same samples. The epoch travels with the index, so workers may live as long as
they like.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import NamedTuple

from torch.utils.data import BatchSampler, DataLoader, Dataset

from ..base import seeded

_SAMPLE = 1  # keeps these seeds apart from those of processes
# a loader's other arguments, by torch's names
_KEPT = (
    'num_workers', 'collate_fn', 'pin_memory', 'timeout', 'worker_init_fn',
    'multiprocessing_context', 'generator', 'prefetch_factor', 'persistent_workers',
    'pin_memory_device', 'in_order',
)  # fmt: skip


class Draw(NamedTuple):
    """A sample and what its random numbers follow from.

    Attributes:
        index: Of the sample in the data set.
        epoch: Pass over the data, or any other count >= 0.
        repeat: How often the pass has shown the sample before.
    """

    index: int
    epoch: int = 0
    repeat: int = 0


class SampleFetcher:
    """Fetches samples for a loader, each with generators seeded for it alone.

    It stands in the place of ``dataset.__getitems__``, by which torch's loaders ask for a batch, so
    the data set stays the object it is. Plain indices, as of a validation, are drawn as of epoch 0.

    Args:
        dataset: What holds the samples.
        seed: Of the run.
    """

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    @classmethod
    def install(cls, dataset: Dataset, seed: int) -> None:
        """Let loaders of ``dataset`` fetch by this class from now on."""
        dataset.__getitems__ = cls(dataset, seed)

    def __call__(self, draws: Sequence[Draw | int]) -> list:
        """The samples of one batch, in order."""
        return [self._fetch(draw if isinstance(draw, Draw) else Draw(draw)) for draw in draws]

    def _fetch(self, draw: Draw):
        with seeded(_SAMPLE, self.seed, draw.epoch, draw.repeat, draw.index):
            return self.dataset[draw.index]


class EpochDraws:
    """The batches of a batch sampler, as draws of the epoch in :attr:`epoch`.

    A batch sampler that shows a sample on several ranks tells by ``shown_before``, a mapping from
    index to count, how often those in front of this one do: no two draws are alike.
    """

    def __init__(self, batch_sampler: BatchSampler) -> None:
        self._batch_sampler = batch_sampler
        self.epoch = 0

    def __iter__(self) -> Iterator[list[Draw]]:
        before = getattr(self._batch_sampler, 'shown_before', dict)
        seen = Counter(before())
        for batch in self._batch_sampler:
            draws = []
            for index in batch:
                draws.append(Draw(index, self.epoch, seen[index]))
                seen[index] += 1
            yield draws

    def __len__(self) -> int:
        return len(self._batch_sampler)

    def __getattr__(self, name: str):  # hooks reach `sampler`, `window`... through this object
        if name == '_batch_sampler':  # an unpickled object has no attributes yet
            raise AttributeError(name)
        return getattr(self._batch_sampler, name)


def endless_draws(
    batch_sampler: BatchSampler, rank: int = 0, world_size: int = 1
) -> Iterator[list[Draw]]:
    """Go through a batch sampler again and again, as iteration-based loops do.

    Draws are numbered by their place in the stream of all ranks, which samplers like mmengine's
    ``InfiniteSampler`` deal out index by index: none is repeated, and the number of ranks does not
    matter.
    """
    places = count(rank, world_size)
    set_epoch = getattr(getattr(batch_sampler, 'sampler', None), 'set_epoch', lambda epoch: None)
    for epoch in count():
        set_epoch(epoch)
        for batch in batch_sampler:
            yield [Draw(index, next(places)) for index in batch]


def with_batches(loader: DataLoader, batches: Iterable[Sequence]) -> DataLoader:
    """The same loader over other batches.

    Args:
        loader: Any loader of batches; it may stay in use.
        batches: Indices of each batch, in the place of ``loader.batch_sampler``.
    """
    kept = {name: getattr(loader, name) for name in _KEPT if hasattr(loader, name)}
    return type(loader)(loader.dataset, batch_sampler=batches, **kept)

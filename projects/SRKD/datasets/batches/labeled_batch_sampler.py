"""Mini-batches each of which holds labeled scans, however few there are.

Shape letters: n indices of an epoch of one rank, B batch size, G batches, k labeled scans of a
batch, S places that labeled scans take.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from mmdet3d.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from ...base import UsageError
from .batch_composition import same_place
from .cross_sample_batch_sampler import CrossSampleBatchSampler

_OF_ROUNDS = 1  # keeps the order of labeled scans apart from the composition of batches


@DATA_SAMPLERS.register_module()
class LabeledBatchSampler(CrossSampleBatchSampler):
    """``CrossSampleBatchSampler`` whose batches all hold labeled scans.

    With 4 of 80 scans labeled (``PartialLabels``) four of five random batches of 4 have no label,
    and the task loss is zero there. Here every batch gets ``labeled_per_batch`` labeled scans, and
    the others in its remaining places. An epoch keeps its number of batches, so each labeled scan
    is shown several times in it, with other augmentation each time, and some of the unlabeled ones
    wait for another epoch. Where labeled scans are many, they keep their share of the data.

    Labeled scans come in rounds, each in an order of its own, so over all ranks and epochs their
    numbers differ by one at most (an endless sampler is a little less even). Batches follow from
    seed, epoch, rank and the order of ``sampler``; scans of one place are kept apart as far as the
    rounds allow.

    Args:
        sampler: As for ``CrossSampleBatchSampler``.
        batch_size: Scans per batch.
        labeled_per_batch: Labeled scans in each batch (in a last, short batch as many as fit).
        kwargs: As for ``CrossSampleBatchSampler``.

    Raises:
        UsageError: If no scan is labeled, or ``labeled_per_batch`` exceeds the batch or the
            labeled scans.

    Example:
        .. code-block:: python

            train_dataloader = dict(
                batch_size=4, drop_last=False, sampler=dict(type='DefaultSampler', shuffle=True),
                batch_sampler=dict(type='LabeledBatchSampler', drop_last=True), ...)
    """

    def __init__(
        self, sampler: Sampler, batch_size: int, labeled_per_batch: int = 1, **kwargs
    ) -> None:
        super().__init__(sampler, batch_size, **kwargs)
        labeled = self.statistics.labeled
        if labeled is None:  # nothing is hidden
            dataset = getattr(sampler, 'dataset', getattr(sampler, 'data_source', ()))
            labeled = np.ones(max(len(self.statistics), len(dataset)), dtype=bool)
        self._is_labeled = labeled  # one of each scan of the data set
        self._labeled = np.flatnonzero(labeled)
        if not len(self._labeled):
            raise UsageError(
                f'none of the {len(labeled)} scans of the data set is labeled, expected at least '
                'one for LabeledBatchSampler: join labeled scans by ConcatDataset, or take '
                'CrossSampleBatchSampler'
            )
        most = min(batch_size, len(self._labeled))
        if type(labeled_per_batch) is not int or not 1 <= labeled_per_batch <= most:
            raise UsageError(
                f'labeled_per_batch must be a whole number from 1 to {most} with batches of '
                f'{batch_size} and {len(self._labeled)} labeled scans, but got {labeled_per_batch}'
            )
        self.labeled_per_batch = labeled_per_batch

    def shown_before(self) -> Counter:
        """How often the ranks in front of this one show each labeled scan in this epoch."""
        length = len(self.sampler)
        if self.drop_last:
            length -= length % self.batch_size
        _, epoch, rank, world_size = self._place()
        places = self._labeled_places(length)
        return Counter(self._in_rounds(epoch * world_size * places, rank * places).tolist())

    def _compose(self, indices: list[int], stretch: int) -> list[list[int]]:
        if not indices:
            return []
        _, epoch, rank, world_size = self._place()
        rows = np.asarray(indices)  # (n,)
        places = self._labeled_places(len(rows))
        unlabeled = rows[~self._is_labeled[rows]]
        if not len(unlabeled):
            places = len(rows)
        first = ((epoch + stretch) * world_size + rank) * self._labeled_places(len(rows))
        labeled = self._in_rounds(first, places)  # (S,)
        unlabeled = np.resize(unlabeled, len(rows) - places)  # a few again if there are too few

        sizes = [min(self.batch_size, len(rows) - i) for i in range(0, len(rows), self.batch_size)]
        reserved = sum(min(self.labeled_per_batch, size) for size in sizes)
        others = [*unlabeled.tolist(), *labeled[reserved:].tolist()]
        self.relaxed_pairs = 0
        spare = self.batch_size - self.labeled_per_batch
        batches = self._regroup(others, spare, stretch) if spare else []
        batches += [[] for _ in range(len(sizes) - len(batches))]
        return self._filled(batches, sizes, labeled[:reserved])

    def _labeled_places(self, length: int) -> int:
        """S of n: k of each batch, or the share of labeled scans in the data if that is more."""
        full, rest = divmod(length, self.batch_size)
        needed = full * self.labeled_per_batch + min(rest, self.labeled_per_batch)
        return max(needed, round(length * len(self._labeled) / len(self._is_labeled)))

    def _in_rounds(self, first: int, length: int) -> np.ndarray:
        """Labeled scans ``first`` to ``first + length`` of an endless row of rounds."""
        seed, size = self._place()[0], len(self._labeled)
        rounds = range(first // size, -(-(first + length) // size))
        # five numbers, where those of the batches are four: padded, shorter ones could be equal
        orders = [
            np.random.default_rng([seed, each, 0, 0, _OF_ROUNDS]).permutation(size)
            for each in rounds
        ]
        start = first % size
        order = np.concatenate([np.zeros(0, np.int64), *orders])[start : start + length]
        return self._labeled[order]

    def _filled(self, batches, sizes: list[int], labeled: np.ndarray) -> list[list[int]]:
        """Give every batch labeled scans up to its size, of other places than its members'."""
        waiting = labeled.tolist()
        for batch, size in zip(batches, sizes):
            while len(batch) < size:
                first = np.array(waiting[: self.candidates])
                met = self._met(first, np.array(batch, dtype=np.int64))
                best = int(met.argmin())  # the first of equals: it waits longest
                self.relaxed_pairs += int(met[best])
                batch.append(waiting.pop(best))
        return batches

    def _met(self, candidates: np.ndarray, members: np.ndarray) -> np.ndarray:
        """How many members of a batch show the place of each candidate."""
        one, other = candidates[:, None], members[None]
        same = one == other
        if not self._plain:
            place = (self._scene[one], self._time[one], self._scene[other], self._time[other])
            same |= same_place(*place, self.window)
        return same.sum(axis=1)

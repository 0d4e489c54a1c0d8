"""Which scans meet in one mini-batch: the greedy composition behind ``CrossSampleBatchSampler``.

Shape letters: n scans, L classes, B batch size, G batches, k scans of a pool, Q trial exchanges.

Numpy only, a pure function of its arguments: the same arrays and the same generator give the same
batches. Cost is O(n * candidates); an epoch of 28,130 scans takes well under two seconds.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

N_DRAWN = 1024
"""Points that SRKD's cross-sample term draws from each cloud (CSMBGD)."""

_ROUNDS, _PATIENCE = 4, 64  # of the exchange: passes, failures in a row
_PRICE = 0.5
"""Weight of the classes that a scan brings along, shared or not: rare scans are no fillers."""


def visibility(histogram: np.ndarray, n_drawn: int = N_DRAWN) -> np.ndarray:
    """Probability that a draw of ``n_drawn`` points from a scan contains a class.

    A class that a scan holds with three points out of 100,000 is in the file, yet the
    cross-sample term will hardly ever see it; this is presence as that term meets it.

    Args:
        histogram: (n, L) points per scan and class, ignored points left out.
        n_drawn: Points drawn from each cloud.

    Returns:
        (n, L) float32 in [0, 1]; a scan without a valid point gets zeros.

    Example:
        >>> visibility(np.array([[4, 0], [1, 1], [0, 0]]), n_drawn=2).tolist()
        [[1.0, 0.0], [0.75, 0.75], [0.0, 0.0]]
    """
    value = histogram / -np.maximum(histogram.sum(axis=1, keepdims=True), 1)  # (n, L), then reused
    with np.errstate(divide='ignore'):  # log1p(-1) = -inf is right: such a class is always drawn
        np.multiply(np.log1p(value, out=value), n_drawn, out=value)
    return np.negative(np.expm1(value, out=value), out=value).astype(np.float32)  # (n, L)


def rarity(visible: np.ndarray) -> np.ndarray:
    """Weight of a class, -log of the share of scans that show it (nats).

    Sharing a wall says nothing when every room has one; sharing a bathtub does. Classes that no
    scan shows weigh 0.

    Args:
        visible: (n, L) from :func:`visibility`.

    Returns:
        (L,) float32, >= 0.

    Example:
        >>> rarity(np.array([[1, 1, 0], [1, 0, 0]])).round(3)
        array([0.   , 0.693, 0.   ], dtype=float32)
    """
    share = visible.mean(axis=0) if len(visible) else np.zeros(visible.shape[1])
    return np.log(1 / np.where(share > 0, share, 1.0)).astype(np.float32)  # (L,)


def same_place(scene_a, time_a, scene_b, time_b, window: float) -> np.ndarray:
    """Whether two scans show one place: the same scene, less than ``window`` seconds apart.

    Arguments broadcast. A time of NaN means that the scene is not a sequence (a room scanned
    twice, a crop of it): then the scene alone decides.

    Example:
        >>> same_place(7, np.array([0., 5., 30.]), 7, 0., window=20.).tolist()
        [True, True, False]
        >>> bool(same_place('scene0000', np.nan, 'scene0000', np.nan, window=20.))
        True
    """
    # `~(>=)`, not `<`: a comparison with NaN is False and must end in "one place"
    apart = np.abs(np.subtract(time_a, time_b)) >= window
    return np.equal(scene_a, scene_b) & ~apart


def compose_batches(
    scene: np.ndarray,
    time: np.ndarray,
    visible: np.ndarray,
    weight: np.ndarray,
    batch_size: int,
    window: float,
    candidates: int,
    rng: np.random.Generator,
    group_size: int = 2,
) -> tuple[list[np.ndarray], int]:
    r"""Share scans out into batches that hold pairs worth comparing.

    Scans are gathered in groups of ``group_size``, one group at a time: the scan that waits longest
    opens it; among ``candidates`` waiting scans (half of them hold the rarest class that the opener
    shows) the one joins that meets the fewest scans of its own place and, among those, has the
    largest

    .. math:: \sum_c w_c v_c \left(P_c(1) + \frac{1}{m} \sum_{j=1}^{m} v_{jc} - \frac12\right)

    with the class weight w, the visibility v of the candidate and v_j of the m members so far, and
    the probability P(1) that exactly one member shows the class: it makes new classes comparable,
    it resembles the members, and it is not worth more elsewhere.

    A batch is a random draw of groups, so that it still resembles the data set: batches of scans
    that all resemble each other starve batch normalization and the optimizer of variety. Pairs of
    one place are then exchanged against other batches wherever that helps.

    Args:
        scene: (n,) scene id, integers.
        time: (n,) seconds within the scene, NaN where it is no sequence.
        visible: (n, L) from :func:`visibility`; L = 0 if classes are unknown.
        weight: (L,) from :func:`rarity`.
        batch_size: B; the last batch holds the rest.
        window: Seconds below which two scans of one scene show one place.
        candidates: Waiting scans considered for each group.
        rng: Source of every random choice.
        group_size: Scans chosen for each other; B makes the whole batch one group.

    Returns:
        The batches (row numbers, each exactly once, in random order but a short batch last), and
        the number of pairs of one place that could not be avoided.
    """
    n = len(scene)
    scans = _Scans(scene, time, visible, (visible * weight).astype(np.float32), window)
    sizes = _group_sizes(n, batch_size, min(group_size, batch_size))
    groups = _gather_groups(scans, sorted(chain.from_iterable(sizes))[::-1], candidates, rng)
    batches = _deal(groups, sizes, rng)
    clashes = _exchange(batches, scans, trials=16 * max(candidates, 2 * batch_size), rng=rng)
    n_full = n // batch_size
    return [batches[i] for i in rng.permutation(n_full)] + batches[n_full:], clashes


def _group_sizes(n: int, batch_size: int, group_size: int) -> list[list[int]]:
    """Sizes of the groups of every batch: as many whole groups as fit, and the rest."""

    def split(size: int) -> list[int]:
        return [group_size] * (size // group_size) + [size % group_size] * (size % group_size > 0)

    whole, rest = divmod(n, batch_size)
    return [split(batch_size)] * whole + [split(rest)] * (rest > 0)


def _gather_groups(scans, sizes: list[int], candidates: int, rng) -> list[np.ndarray]:
    """Gather groups of the given sizes, largest first: those have the widest choice."""
    order = rng.permutation(len(scans.scene))
    if len(sizes) == len(order):  # whoever opens a group is all of it
        return list(order[:, None])
    waiting = np.ones(len(order), dtype=bool)
    everyone = _Queue(order, waiting)
    holders = [
        _Queue(order[scans.visible[order, c] > 0.5], waiting) for c in range(scans.visible.shape[1])
    ]
    groups = []
    for size in sizes:
        opener = everyone.peek(1)
        waiting[opener] = False
        considered = max(candidates, 2 * size)  # enough to fill a group from
        pool = everyone.peek(considered)
        if holders:
            rare = holders[scans.weighted[opener[0]].argmax()].peek(considered // 2)
            pool = np.unique(np.concatenate([rare, pool[: considered - len(rare)]]))
        group, clashes = _gather(opener[0], pool, scans, size)
        if (clashes or len(group) < size) and len(wider := everyone.peek(16 * considered)):
            group, _ = min(
                (group, clashes),
                _gather(opener[0], wider, scans, size),
                key=lambda found: (-len(found[0]), found[1]),
            )
        waiting[group] = False
        groups.append(group)
    return groups


def _deal(groups: list[np.ndarray], sizes: list[list[int]], rng) -> list[np.ndarray]:
    """Draw the groups of every batch at random among those of its sizes."""
    drawn = {}
    for i in rng.permutation(len(groups)):
        drawn.setdefault(len(groups[i]), []).append(groups[i])
    return [np.concatenate([drawn[size].pop() for size in batch]) for batch in sizes]


class _Scans:
    """The columns that the composition reads, and the one question it asks of them."""

    def __init__(self, scene, time, visible, weighted, window):
        self.scene, self.time, self.window = scene, time, window  # (n,), (n,)
        self.visible, self.weighted = visible, weighted  # (n, L), (n, L)

    def clash(self, a, b) -> np.ndarray:
        return same_place(self.scene[a], self.time[a], self.scene[b], self.time[b], self.window)


class _Queue:
    """Scans in a fixed order, some of them taken meanwhile; forgets those now and then."""

    def __init__(self, items: np.ndarray, waiting: np.ndarray):
        self.items, self.waiting = items, waiting

    def peek(self, count: int) -> np.ndarray:
        """The first ``count`` that still wait (fewer if there are fewer), left in the queue."""
        head = self.items[: 2 * count]
        head = head[self.waiting[head]]
        if len(head) < count and len(self.items) > 2 * count:
            # at least `count` scans were taken since the last time, so this is paid for
            self.items = self.items[self.waiting[self.items]]
            head = self.items
        return head[:count]


def _gather(opener, pool, scans, size) -> tuple[np.ndarray, int]:
    """Fill a group from ``pool`` (k,) one scan at a time; how many pairs of one place it holds."""
    group, clashes = [opener], 0
    pool_clashes = np.zeros(len(pool), dtype=np.int64)  # (k,) with the members so far
    gain_of = scans.weighted[pool]  # (k, L)
    price = _PRICE * gain_of.sum(axis=1)  # (k,)
    nobody = np.ones(scans.visible.shape[1], dtype=np.float32)  # (L,) P(no member shows it)
    single = np.zeros_like(nobody)  # (L,) P(exactly one member does)
    shown = np.zeros_like(nobody)  # (L,) expected number of members that do
    while True:
        new = scans.visible[group[-1]]  # (L,)
        single = single * (1 - new) + nobody * new
        nobody = nobody * (1 - new)
        shown = shown + new
        if len(group) == size or len(group) > len(pool):
            return np.array(group), clashes
        pool_clashes += scans.clash(pool, group[-1])
        score = gain_of @ (single + shown / len(group)) - price  # (k,)
        score[pool_clashes > pool_clashes.min()] = -np.inf
        best = score.argmax()
        clashes += int(pool_clashes[best])
        group.append(pool[best])
        pool_clashes[best] = np.iinfo(np.int64).max // 2  # taken


def _exchange(batches, scans, trials, rng) -> int:
    """Exchange scans that meet their own place against scans of other batches, in place.

    Looks at ``trials`` places for each such scan and takes the exchange that leaves the fewest
    pairs; gives up when the data set plainly cannot do better. Returns the pairs that remain.
    """
    if not batches:
        return 0
    table = np.full((len(batches), len(batches[0])), -1)  # (G, B), -1: no scan
    for row, batch in zip(table, batches):
        row[: len(batch)] = batch
    slots = np.argwhere(table >= 0)  # (n, 2)

    for _ in range(_ROUNDS):
        if not _exchange_once(table, slots, scans, trials, rng):
            break
    batches[:] = [row[row >= 0] for row in table]
    return int(_clashes_within(table, scans).sum()) // 2


def _exchange_once(table, slots, scans, trials, rng) -> int:
    """One pass of :func:`_exchange` over the scans that meet their own place; exchanges made."""
    made = failures = 0
    for g, b in np.argwhere(_clashes_within(table, scans).any(axis=2)):
        met = _met(table[g], b, table[g, b], scans)
        if not met:  # an earlier exchange has already helped
            continue
        tried = slots if len(slots) <= trials else slots[rng.integers(len(slots), size=trials)]
        tried = tried[tried[:, 0] != g]
        other, j = tried[:, 0], tried[:, 1]  # (Q,)
        change = (
            _met(table[g], b, table[other, j], scans)
            + _met(table[other], j, table[g, b], scans)
            - met
            - _met(table[other], j, table[other, j], scans)
        )  # (Q,)
        if len(change) and change.min() < 0:
            best = change.argmin()
            there = other[best], j[best]
            table[g, b], table[there] = table[there], table[g, b]
            made, failures = made + 1, 0
        elif (failures := failures + 1) == _PATIENCE:
            break
    return made


def _clashes_within(table, scans) -> np.ndarray:
    """(G, B) scans, -1 for none -> (G, B, B) which members of a batch show one place."""
    real = table >= 0
    off_diagonal = ~np.eye(table.shape[1], dtype=bool)
    return (
        scans.clash(table[:, :, None], table[:, None, :])
        & real[:, :, None]
        & real[:, None, :]
        & off_diagonal
    )


def _met(members, slot, scan, scans):
    """Members of one place with ``scan`` if it sat at ``slot``; arguments may have a Q axis."""
    members, slot, scan = np.asarray(members), np.asarray(slot), np.asarray(scan)
    counted = (members >= 0) & (np.arange(members.shape[-1]) != slot[..., None])
    return (scans.clash(members, scan[..., None]) & counted).sum(axis=-1)

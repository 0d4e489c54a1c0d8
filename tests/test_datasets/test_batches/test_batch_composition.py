"""Composition on scans whose best batches are known, and properties over sizes and seeds."""

import time as clock
import tracemalloc
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from projects.SRKD.datasets.batches import batch_composition
from projects.SRKD.datasets.batches.batch_composition import (
    compose_batches,
    rarity,
    same_place,
    visibility,
)

NAN = float('nan')


def compose(
    scene,
    time=None,
    histogram=None,
    batch_size=2,
    window=20.0,
    candidates=64,
    seed=0,
    group_size=2,
):
    n = len(scene)
    time = np.full(n, NAN) if time is None else np.asarray(time, dtype=float)
    visible = visibility(np.zeros((n, 0)) if histogram is None else np.asarray(histogram))
    return compose_batches(
        np.asarray(scene),
        time,
        visible,
        rarity(visible),
        batch_size,
        window,
        candidates,
        np.random.default_rng(seed),
        group_size,
    )


def count_clashes(batches, scene, time=None, window=20.0):
    """Pairs of one place, by a loop."""
    found = 0
    for batch in batches:
        for i, j in combinations(batch, 2):
            near = time is None or abs(time[i] - time[j]) < window
            found += scene[i] == scene[j] and near
    return found


def rooms(n, n_classes, n_rooms, seed):
    """Crops of rooms; some classes are everywhere, some in one room of a hundred."""
    rng = np.random.default_rng(seed)
    share = np.geomspace(0.99, 0.01, n_classes)
    furnished = rng.random((n_rooms, n_classes)) < share
    scene = rng.integers(n_rooms, size=n)
    return scene, furnished[scene] * rng.integers(50, 20000, size=(n, n_classes))


def test_visibility_is_the_chance_that_a_draw_holds_the_class():
    histogram = np.array([[3, 1, 0], [0, 0, 7], [0, 0, 0], [100000, 10, 1]])
    for n_drawn in (1, 5, 1024):
        for row, counts in zip(visibility(histogram, n_drawn), histogram):
            expected = [1 - (1 - c / max(counts.sum(), 1)) ** n_drawn for c in counts.tolist()]
            np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-7)


def test_rarity_is_the_surprise_of_meeting_a_class():
    visible = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 1], [1, 0, 0, 1]], np.float32)
    np.testing.assert_allclose(rarity(visible), [0, np.log(4), 0, np.log(2)], rtol=1e-6)
    assert rarity(np.zeros((0, 3))).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    'a, b, expected',
    [
        ((0, NAN), (0, NAN), True),
        ((0, NAN), (1, NAN), False),
        ((0, 5.0), (0, 24.9), True),
        ((0, 5.0), (0, 25.0), False),
        ((0, 5.0), (1, 5.0), False),
        ((0, 5.0), (0, NAN), True),
    ],
)
def test_one_place_is_one_scene_within_the_window(a, b, expected):
    assert same_place(*a, *b, window=20.0) == expected
    assert same_place(*b, *a, window=20.0) == expected


@pytest.mark.parametrize('n', [0, 1, 2, 7, 8, 9, 63, 200])
@pytest.mark.parametrize('batch_size', [1, 2, 3, 8, 300])
@pytest.mark.parametrize('candidates', [1, 5, 64])
def test_every_scan_appears_exactly_once_and_only_the_last_batch_is_short(
    n, batch_size, candidates
):
    scene, histogram = rooms(n, 6, 12, seed=n)
    batches, clashes = compose(
        scene, histogram=histogram, batch_size=batch_size, candidates=candidates
    )
    assert sorted(np.concatenate([*batches, []]).tolist()) == list(range(n))
    assert [len(b) for b in batches] == [batch_size] * (n // batch_size) + (
        [n % batch_size] if n % batch_size else []
    )
    assert clashes == count_clashes(batches, scene)


@pytest.mark.parametrize(
    'scene, batch_size',
    [
        ([0] * 4 + [1] * 4, 2),  # every pair needs one crop of each room
        ([0] * 4 + [1] * 2 + [2] * 2, 2),  # every batch needs room 0
        ([0] * 5 + [1] * 5 + [2] * 5 + [3] * 5, 4),
        ([0] * 2 + list(range(1, 15)), 16 // 2),
    ],
)
@pytest.mark.parametrize('seed', range(20))
def test_crops_of_one_room_never_meet_when_that_is_possible(scene, batch_size, seed):
    batches, clashes = compose(scene, batch_size=batch_size, seed=seed)
    assert clashes == count_clashes(batches, scene) == 0


@pytest.mark.parametrize('seed', range(5))
def test_frames_of_one_sequence_keep_the_window(seed):
    time = np.arange(200.0)
    scene = np.zeros(200, int)
    batches, clashes = compose(scene, time, batch_size=4, window=20.0, seed=seed)
    assert clashes == count_clashes(batches, scene, time) == 0


@pytest.mark.parametrize('seed', range(5))
def test_a_window_that_hardly_fits_is_kept_by_nearly_all_pairs(seed):
    time = np.arange(100.0)  # only offsets near 25 s leave room for four frames 20 s apart
    scene = np.zeros(100, int)
    batches, clashes = compose(scene, time, batch_size=4, window=20.0, seed=seed)
    plain = np.random.default_rng(seed).permutation(100).reshape(-1, 4)
    assert clashes == count_clashes(batches, scene, time) <= 10
    assert count_clashes(plain, scene, time) >= 40


def test_too_few_rooms_are_spread_as_evenly_as_can_be():
    # of 3 rooms a batch of 8 takes 3 + 3 + 2 crops at best: 3 + 3 + 1 pairs of one room
    scene = np.arange(240) % 3
    batches, clashes = compose(scene, batch_size=8)
    assert clashes == count_clashes(batches, scene) == 30 * 7


def test_a_single_room_is_relaxed_and_counted():
    batches, clashes = compose([5] * 10, batch_size=4)
    assert clashes == 6 + 6 + 1


@pytest.mark.parametrize('seed', range(5))
def test_the_few_scans_with_a_rare_class_meet_each_other(seed):
    histogram = np.tile([900, 100, 0], (300, 1))
    histogram[::30, 2] = 50  # ten scans of three hundred
    batches, _ = compose(np.arange(300), histogram=histogram, seed=seed, candidates=8)
    met = Counter(int((histogram[b, 2] > 0).sum()) for b in batches)
    assert met == {2: 5, 0: 145}


def class_overlap(batches, held):
    """Mean Jaccard overlap of the pairs of every batch."""
    return np.mean(
        [
            (held[i] & held[j]).sum() / max((held[i] | held[j]).sum(), 1)
            for b in batches
            for i, j in combinations(b, 2)
        ]
    )


def rare_shared(batches, held):
    """Share of a batch's rarer classes that two of its scans hold."""
    rare = held[:, np.argsort(held.mean(axis=0))[:10]]
    counts = np.concatenate([rare[b].sum(axis=0) for b in batches])
    return np.mean(counts[counts > 0] > 1)


def variety(batches, held):
    """Variance of the batches' class shares, in units of that of plain batches (expected)."""
    share = np.stack([held[b].mean(axis=0) for b in batches])  # (G, L)
    return np.mean(share.var(axis=0) * len(batches[0]) / held.var(axis=0))


@pytest.mark.parametrize('batch_size, group_size, least', [(2, 2, 0.7), (8, 8, 0.55)])
def test_scans_of_a_group_share_more_classes_than_plain_batches(batch_size, group_size, least):
    scene, histogram = rooms(1200, 20, 700, seed=0)
    held = histogram > 0
    batches, clashes = compose(
        scene, histogram=histogram, batch_size=batch_size, group_size=group_size
    )
    plain = np.random.default_rng(0).permutation(1200).reshape(-1, batch_size)
    assert clashes == 0 < count_clashes(plain, scene)
    assert class_overlap(batches, held) > least > class_overlap(plain, held) + 0.1


@pytest.mark.parametrize('batch_size', [4, 8])
def test_pairs_make_rare_classes_comparable_and_keep_the_batch_varied(batch_size):
    scene, histogram = rooms(1200, 20, 700, seed=0)
    held = histogram > 0
    plain = np.random.default_rng(0).permutation(1200).reshape(-1, batch_size)
    pairs, clashes = compose(scene, histogram=histogram, batch_size=batch_size)
    alike, _ = compose(scene, histogram=histogram, batch_size=batch_size, group_size=batch_size)
    assert clashes == 0
    assert rare_shared(pairs, held) > rare_shared(plain, held) + 0.2
    assert variety(plain, held) == pytest.approx(1, abs=0.1)
    # independent pairs of equal scans would be 2, batches of equal scans their size
    assert variety(pairs, held) < 1.9 < 0.75 * variety(alike, held)


@pytest.mark.parametrize('batch_size, group_size', [(5, 2), (7, 3), (2, 5), (3, 1)])
@pytest.mark.parametrize('n', [0, 1, 4, 34, 35, 36])
def test_groups_that_do_not_fill_a_batch_lose_nothing(n, batch_size, group_size):
    scene, histogram = rooms(n, 6, 12, seed=n)
    batches, _ = compose(scene, histogram=histogram, batch_size=batch_size, group_size=group_size)
    assert sorted(np.concatenate([*batches, []]).tolist()) == list(range(n))
    assert {len(b) for b in batches[: n // batch_size]} <= {batch_size}


def test_batches_follow_from_the_generator_alone():
    scene, histogram = rooms(100, 5, 30, seed=1)
    first, again, other = (
        compose(scene, histogram=histogram, batch_size=4, seed=s)[0] for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize('batch_size', [2, 8])
def test_an_epoch_of_nuscenes_takes_a_moment(batch_size):
    scene, histogram = rooms(28130, 16, 850, seed=0)
    time = np.random.default_rng(0).random(28130) * 400
    start = clock.process_time()
    compose(scene, time, histogram, batch_size=batch_size)
    assert clock.process_time() - start < 4  # 1.2 s on one idle core


def test_scans_that_are_chosen_for_no_other_are_not_compared(monkeypatch):
    scene, histogram = rooms(60, 7, 25, 0)
    monkeypatch.setattr(batch_composition, '_gather', None)  # whoever called it would fail
    batches, clashes = compose(scene, histogram=histogram, batch_size=4, group_size=1)
    assert sorted(np.concatenate(batches).tolist()) == list(range(60)) and clashes == 0


def test_visibility_needs_one_copy_of_the_histogram_beside_its_result():
    histogram = np.random.default_rng(0).integers(0, 9, (20_000, 50))
    tracemalloc.start()
    try:
        visible = visibility(histogram)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.1 * (histogram.nbytes + visible.nbytes)

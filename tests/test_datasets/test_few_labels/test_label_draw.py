"""Draws of scans: every class among them if that can be had; seed and data alone decide."""

import numpy as np
import pytest

from projects.SRKD.datasets.few_labels import label_draw
from projects.SRKD.datasets.few_labels.label_draw import draw_scans


def rare(n=40, places=(3, 17), points=300):
    """A class that all scans have, and one for each of some places alone."""
    histogram = np.zeros((n, 1 + len(places)), np.int64)
    histogram[:, 0] = 1000
    histogram[list(places), np.arange(1, 1 + len(places))] = points
    return histogram


@pytest.mark.parametrize('seed', range(5))
def test_every_class_is_among_the_drawn_scans(seed):
    drawn = draw_scans(4, 40, seed, rare())
    assert len(set(drawn.tolist())) == 4 and sorted(drawn) == drawn.tolist()
    assert {3, 17} <= set(drawn.tolist())


def test_a_draw_follows_from_its_seed():
    draws = [draw_scans(3, 40, seed, rare()).tolist() for seed in (0, 0, 1, 2, 3)]
    assert draws[0] == draws[1] and len({tuple(drawn) for drawn in draws}) > 2
    plain = [draw_scans(3, 40, seed).tolist() for seed in (0, 0, 1)]
    assert plain[0] == plain[1] != plain[2]


def test_without_counts_the_draw_is_uniform():
    seen = np.zeros(10)
    for seed in range(2000):
        seen[draw_scans(2, 10, seed)] += 1
    assert np.abs(seen - 400).max() < 5 * np.sqrt(2000 * 0.2 * 0.8)


def test_the_good_draws_are_equally_likely():
    # scans 0 and 1 hold the class that others lack: a draw of two needs one of them at least
    histogram = np.array([[300], [300], [0], [0]])
    seen = [tuple(draw_scans(2, 4, seed, histogram).tolist()) for seed in range(1000)]
    counts = {pair: seen.count(pair) for pair in set(seen)}
    assert set(counts) == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)}
    assert max(abs(count - 200) for count in counts.values()) < 5 * np.sqrt(1000 * 0.2 * 0.8)


def test_what_cannot_be_had_is_had_as_far_as_it_goes():
    three = rare(20, (2, 5, 9))
    drawn = draw_scans(2, 20, 0, three, draws=3000)
    assert (three[drawn].sum(0) > 0).sum() == 3  # of four classes, as many as two scans can hold
    few = np.array([[50, 9], [190, 0], [120, 0], [0, 0]])  # too few points in all scans together
    assert draw_scans(1, 4, 0, few).tolist() == [0]
    assert 0 in draw_scans(2, 4, 0, few, min_points=200)
    draws = {tuple(draw_scans(3, 40, seed, np.ones((40, 3), int)).tolist()) for seed in range(9)}
    assert len(draws) == 9  # of draws that are all alike each seed keeps its first


def test_a_class_without_a_point_anywhere_asks_for_nothing(monkeypatch):
    histogram = np.hstack([np.full((9, 1), 500), np.zeros((9, 1), np.int64)])
    assert draw_scans(2, 9, 3, histogram).tolist() == draw_scans(2, 9, 3).tolist()


def test_draws_are_bounded():
    histogram = rare(40, range(12))  # five scans cannot hold twelve rare classes
    for draws in (1, 2, 50):
        drawn = draw_scans(5, 40, 0, histogram, draws=draws)
        assert len(drawn) == 5
    assert draw_scans(5, 40, 0, histogram, draws=1).tolist() == draw_scans(5, 40, 0).tolist()


def test_all_scans_are_all_scans():
    assert draw_scans(4, 4, 0, np.zeros((4, 2), int)).tolist() == [0, 1, 2, 3]


def test_a_class_that_no_draw_can_give_enough_points_of_is_not_waited_for(monkeypatch):
    scores = []
    score = label_draw._score
    monkeypatch.setattr(label_draw, '_score', lambda *given: scores.append(1) or score(*given))
    histogram = np.full((50_000, 3), 1000)
    histogram[:, 1] = 0
    histogram[7, 1], histogram[::2, 2] = 199, 0  # one point short, in one scan of all
    drawn = draw_scans(25_000, 50_000, 0, histogram)
    assert 7 in drawn and len(scores) < 50  # of up to 10,000

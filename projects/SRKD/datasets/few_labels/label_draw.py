"""Which scans keep their labels: a draw that no class is lost in, if that can be had.

Shape letters: n scans, k of them drawn, L classes.
"""

from __future__ import annotations

import numpy as np

DRAWS = 10_000
"""Draws that are tried; of 80 rooms and 20 classes they take 0.3 s."""


def draw_scans(
    count: int,
    total: int,
    seed: int,
    histogram: np.ndarray | None = None,
    min_points: int = 200,
    draws: int = DRAWS,
) -> np.ndarray:
    """Draw scans, again and again until every class that occurs is among them.

    Every draw is uniform; the first that is good enough is taken, so the result is uniform among
    the good ones. A class that has too few points in all scans together cannot be had and is not
    waited for. Without a good one it is the first of those that lack the fewest classes and, of
    these, have the fewest with too few points.

    Args:
        count: k.
        total: n.
        seed: Of the draws; they follow from it and the arguments alone.
        histogram: (n, L) points per scan and class; None: the first draw is taken.
        min_points: Points that a class must have in the drawn scans together.
        draws: Largest number of draws.

    Returns:
        (k,) int64, ascending.

    Example:
        >>> histogram = np.array([[300, 0], [300, 0], [300, 250], [300, 0]])
        >>> draw_scans(1, 4, seed=0, histogram=histogram).tolist()
        [2]
    """
    rng = np.random.default_rng(seed)
    best = np.sort(rng.choice(total, count, replace=False))
    if histogram is None or count == total:
        return best
    points = histogram[:, histogram.any(axis=0)]  # (n, classes that occur)
    best_possible = _score(points, min_points)  # a class may lack points in all scans together
    best_score = _score(points[best], min_points)
    for _ in range(draws - 1):
        if best_score == best_possible:
            break
        drawn = np.sort(rng.choice(total, count, replace=False))
        score = _score(points[drawn], min_points)
        if score < best_score:
            best, best_score = drawn, score
    return best


def _score(points: np.ndarray, min_points: int) -> tuple[int, int]:
    """Classes without a point, and classes with too few; less is better.

    No finer, or all seeds would end at one best draw where none is good.
    """
    points = points.sum(axis=0)
    return int((points == 0).sum()), int((points < min_points).sum())

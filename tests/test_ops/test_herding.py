"""Herding: the first rows, however many, have about the mean of all."""

import itertools

import numpy as np
import pytest
import torch

from projects.SRKD.ops.herding import herding_order


def herded(rows: np.ndarray) -> list[int]:
    """The same by loops over rows and columns, in float64."""
    count, width = rows.shape
    mean = [sum(float(row[c]) for row in rows) / count for c in range(width)]
    order: list[int] = []
    for k in range(1, count + 1):
        best, least = -1, np.inf
        for i in range(count):
            if i in order:
                continue
            far = 0.0
            for c in range(width):
                total = float(rows[i, c]) + sum(float(rows[j, c]) for j in order)
                far += (mean[c] - total / k) ** 2
            if far < least:
                best, least = i, far
        order.append(best)
    return order


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.float16])
@pytest.mark.parametrize('shape', [(1, 3), (2, 1), (7, 1), (16, 20), (5, 40)])
def test_it_is_the_loop(shape, dtype):
    torch.manual_seed(sum(shape))
    rows = torch.randn(shape, dtype=torch.float64).softmax(1 if shape[1] > 1 else 0).to(dtype)
    assert herding_order(rows) == herded(rows.double().numpy())


def test_equal_rows_come_in_their_order():
    assert herding_order(torch.ones(4, 2)) == [0, 1, 2, 3]
    assert herding_order(torch.zeros(0, 2)) == []


def test_the_first_rows_lie_nearer_to_the_mean_than_random_ones():
    torch.manual_seed(0)
    ratios = []
    for _ in range(20):
        rows = torch.randn(12, 6, dtype=torch.float64).softmax(1)
        far = {
            some: (rows[list(some)].mean(0) - rows.mean(0)).norm().item()
            for some in itertools.combinations(range(12), 4)
        }
        chosen = far[tuple(sorted(herding_order(rows)[:4]))]
        assert chosen < np.median([*far.values()])
        ratios.append(chosen / np.sqrt(np.mean(np.square([*far.values()]))))
    assert np.mean(ratios) < 0.5

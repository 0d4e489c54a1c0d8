import math

import pytest
import torch

from projects.SRKD.analysis.agreement.calibration import Calibration
from projects.SRKD.base import UsageError


def by_loops(probability, right, bins):
    places = [[] for _ in range(bins)]
    for p, hit in zip(probability.tolist(), right.tolist()):
        for number in range(bins):
            if number / bins < p <= (number + 1) / bins:
                places[number].append((p, hit))
    error, curve = 0.0, []
    for held in places:
        count = len(held)
        if not count:
            curve.append((0, math.nan, math.nan))
            continue
        confidence = sum(p for p, _ in held) / count
        accuracy = sum(hit for _, hit in held) / count
        curve.append((count, confidence, accuracy))
        error += count / len(probability) * abs(accuracy - confidence)
    return error, curve


@pytest.mark.parametrize('points, bins', [(1, 15), (83, 15), (83, 1), (83, 4)])
def test_error_and_curve_are_those_of_loops(points, bins):
    probability = torch.rand(points, dtype=torch.float64)
    right = torch.rand(points) < probability
    of = Calibration(bins)
    of.add(probability[:30], right[:30])
    of.add(probability[30:], right[30:])
    found, (error, curve) = of.result(), by_loops(probability, right, bins)
    assert found.ece == pytest.approx(error, abs=1e-12)
    for count, confidence, accuracy, expected in zip(*found[:3], curve, strict=True):
        assert (count, confidence, accuracy) == pytest.approx(expected, nan_ok=True)


def test_edges_belong_to_the_bin_below():
    of = Calibration(4)
    of.add(torch.tensor([0.25, 0.5, 1.0, 0.0]), torch.ones(4, dtype=torch.bool))
    assert of.result().points == [2, 1, 0, 1]


def test_a_sure_network_that_is_always_right_has_no_error():
    of = Calibration()
    of.add(torch.ones(5), torch.ones(5, dtype=torch.bool))
    assert of.result().ece == 0.0


def test_no_points_and_no_bins_are_refused():
    with pytest.raises(UsageError, match='calibration needs a point with a label, but got none'):
        Calibration().result()
    with pytest.raises(UsageError, match='bins must be a whole number of at least 1, but got 0'):
        Calibration(0)

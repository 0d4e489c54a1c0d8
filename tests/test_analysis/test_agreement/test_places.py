import math

import pytest
import torch

from projects.SRKD.analysis.agreement.places import ROOM, STREET, AccuracyBy, crowd, distance
from projects.SRKD.base import UsageError


def test_accuracy_is_that_of_loops_in_every_bin():
    edges = (0.0, 1.0, 2.5, 9.0)
    value, right = torch.rand(61) * 4 - 0.5, torch.rand(61) > 0.5
    of = AccuracyBy(edges)
    of.add(value[:7], right[:7])
    of.add(value[7:], right[7:])
    for number, found in enumerate(of.result()):
        high = edges[number + 1] if number + 1 < len(edges) else math.inf
        held = [r for v, r in zip(value.tolist(), right.tolist()) if edges[number] <= v < high]
        assert found['points'] == len(held) and found['least'] == edges[number]
        accuracy = sum(held) / len(held) if held else math.nan
        assert found['accuracy'] == pytest.approx(accuracy, nan_ok=True)


def test_distance_is_from_the_sensor_or_the_middle_of_the_room():
    points = torch.tensor([[0.0, 0.0, 5.0], [6.0, 8.0, -1.0], [2.0, 1.0, 0.0]])
    assert distance(points, STREET).tolist() == pytest.approx([0.0, 10.0, math.sqrt(5)])
    assert distance(points, ROOM).tolist() == pytest.approx([5.0, 5.0, math.sqrt(10)])
    assert len(distance(points[:0], ROOM)) == 0


def test_a_crowd_is_counted_in_the_cube_of_a_point():
    points = torch.rand(70, 4) * 2 - 1
    found = crowd(points, 0.5)
    for i, (x, y, z, _) in enumerate(points.tolist()):
        cube = [math.floor(v / 0.5) for v in (x, y, z)]
        same = sum([math.floor(v / 0.5) for v in row[:3]] == cube for row in points.tolist())
        assert int(found[i]) == same
    assert crowd(points[:0], 1.0).tolist() == []
    with pytest.raises(UsageError, match='size must be positive, but got 0'):
        crowd(points, 0)

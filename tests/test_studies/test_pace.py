import os

import pytest
import torch

from studies import pace


def test_pace_is_the_median_of_probes_over_the_reference(monkeypatch):
    probes = iter([9.0, 1.0, 0.75])
    monkeypatch.setattr(pace, '_probe', lambda: next(probes))
    assert pace.pace() == pytest.approx(1.0 / pace._PROBE_SECONDS)


@pytest.mark.parametrize(('cores', 'expected'), [(1, 36.0), (2, 18.0), (16, 18.0)])
def test_parts_wait_where_cores_are_few(monkeypatch, cores, expected):
    monkeypatch.setattr(pace, 'pace', lambda: 2.0)
    monkeypatch.setattr(os, 'cpu_count', lambda: cores)
    assert pace.minutes_here(9.0, side_by_side=2) == expected


def test_probe_takes_time_and_leaves_threads_as_they_were():
    before = torch.get_num_threads()
    assert pace._probe() > 0
    assert torch.get_num_threads() == before

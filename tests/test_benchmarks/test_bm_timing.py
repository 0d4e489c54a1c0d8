import math

import pytest
import torch


@pytest.fixture
def timing(benchmark):
    return benchmark('timing')


def test_growth_is_the_exponent(timing):
    sizes = [1e4, 1e5, 1e6]
    assert timing.growth(sizes, [3 * n**1.25 for n in sizes]) == pytest.approx(1.25)
    assert timing.growth([1, 10, 100], [1, 10, 10]) == pytest.approx(0.5)  # least squares


def test_calls_are_taken_in_turn_and_the_first_turn_does_not_count(timing, monkeypatch):
    clock, order = [0.0], []
    lasts = dict(a=iter([9.0, 2.0, 3.0, 1.0]), b=iter([1.0, 1.0, 5.0, 1.0]))

    def call(name):
        order.append(name)
        clock[0] += next(lasts[name])

    monkeypatch.setattr(timing.time, 'perf_counter', lambda: clock[0])
    monkeypatch.setattr(timing, 'PATIENCE', 100.0)
    found = timing.in_turn(dict(a=lambda: call('a'), b=lambda: call('b')), repeats=3)
    assert order == ['a', 'b'] * 4
    assert found == dict(a=2.0, b=1.0)


def test_a_slow_call_is_not_repeated(timing, monkeypatch):
    clock, order = [0.0], []

    def call(name, seconds):
        order.append(name)
        clock[0] += seconds

    monkeypatch.setattr(timing.time, 'perf_counter', lambda: clock[0])
    calls = dict(slow=lambda: call('slow', 16.0), quick=lambda: call('quick', 1.0))
    assert timing.in_turn(calls, repeats=2) == dict(slow=16.0, quick=1.0)
    assert order == ['slow', 'quick', 'quick', 'quick']


def test_peak_memory_is_what_a_call_holds_at_most(timing):
    def call():
        first = torch.ones(32 * 2**18)  # 32 MiB
        del first
        return torch.ones(20 * 2**18).sum()

    timing.peak_mib(call)
    found = timing.peak_mib(call)
    assert math.isnan(found) or 28 < found < 40


def test_goals_say_whether_they_are_met(timing, capsys):
    timing.report_goal('speed', 3.04, '>=', 2)
    timing.report_goal('memory', 2000.0, '<=', 1024, ' MiB')
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        'goal | speed | 3.04x | >= 2x | met',
        'goal | memory | 2e+03 MiB | <= 1024 MiB | missed',
    ]


def test_the_setting_names_processor_and_versions(timing):
    text = timing.setting()
    assert f'torch {torch.__version__}' in text and 'threads' in text and 'spconv' in text


def test_a_wrong_gradient_is_noticed(timing):
    student = torch.randn(5, 3, requires_grad=True)
    timing.check_equal(lambda x: x.square().sum(), lambda x: (x * x).sum(), student, 1e-5)
    with pytest.raises(AssertionError):
        timing.check_equal(lambda x: (x.detach() * x).sum(), lambda x: (x * x).sum(), student, 1e-5)


def test_a_share_of_memory_that_cannot_be_seen_is_no_number(timing):
    assert timing.share(1.0, 4.0) == 0.25
    assert math.isnan(timing.share(0.0, 0.0))

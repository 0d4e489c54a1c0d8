import time

import pytest


class Wait:
    def __call__(self, results):
        time.sleep(0.02)
        return results


class Inner(Wait):
    pass


class Pipeline:
    def __init__(self, *transforms):
        self.transforms = list(transforms)

    def __call__(self, results):
        for transform in self.transforms:
            results = transform(results)
        return results


class Mix(Wait):
    def __init__(self):
        self.pre_transform = Pipeline(Inner(), Inner())

    def __call__(self, results):
        return super().__call__(self.pre_transform(results))


def test_time_of_nested_transforms_is_counted_once(benchmark):
    clock = benchmark('bm_data').Clock()
    assert clock.wrap(Mix())(5) == 5
    assert clock.seconds['Inner'] == pytest.approx(0.04, abs=0.015)
    assert clock.seconds['Mix'] == pytest.approx(0.02, abs=0.01)


def test_rooms_and_their_transforms_are_timed(benchmark, monkeypatch, capsys):
    words = ['--recipes', 'rooms', '--scenes', '4', '--threads', '1', '--repeats', '1']
    monkeypatch.setattr('sys.argv', ['bm_data.py', *words])
    benchmark('bm_data').main()
    out = capsys.readouterr().out
    assert 'goal | rooms: loader (one worker) / training step' in out
    assert 'GlobalRotScaleTrans' in out and 'ms/scene' in out

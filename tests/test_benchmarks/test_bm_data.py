class Wait:
    now = 0.0

    def __call__(self, results):
        Wait.now += 1
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


def test_time_of_nested_transforms_is_counted_once(benchmark, monkeypatch):
    module = benchmark('bm_data')
    monkeypatch.setattr(module.time, 'perf_counter', lambda: Wait.now)
    clock = module.Clock()
    assert clock.wrap(Mix())(5) == 5
    assert dict(clock.seconds) == dict(Inner=2, Mix=1)


def test_rooms_and_their_transforms_are_timed(benchmark, monkeypatch, capsys):
    words = ['--recipes', 'rooms', '--scenes', '4', '--threads', '1', '--repeats', '1']
    monkeypatch.setattr('sys.argv', ['bm_data.py', *words])
    benchmark('bm_data').main()
    out = capsys.readouterr().out
    assert 'goal | rooms: loader (one worker) / training step' in out
    assert 'GlobalRotScaleTrans' in out and 'ms/scene' in out

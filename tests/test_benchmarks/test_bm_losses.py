import pytest


def run(benchmark, monkeypatch, capsys, name, words):
    monkeypatch.setattr('sys.argv', [f'{name}.py', *words.split(), '--repeats', '1'])
    benchmark(name).main()
    return capsys.readouterr().out


@pytest.mark.parametrize('dtype', ['float32', 'float64', 'bfloat16'])
def test_affinity_is_checked_timed_and_fitted(benchmark, monkeypatch, capsys, dtype):
    words = f'--rows 128 --growth 256 1024 --grouped 256 --channels 8 --threads 1 --dtype {dtype}'
    out = run(benchmark, monkeypatch, capsys, 'bm_affinity', words)
    assert out.count('value off by') == 3
    assert 'goal | affinity, 256 to 1,024 rows: time grows with the power' in out
    assert 'goal | affinity, 192 rows in super-voxels of 8: time of one of all' in out


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_cross_sample_is_checked_and_timed(benchmark, monkeypatch, capsys, dtype):
    words = f'--samples 3 --points 32 64 --largest 32 --channels 8 --threads 1 --dtype {dtype}'
    out = run(benchmark, monkeypatch, capsys, 'bm_cross_sample', words)
    assert out.count('value off by') == 2
    lines = [line.split()[:2] for line in out.splitlines() if line.split()[0] in ('32', '64')]
    assert lines == [['32', 'ours'], ['32', 'by_pairs'], ['32', 'batched'], ['64', 'ours']]

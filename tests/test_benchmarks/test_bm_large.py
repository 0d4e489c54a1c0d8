import math

import pytest


def run(benchmark, monkeypatch, capsys, words):
    monkeypatch.setattr('sys.argv', ['bm_large.py', '--threads', '1', *words.split()])
    benchmark('bm_large').main()
    return capsys.readouterr().out


def test_a_start_an_epoch_and_a_draw_are_measured(benchmark, monkeypatch, capsys):
    out = run(benchmark, monkeypatch, capsys, '--parts scans --scans 300 --classes 5')
    for what in ('start of a batch sampler', 'its memory', 'batches of an epoch, in groups of 1',
                 'draw of a tenth that keeps its labels'):  # fmt: skip
        assert f'goal | 300 scans, 5 classes: {what} | ' in out


def test_tiny_clouds_and_a_large_scan_take_a_step(benchmark, monkeypatch, capsys):
    words = '--parts clouds points --clouds 9 --points 4000'
    out = run(benchmark, monkeypatch, capsys, words)
    for what in ('9 tiny clouds', '4,000 points'):
        assert f'goal | {what}: memory of a step | ' in out
    assert '4,000 points: training pipeline' in out


def test_a_loss_that_is_no_number_fails_the_step(benchmark, monkeypatch, tmp_path):
    bm_large = benchmark('bm_large')

    def lost(model, losses, optimizer):
        losses['loss_kd'] = math.nan

    monkeypatch.setattr(bm_large, 'update', lost)
    with pytest.raises(AssertionError, match='loss_kd'):
        bm_large.step('9 tiny clouds', bm_large.tiny_clouds(9), tmp_path)

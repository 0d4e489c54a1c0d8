import pytest
import torch
from processes import start_forks


def test_rooms_have_as_many_voxels_as_wanted(benchmark):
    scenes = benchmark('scenes')
    batch = scenes.room_batch(2, 150, 0.1)
    for cloud, sample in zip(batch['inputs']['points'], batch['data_samples']):
        cells = torch.round(cloud[:, :3] / 0.1).unique(dim=0)
        assert len(cells) == 150
        assert len(sample.gt_pts_seg.pts_semantic_mask) == len(cloud)
    with pytest.raises(ValueError, match='asked for 300'):
        scenes.room_batch(1, 300, 4.0)


def test_parts_of_a_step_are_timed_and_agree_with_it(benchmark, monkeypatch, capsys):
    bm_step = benchmark('bm_step')
    words = ['--clouds', '2', '--voxels', '150', '--repeats', '1', '--threads', '1']
    monkeypatch.setattr('sys.argv', ['bm_step.py', *words])
    bm_step.main()
    out = capsys.readouterr().out
    assert 'gradients off by' in out
    for part in ('srkd', 'student', 'teacher', 'matching', 'kd', 'affinity_point', 'cross_sample'):
        assert f' {part} ' in out
    assert 'goal | mini pair, 2 clouds of 150 voxels: SRKD step / (student step + teacher' in out


def test_a_step_that_does_more_than_its_parts_is_noticed(benchmark, tmp_path):
    bm_step = benchmark('bm_step')
    model = bm_step.build('mini', tmp_path, 'cpu')
    batch = benchmark('scenes').room_batch(2, 150, 0.1)
    model.set_distill_scale(2.0)  # the step weighs its terms, the parts do not
    with pytest.raises(AssertionError):
        bm_step.check(model, batch)


def test_two_processes_take_halves_of_a_batch_in_order(benchmark):
    bm_processes = benchmark('bm_processes')
    batch = dict(inputs=dict(points=[0, 1, 2, 3]), data_samples=list('abcd'))
    halves = [bm_processes.own_share(batch, rank, 2) for rank in (0, 1)]
    assert [half['inputs']['points'] for half in halves] == [[0, 1], [2, 3]]
    assert [half['data_samples'] for half in halves] == [['a', 'b'], ['c', 'd']]


def test_two_processes_give_the_gradient_of_one(benchmark, monkeypatch, capsys):
    bm_processes = benchmark('bm_processes')
    monkeypatch.setattr(bm_processes.mp, 'spawn', start_forks)  # spares both the imports
    words = ['--clouds', '2', '--voxels', '150', '--repeats', '1', '--threads', '1']
    monkeypatch.setattr('sys.argv', ['bm_processes.py', *words])
    bm_processes.main()
    goal = next(line for line in capsys.readouterr().out.splitlines() if line.startswith('goal'))
    assert goal.endswith('met')

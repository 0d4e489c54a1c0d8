from argparse import Namespace
from pathlib import Path

import pytest
from fake_tools import calls, install, write_configs

from studies import demo as module
from studies import plan_file, run_store
from studies.arms import Bench
from studies.demo import Demo, Studied, run
from studies.metrics import MACC, MIOU
from studies.mini_data import ROOMS
from studies.runs import StepFailed

SCORES = {'teacher': 0.5, 'alone': 0.3, 'srkd': 0.34}


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'report', lambda *args: args)
    monkeypatch.setattr(module, 'minutes_here', lambda minutes, side_by_side: 2 * minutes)
    return install(tmp_path, monkeypatch, SCORES)[0]


@pytest.fixture
def demo(log, tmp_path):
    configs = write_configs(tmp_path, SCORES)
    return Demo(
        method='SRKD',
        teacher=configs['teacher'],
        alone=configs['alone'],
        taught=configs['srkd'],
        data=dict(full=(ROOMS, 80), smoke=(ROOMS, 6)),
        options=dict(full={}, smoke={'train_cfg.max_epochs': 1}),
        columns={'both': (MIOU, MACC)},
        gain=MIOU,
        draw=None,
        folder=Path('work_dirs/demo'),
        minutes=9,
    )


@pytest.fixture
def args(tmp_path):
    return Namespace(preset='full', work_dir=tmp_path / 'work', seed=5, teacher_checkpoint=None)


def test_both_students_get_the_same_rooms_seed_and_budget(demo, args, log):
    run(demo, args)
    found = {call[1]: call[2] for call in calls(log) if call[0] == 'train'}
    weights = found['srkd'].pop('model.teacher.checkpoint')
    assert weights == str(args.work_dir / 'teacher' / 'epoch_1.pth')
    assert found['srkd'] == found['alone'] and found['alone']['randomness.seed'] == '5'


def test_all_three_are_tested_with_plain_configs_and_scored(demo, args, log):
    _, root, networks, data, _ = run(demo, args)
    tested = [call[1:] for call in calls(log) if call[0] == 'test']
    assert sorted(tested) == [['alone', 'alone'], ['alone', 'srkd'], ['teacher', 'teacher']]
    assert root == args.work_dir and data == root / 'data' / 'rooms'
    assert list(networks) == ['student alone', 'student, SRKD', 'teacher']
    config, trained, scores = networks['student, SRKD']
    assert config == demo.alone and trained.config == demo.taught
    assert scores['miou'] == pytest.approx(0.39)


def test_second_start_repeats_nothing(demo, args, log):
    run(demo, args)
    calls(log)
    run(demo, args)
    assert calls(log) == []


def test_presets_do_not_share_their_folders(demo, args, log):
    run(demo, args)
    args.preset = 'smoke'
    calls(log)
    _, root, *_ = run(demo, args)
    assert root == args.work_dir / 'smoke'
    done = calls(log)
    assert done[0][:4] == ['rooms', 'scannet', '--scenes', '6']
    epochs = [call[2]['train_cfg.max_epochs'] for call in done if call[0] == 'train']
    assert epochs == ['1'] * 3


def test_given_teacher_is_not_trained(demo, args, log, tmp_path):
    args.teacher_checkpoint = tmp_path / 'teacher.pth'
    args.teacher_checkpoint.write_text('["teacher", {"randomness.seed": "0"}]')
    run(demo, args)
    found = calls(log)
    assert sorted(call[1] for call in found if call[0] == 'train') == ['alone', 'srkd']
    assert ['test', 'teacher', 'teacher'] in found


def test_teacher_of_the_demo_is_taken_unless_another_is_given(demo, args, log, tmp_path):
    for name in ('committed', 'given'):
        (tmp_path / name).write_text(f'["teacher", {{"randomness.seed": "0", "of": "{name}"}}]')
    demo = demo._replace(weights=tmp_path / 'committed')
    for given, name in ((None, 'committed'), (tmp_path / 'given', 'given')):
        args.teacher_checkpoint = given
        run(demo, args)
        taught = [call[2] for call in calls(log) if call[:2] == ['train', 'srkd']]
        assert taught[0]['model.teacher.checkpoint'] == str(tmp_path / name)


def test_it_says_first_how_long_it_takes(demo, args, log, capsys):
    run(demo, args)
    assert capsys.readouterr().out.startswith('about 18 minutes here')
    args.preset = 'smoke'
    run(demo, args)
    assert 'minutes here' not in capsys.readouterr().out


PLAN = """
title = 'T'
question = 'Q'
pairs = [0, 1, 2, 3, 4, 5]
test = '{config}'
metrics = ['miou']
[data]
make = ['scannet']
[arms.alone]
config = '{config}'
[arms.srkd]
config = '{config}'
options = {{ 'model.taught' = 1 }}
[primary.P2]
arm = 'srkd'
minus = 'alone'
"""


def test_the_interval_of_the_study_stands_beside_the_seed(demo, tmp_path, monkeypatch):
    def told(preset='full'):
        return module._of_study(demo, preset, tmp_path)

    monkeypatch.setattr(plan_file, 'PLANS', tmp_path)
    monkeypatch.setattr(run_store, 'RESULTS', tmp_path / 'results')
    (tmp_path / 'few.toml').write_text(PLAN.format(config=demo.alone))
    assert told() == ''
    demo = demo._replace(studied=Studied('few', 'P2'))
    assert 'python -m studies.study --plan few' in told()
    plan = plan_file.read_plan('few')
    store, bench = run_store.RunStore(plan), Bench(plan, tmp_path)
    for arm, pair in plan.runs:
        gain = 0.1 + 0.01 * pair if arm.name == 'srkd' else 0.0
        known = dict(code='c', commit='abc', metrics={'miou': 0.3 + gain}, claims=plan.claims)
        store.write(run_store.Result('few', arm.name, pair, bench.key(arm, pair), **known))
    assert 'study of 6 seeds (few): srkd +12.50 over alone, 95 % interval +1' in told()
    assert told().endswith(', shown\n') and told('smoke') == ''


def test_failed_step_stops_the_demo(demo, args, log, tmp_path):
    (tmp_path / 'fail').touch()
    with pytest.raises(StepFailed, match='out of memory'):
        run(demo, args)
    assert [call[0] for call in calls(log)] == ['rooms', 'train']

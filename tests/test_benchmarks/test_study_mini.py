import importlib.util
import json
from argparse import ArgumentTypeError, Namespace
from pathlib import Path

import pytest
from fake_tools import calls, install, write_configs

from projects.SRKD.analysis.runs import StepFailed

FILE = Path(__file__).resolve().parents[2] / 'benchmarks' / 'study_mini.py'
SCORES = {'teacher': 0.5, 'alone': 0.3, 'kd': 0.31, 'srkd': 0.34}


@pytest.fixture
def study(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location('study_mini', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    configs = write_configs(tmp_path, SCORES)
    monkeypatch.setattr(module, 'TEACHER', configs.pop('teacher'))
    monkeypatch.setattr(module, 'STUDENT', configs['alone'])
    monkeypatch.setattr(module, 'ROWS', configs)
    module.log, module.fail = install(tmp_path, monkeypatch, SCORES)
    return module


@pytest.fixture
def args(study, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    return Namespace(
        jobs=1,
        seeds=[0, 2],
        rows=list(study.ROWS.items()),
        scenes=6,
        data_seed=7,
        work_dir=tmp_path / 'work',
        out=tmp_path / 'results' / 'study.json',
        cfg_options=['train_cfg.max_epochs=1'],
    )


def test_every_seed_and_row_is_trained_and_tested_with_the_plain_config(study, args):
    text = study.run(args)
    done = calls(study.log)
    assert done[0] == ['rooms', 'scannet', '--scenes', '6', '--seed', '7']
    trained = [
        (name, options['randomness.seed']) for kind, name, options in done[1:] if kind == 'train'
    ]
    rows = ('alone', 'kd', 'srkd')
    assert trained == [('teacher', '0'), *((n, seed) for n in rows for seed in '02')]
    tested = [call[1:] for call in done if call[0] == 'test']
    assert tested == [['teacher', 'teacher'], *(['alone', n] for n in rows for _ in '02')]
    results = json.loads(args.out.read_text())
    assert results['rows']['srkd']['2']['miou'] == pytest.approx(0.36)
    assert args.out.with_suffix('.md').read_text() == text
    # 34 and 36 percent: mean 35, sample deviation sqrt(2); 4 points above alone at both seeds
    assert '35.00 +- 1.41 (34.00 .. 36.00)' in text
    assert 'srkd - alone: +4.00 mIoU +- 0.00 (+4.00, +4.00)' in text


@pytest.mark.parametrize('jobs', [2, 3])
def test_runs_side_by_side_give_the_same_results(study, args, jobs):
    one = study.run(args)
    args.work_dir, args.jobs = args.work_dir.with_name('side_by_side'), jobs
    assert study.run(args).splitlines()[:6] == one.splitlines()[:6]


def test_all_rows_share_the_teacher_and_the_rooms(study, args):
    study.run(args)
    options = {(c[1], c[2]['randomness.seed']): c[2] for c in calls(study.log) if c[0] == 'train'}
    weights = {key: found.get('model.teacher.checkpoint') for key, found in options.items()}
    shared = str(args.work_dir / 'teacher' / 'epoch_1.pth')
    assert weights['srkd', '0'] == weights['kd', '0'] == weights['kd', '2'] == shared
    assert weights['alone', '0'] is None
    rooms = {found['train_dataloader.dataset.data_root'] for found in options.values()}
    assert rooms == {str(args.work_dir / 'data' / 'rooms') + '/'}


def test_second_start_runs_nothing_and_a_new_seed_only_itself(study, args):
    first = study.run(args)
    calls(study.log)
    assert study.run(args) == first and calls(study.log) == []
    args.seeds = [0, 1, 2]
    study.run(args)
    assert {c[2]['randomness.seed'] for c in calls(study.log) if c[0] == 'train'} == {'1'}


def test_stopped_study_keeps_what_it_had_and_goes_on(study, args, tmp_path):
    args.seeds = [0]
    study.run(args)
    study.fail.touch()
    args.seeds = [0, 1]
    with pytest.raises(StepFailed, match='out of memory'):
        study.run(args)
    assert json.loads(args.out.read_text())['rows']['srkd']['0']['miou'] == pytest.approx(0.34)
    study.fail.unlink()
    calls(study.log)
    study.run(args)
    assert [c[1] for c in calls(study.log) if c[0] == 'train'] == ['alone', 'kd', 'srkd']


def test_changed_config_is_trained_again_with_all_that_builds_on_it(study, args):
    args.seeds = [0]
    study.run(args)
    calls(study.log)
    study.TEACHER.write_text(study.TEACHER.read_text() + 'lr = 2\n')
    study.run(args)
    assert [c[1] for c in calls(study.log) if c[0] == 'train'] == ['teacher', 'kd', 'srkd']


def test_row_is_a_known_name_or_a_name_with_a_config(study, tmp_path):
    assert study.named_row('kd') == ('kd', study.ROWS['kd'])
    assert study.named_row('mine=some/config.py') == ('mine', Path('some/config.py').resolve())
    with pytest.raises(ArgumentTypeError, match="'mine' is none of alone, kd, srkd"):
        study.named_row('mine')


def test_rows_and_seeds_of_other_calls_stay_in_the_file(study, args):
    args.seeds, args.rows = [0], [('alone', study.ROWS['alone']), ('kd', study.ROWS['kd'])]
    study.run(args)
    args.seeds, args.rows = [2], [('srkd', study.ROWS['srkd']), ('alone', study.ROWS['alone'])]
    text = study.run(args)
    rows = json.loads(args.out.read_text())['rows']
    assert {name: sorted(found) for name, found in rows.items()} == {
        'alone': ['0', '2'], 'kd': ['0'], 'srkd': ['2'],
    }  # fmt: skip
    assert 'nan' not in text
    assert 'kd - alone' in text and 'srkd - alone' in text
    args.data_seed = 8  # other rooms do not compare
    study.run(args)
    assert set(json.loads(args.out.read_text())['rows']) == {'srkd', 'alone'}


def test_students_that_need_no_teacher_are_kept_when_it_fails(study, args):
    study.TEACHER.write_text('model = dict()\n')
    with pytest.raises(KeyError):
        study.run(args)
    found = json.loads(args.out.read_text())
    assert set(found['rows']['alone']) == {'0', '2'} and 'teacher' not in found
    assert 'teacher |' not in args.out.with_suffix('.md').read_text()

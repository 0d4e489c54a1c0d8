import importlib.util
import json
from argparse import Namespace
from pathlib import Path

import pytest
from fake_tools import calls, install, write_configs

from studies.config_files import config_content
from studies.mini_data import ROOMS
from studies.mini_studies import STUDIES, Row, Study, named_row
from studies.runs import StepFailed

FILE = Path(__file__).resolve().parents[2] / 'studies' / 'study_mini.py'
SCORES = {'teacher': 0.5, 'alone': 0.3, 'kd': 0.31, 'srkd': 0.34}
CACHED = 'srkd-cached'


@pytest.fixture
def study(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location('study_mini', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    configs = write_configs(tmp_path, SCORES)
    teacher = configs.pop('teacher')
    rows = [Row(name, config, 'alone') for name, config in configs.items()]
    monkeypatch.setitem(STUDIES, 'rooms', Study('Mini rooms', teacher, rows, ROOMS, 120))
    module.log, module.fail = install(tmp_path, monkeypatch, SCORES)
    return module


@pytest.fixture
def args(study, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    return Namespace(
        data='rooms',
        data_root=None,
        jobs=1,
        seeds=[0, 2],
        rows=STUDIES['rooms'].rows,
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
    teacher = STUDIES['rooms'].teacher
    teacher.write_text(teacher.read_text() + 'lr = 2\n')
    study.run(args)
    assert [c[1] for c in calls(study.log) if c[0] == 'train'] == ['teacher', 'kd', 'srkd']


def test_row_is_a_known_name_or_a_name_with_a_config(study):
    rooms = STUDIES['rooms']
    assert named_row('kd', rooms) == rooms.rows[1]
    mine = named_row('mine=some/config.py', rooms)
    assert mine == Row('mine', Path('some/config.py').resolve(), 'alone')
    with pytest.raises(ValueError, match="one of alone, kd, srkd, .*but got 'mine'"):
        named_row('mine', rooms)


def test_every_study_names_configs_that_exist():
    for name, found in STUDIES.items():
        assert {row.alone for row in found.rows} <= {row.name for row in found.rows}, name
        for path in [found.teacher, *(row.config for row in found.rows)]:
            assert path.is_file(), path


@pytest.mark.parametrize('words, message', [
    (['--data', 'pandaset'], '--data pandaset needs --data-root'),
    (['--data', 'rooms', '--data-root', 'x'], 'takes no --data-root'),
])  # fmt: skip
def test_a_data_root_is_for_real_data_alone(study, monkeypatch, words, message):
    monkeypatch.setattr('sys.argv', ['study_mini.py', *words])
    with pytest.raises(ValueError, match=message):
        study.parse_args()


@pytest.fixture
def cached(args, tmp_path, monkeypatch):
    """A study whose last row reads its teacher from a cache."""
    scores = SCORES | {CACHED: 0.35}
    (tmp_path / 'cached').mkdir()
    log, fail = install(tmp_path / 'cached', monkeypatch, scores)
    config = write_configs(tmp_path, [CACHED])[CACHED]
    alone, _, srkd = STUDIES['rooms'].rows
    args.rows = [alone, srkd, Row(CACHED, config, 'alone', ('srkd',))]
    monkeypatch.setitem(STUDIES, 'rooms', STUDIES['rooms']._replace(rows=args.rows))
    return Namespace(log=log, fail=fail)


def test_cache_is_written_once_by_the_teacher_and_read_by_every_seed(study, args, cached):
    args.cfg_options = ['model.terms.kd=None']
    text = study.run(args)
    found = calls(cached.log)
    (cache,) = [call for call in found if call[0] == 'cache']
    folder, rooms = args.work_dir / f'{CACHED}_cache', f'{args.work_dir / "data" / "rooms"}/'
    assert cache[1:] == [CACHED, {
        'model.terms.kd': 'None',
        'model.teacher.checkpoint': str(args.work_dir / 'teacher' / 'epoch_1.pth'),
        'train_dataloader.dataset.data_root': rooms,
        'test_dataloader.dataset.data_root': rooms,
    }, 0]  # fmt: skip
    read = [(c[1], c[2].get('model.teacher.cache')) for c in found if c[0] == 'train']
    assert read[-2:] == [(CACHED, str(folder))] * 2
    assert {where for name, where in read if name != CACHED} == {None}
    assert ['test', 'alone', CACHED] in found
    assert f'- {CACHED} - alone: +5.00 mIoU +- 0.00 (+5.00, +5.00)' in text
    assert f'- {CACHED} - srkd: +1.00 mIoU +- 0.00 (+1.00, +1.00)' in text
    assert 'srkd - alone: +4.00' in text and f'- teacher cache of {CACHED}: 1.2 MB, wri' in text
    assert study.run(args) == text and calls(cached.log) == []


@pytest.mark.parametrize('jobs', [2, 4])
def test_cache_side_by_side_is_written_once_too(study, args, cached, jobs):
    one = study.run(args)
    calls(cached.log)
    args.work_dir, args.jobs = args.work_dir.with_name('side_by_side'), jobs
    assert study.run(args).splitlines()[:6] == one.splitlines()[:6]
    assert [call[0] for call in calls(cached.log)].count('cache') == 1


def test_cache_that_was_interrupted_goes_on(study, args, cached):
    args.seeds = [0]
    study.run(args)
    (args.work_dir / f'{CACHED}_cache' / 'cache.json').unlink()
    calls(cached.log)
    cached.fail.touch()
    with pytest.raises(StepFailed, match='no space left'):
        study.run(args)
    assert [call[0] for call in calls(cached.log)] == ['cache']
    cached.fail.unlink()
    (args.work_dir / f'{CACHED}_cache' / '000' / '000001.npy').unlink()
    study.run(args)
    assert [(c[0], c[3]) for c in calls(cached.log)] == [('cache', 1)]  # of the scans before


def test_cache_of_another_teacher_is_written_anew(study, args, cached):
    args.seeds = [0]
    study.run(args)
    calls(cached.log)
    teacher = STUDIES['rooms'].teacher
    teacher.write_text(teacher.read_text() + 'lr = 2\n')
    study.run(args)
    found = calls(cached.log)
    assert [c[1] for c in found if c[0] == 'train'] == ['teacher', 'srkd', CACHED]
    assert [c[3] for c in found if c[0] == 'cache'] == [0]  # in an empty folder


def test_study_of_the_cache_changes_the_cache_or_the_views_alone():
    rows = {row.name: row for row in STUDIES['cache'].rows}
    configs = {name: config_content(row.config) for name, row in rows.items()}
    assert {row.alone for row in rows.values()} == {'alone'}
    live = configs['srkd']['model']['teacher']
    for name in ('srkd-cached', 'srkd-views'):
        teacher = configs[name]['model']['teacher']
        assert teacher.pop('cache') and teacher == live
        assert 'srkd' in rows[name].beside
    assert 'alone-views' in rows['srkd-views'].beside
    pipelines = [
        configs[name]['train_dataloader']['dataset']['pipeline']
        for name in ('alone-views', 'srkd-views')
    ]
    assert pipelines[0] == pipelines[1] and pipelines[0][-1]['type'] == 'ReplayViews'
    assert configs['alone-views']['model'] == configs['alone']['model']
    assert STUDIES['cache'].teacher == STUDIES['rooms'].teacher


def test_real_data_is_found_where_it_lies(study, args, tmp_path, monkeypatch):
    rooms = STUDIES['rooms']
    monkeypatch.setitem(STUDIES, 'pandaset', rooms._replace(data=None, title='Real frames'))
    args.data, args.data_root, args.seeds = 'pandaset', tmp_path / 'real', [0]
    with pytest.raises(FileNotFoundError, match='expected the root of a data set'):
        study.run(args)
    args.data_root.mkdir()
    (args.data_root / 'some_infos_val.pkl').write_bytes(b'1')
    text = study.run(args)
    found = calls(study.log)
    assert {call[0] for call in found} == {'train', 'test'}  # nothing was made
    roots = {c[2]['train_dataloader.dataset.data_root'] for c in found if c[0] == 'train'}
    assert roots == {f'{args.data_root}/'}
    assert text.startswith('# Real frames') and 'real, not in the repository' in text
    (args.data_root / 'some_infos_val.pkl').write_bytes(b'2')  # another data set
    study.run(args)
    assert len([call for call in calls(study.log) if call[0] == 'train']) == 4


def test_rows_and_seeds_of_other_calls_stay_in_the_file(study, args):
    alone, kd, srkd = STUDIES['rooms'].rows
    args.seeds, args.rows = [0], [alone, kd]
    study.run(args)
    args.seeds, args.rows = [2], [srkd, alone]
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
    STUDIES['rooms'].teacher.write_text('model = dict()\n')
    with pytest.raises(KeyError):
        study.run(args)
    found = json.loads(args.out.read_text())
    assert set(found['rows']['alone']) == {'0', '2'} and 'teacher' not in found
    assert 'teacher |' not in args.out.with_suffix('.md').read_text()


def test_study_of_detectors_shows_and_pairs_its_own_metrics(study, args, tmp_path, monkeypatch):
    kitti = STUDIES['kitti-frames']
    keys = [metric.key for metric in kitti.metrics + kitti.facts]
    (tmp_path / 'detection').mkdir()
    scores = {'teacher': 50.0, 'alone': 30.0, 'kd': 31.0}
    log, _ = install(tmp_path / 'detection', monkeypatch, scores, keys)
    teacher, rows = STUDIES['rooms'].teacher, STUDIES['rooms'].rows[:2]
    monkeypatch.setitem(STUDIES, 'kitti-frames', kitti._replace(teacher=teacher, rows=rows))
    args.data, args.data_root, args.rows = 'kitti-frames', tmp_path / 'real', rows
    args.data_root.mkdir()
    (args.data_root / 'kitti_infos_val.pkl').write_bytes(b'1')
    text = study.run(args)
    assert '| network | seeds |' in text and 'Car BEV' in text and '3D area' in text
    # already in percent: the first metric is the score, the second twice that, and so on
    assert 'kd - alone: +1.00 Car BEV +- 0.00' in text and 'kd - alone: +3.00 BEV area' in text
    assert 'valid cars 250, AP40 of ground truth against itself 300' in text
    results = json.loads(args.out.read_text())
    assert results['rows']['kd']['2'][keys[1]] == pytest.approx(62.04)
    assert {call[0] for call in calls(log)} == {'train', 'test'}
    (args.data_root / 'kitti_infos_val.pkl').write_bytes(b'2')  # other frames do not compare
    args.seeds = [0]
    study.run(args)
    assert list(json.loads(args.out.read_text())['rows']['kd']) == ['0']


def test_work_folder_is_named_as_the_results(study, monkeypatch):
    words = ['--data', 'kitti-frames', '--data-root', 'x', '--out', 'there/reversed.json']
    monkeypatch.setattr('sys.argv', ['study_mini.py', *words])
    assert study.parse_args().work_dir == Path('work_dirs/reversed')
    monkeypatch.setattr('sys.argv', ['study_mini.py', *words[:4]])
    assert study.parse_args().work_dir == Path('work_dirs/study_mini_kitti-frames')

import importlib.util
from argparse import Namespace
from pathlib import Path

import matplotlib.image
import pytest
from fake_tools import calls, install, write_configs
from toy import minkunet, save_checkpoint
from toy_rooms import write_room_config

from projects.SRKD.analysis.runs import StepFailed, Trained

FILE = Path(__file__).resolve().parents[2] / 'tools' / 'demo.py'
SCORES = {'teacher': 0.5, 'alone': 0.3, 'srkd': 0.34}


def load():
    spec = importlib.util.spec_from_file_location('demo', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def demo(tmp_path, monkeypatch):
    module = load()
    configs = write_configs(tmp_path, SCORES)
    for constant, name in (('TEACHER', 'teacher'), ('STUDENT', 'alone'), ('SRKD', 'srkd')):
        monkeypatch.setattr(module, constant, configs[name])
    module.log, module.fail = install(tmp_path, monkeypatch, SCORES)
    monkeypatch.setattr(module, 'report', lambda *args: args)
    return module


@pytest.fixture
def args(tmp_path):
    return Namespace(preset='full', work_dir=tmp_path / 'work', seed=5, teacher_checkpoint=None)


def test_both_students_get_the_same_rooms_seed_and_budget(demo, args):
    demo.run(args)
    found = {call[1]: call[2] for call in calls(demo.log) if call[0] == 'train'}
    weights = found['srkd'].pop('model.teacher.checkpoint')
    assert weights == str(args.work_dir / 'teacher' / 'epoch_1.pth')
    assert found['srkd'] == found['alone'] and found['alone']['randomness.seed'] == '5'


def test_all_three_are_tested_with_plain_configs_and_scored(demo, args):
    root, networks, scores, *_ = demo.run(args)
    tested = [call[1:] for call in calls(demo.log) if call[0] == 'test']
    assert tested == [['alone', 'alone'], ['alone', 'srkd'], ['teacher', 'teacher']]
    assert root == args.work_dir and list(networks) == list(scores)
    assert scores['student, SRKD']['miou'] == pytest.approx(0.39)


def test_second_start_repeats_nothing(demo, args):
    demo.run(args)
    calls(demo.log)
    demo.run(args)
    assert calls(demo.log) == []


def test_presets_do_not_share_their_folders(demo, args):
    demo.run(args)
    args.preset = 'smoke'
    calls(demo.log)
    root, *_ = demo.run(args)
    assert root == args.work_dir / 'smoke'
    assert sum(call[0] == 'train' for call in calls(demo.log)) == 3


def test_given_teacher_is_not_trained(demo, args, tmp_path):
    args.teacher_checkpoint = tmp_path / 'teacher.pth'
    args.teacher_checkpoint.write_text('["teacher", {"randomness.seed": "0"}]')
    demo.run(args)
    found = calls(demo.log)
    assert [call[1] for call in found if call[0] == 'train'] == ['alone', 'srkd']
    assert ['test', 'teacher', 'teacher'] in found


def test_failed_step_stops_the_demo(demo, args):
    demo.fail.touch()
    with pytest.raises(StepFailed, match='out of memory'):
        demo.run(args)
    assert [call[0] for call in calls(demo.log)] == ['rooms', 'train']


def test_report_measures_draws_and_scores_real_networks(tmp_path):
    module = load()
    configs = {}
    for name, width in (('student', 4), ('teacher', 8)):
        (tmp_path / name).mkdir()
        model = minkunet(width, num_classes=20)
        config = write_room_config(tmp_path / name, model)
        checkpoint = save_checkpoint(model, tmp_path / name / 'a.pth')
        configs[name] = (config, Trained(config, Path(checkpoint), name))
    networks = {
        'student alone': configs['student'],
        'student, SRKD': configs['student'],
        'teacher': configs['teacher'],
    }
    miou = dict(zip(networks, (0.30, 0.34, 0.50)))
    scores = {name: dict(miou=value, acc_cls=value) for name, value in miou.items()}
    args = Namespace(preset='full', seed=0)
    text = module.report(tmp_path / 'out', networks, scores, tmp_path / 'teacher' / 'rooms', args)
    assert 'student, SRKD +4.00, teacher +20.00' in text
    rows = {line.split('|')[1].strip(): line for line in text.splitlines() if line[:1] == '|'}
    assert '1.00x' in rows['teacher'] and '34.00' in rows['student, SRKD']
    ratio = float(rows['student alone'].split('|')[5].strip(' x'))
    assert 3 < ratio < 4  # half the width: nearly a quarter of the parameters
    assert (tmp_path / 'out' / 'report.md').read_text().startswith('| network')
    assert matplotlib.image.imread(tmp_path / 'out' / 'picture.png').std() > 0.05

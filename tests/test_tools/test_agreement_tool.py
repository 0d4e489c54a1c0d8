import importlib.util
import json
import sys
from pathlib import Path

import pytest
from toy import minkunet, save_checkpoint
from toy_rooms import write_room_config

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/agreement.py'
SMALL, LARGE = minkunet(4, num_classes=20), minkunet(8, num_classes=20)


@pytest.fixture
def run(monkeypatch):
    def run(*words):
        spec = importlib.util.spec_from_file_location('agreement_tool', TOOL)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, 'argv', ['agreement.py', *map(str, words)])
        module.main()

    return run


def test_the_config_of_the_distillation_names_the_teacher(tmp_path, run, capsys):
    teacher = write_room_config(tmp_path, LARGE, 'teacher.py')
    weights = save_checkpoint(LARGE, tmp_path / 'large.pth')
    whole = dict(type='DistillSegmentor', student=SMALL,
                 teacher=dict(config=str(teacher), checkpoint=weights))  # fmt: skip
    pair = write_room_config(tmp_path, whole, 'pair.py')
    students = [save_checkpoint(SMALL, tmp_path / f'{seed}.pth', seed) for seed in (1, 2)]
    run(pair, *students, '--scans', 1, '--out', tmp_path / 'found.json')
    said, found = capsys.readouterr().out, (tmp_path / 'found.json').read_text()
    assert 'NaN' not in found
    found = json.loads(found)
    assert list(found['iou']) == ['teacher', 'alone', 'distilled'] and found['kind'] == 'room'
    assert f'{100 * found["miou"]["alone"]:.2f}' in said and 'm from the middle' in said
    run(pair, students[0], '--scans', 1)
    said = capsys.readouterr().out
    assert 'alone' not in said and '| KL from the teacher ' in said


def test_a_config_without_a_teacher_is_refused(tmp_path, run, misuse):
    plain = write_room_config(tmp_path, SMALL)
    with misuse("^agreement.py: .* must name a teacher's config file, but got None: give --teach"):
        run(plain, 'a.pth')

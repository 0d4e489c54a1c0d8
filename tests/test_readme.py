"""What the README shows works as shown."""

import re
import shutil
from pathlib import Path

from mmengine.config import Config
from toy import build, minkunet, save_checkpoint

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()


def test_the_config_of_an_own_pair_is_a_whole_file(tmp_path, monkeypatch):
    (snippet,) = re.findall(r"```python\n(_base_ = \['./my_student.*?)```", README, re.DOTALL)
    assert len(snippet.splitlines()) < 30
    for folder, width in (('student', 8), ('teacher', 16)):
        path = tmp_path / 'configs' / ('own' if folder == 'student' else '') / f'my_{folder}.py'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'model = {minkunet(width)!r}\n')
    shutil.copytree(ROOT / 'configs/_base_', tmp_path / 'configs/_base_')
    (tmp_path / 'configs/own/distilled.py').write_text(snippet)
    (tmp_path / 'work_dirs/my_teacher').mkdir(parents=True)
    save_checkpoint(minkunet(16), tmp_path / 'work_dirs/my_teacher/epoch_50.pth')
    monkeypatch.chdir(tmp_path)
    model = build(Config.fromfile('configs/own/distilled.py').model)
    model.init_weights()
    assert model.teacher.built and 'kd' in model.terms


def test_files_that_it_names_exist():
    named = re.findall(r'(?:python|bash) ((?:tools|benchmarks)/[\w/]+\.(?:py|sh))', README)
    named += re.findall(r'(configs/(?:srkd|pointdistiller)/[\w.-]+\.py)', README)
    named += re.findall(r'\]\(((?!http)[\w/.-]+)\)', README)
    assert len(named) > 8
    for path in named:
        assert (ROOT / path).exists(), path

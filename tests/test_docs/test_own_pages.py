"""The pages on a loss, scans and a detector of one's own, followed from a folder beside the clone.

What the reader has before is made here; each file is the page's, each command runs as it stands.
"""

import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from markdown_pages import ROOT, commands, named_files
from mmengine.config import Config
from toy import build

from projects.SRKD.distill.matching import MatchedPoints

LOSS = (ROOT / 'docs/own_loss.md').read_text()
SCANS = (ROOT / 'docs/own_dataset.md').read_text()
DETECTOR = (ROOT / 'docs/own_detector.md').read_text()


@pytest.fixture
def mine(tmp_path):
    """The reader's folder; ``srkd`` beside it stands for the clone."""
    (tmp_path / 'srkd').symlink_to(ROOT)
    (tmp_path / 'mine').mkdir()
    python = tmp_path / 'bin/python'
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return tmp_path / 'mine'


def follow(page: str, folder) -> None:
    for name, code in named_files(page).items():
        (folder / name).write_text(code)
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    env['PATH'] = f'{folder.parent / "bin"}{os.pathsep}{env["PATH"]}'
    for command in commands(page):
        done = subprocess.run(['bash', '-c', command], cwd=folder, env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        assert done.returncode == 0, f'{command}\n{done.stdout[-3000:]}'


def logged(folder) -> dict:
    """What a run logged, the last value of each name."""
    (log,) = folder.glob('*/vis_data/scalars.json')
    return {name: value for line in log.read_text().splitlines()
            for name, value in json.loads(line).items()}  # fmt: skip


def test_a_loss_of_ones_own_trains_from_outside_of_the_repository(mine):
    assert set(named_files(LOSS)) == {'my_loss.py', 'my_pair.py'}
    assert sum(len(code.splitlines()) for code in named_files(LOSS).values()) <= 40
    assert len(commands(LOSS)) == 3
    follow(LOSS, mine)
    log = logged(mine / 'work_dirs/my_pair')
    assert math.isfinite(log['loss_cosine']) and log['loss_cosine'] > 0
    assert log['loss_kd'] > 0 and 'miou' in log
    assert (mine / 'work_dirs/my_pair/epoch_1.pth').exists()


def test_the_page_names_every_field_that_a_loss_may_read():
    table = LOSS.partition('| field |')[2]
    assert tuple(re.findall(r'^\| `(\w+)` \|', table, re.MULTILINE)) == MatchedPoints.names()


def test_scans_of_ones_own_train(mine):
    assert set(named_files(SCANS)) == {'write_infos.py', 'my_data.py', 'my_student.py'}
    assert len(commands(SCANS)) == 2
    rng = np.random.default_rng(0)
    for split, count in dict(train=4, val=2).items():
        folder = mine / 'data/mine' / split
        folder.mkdir(parents=True)
        for i in range(count):
            points = rng.uniform(-8, 8, (2000, 4)) * (1, 1, 0.25, 1)
            points.astype(np.float32).tofile(folder / f'{i:06d}.bin')
            rng.integers(0, 5, 2000).astype(np.uint32).tofile(folder / f'{i:06d}.label')
    follow(SCANS, mine)
    log = logged(mine / 'work_dirs/my_student')
    assert {'ground', 'plant', 'building', 'miou'} <= set(log)


def test_a_detector_of_ones_own_becomes_teacher_and_student(tmp_path, monkeypatch):
    (snippet,) = re.findall(r'```python\n(.*?)```', DETECTOR, re.DOTALL)
    folder = tmp_path / 'configs/own'
    folder.mkdir(parents=True)
    (tmp_path / 'configs/_base_').symlink_to(ROOT / 'configs/_base_')
    (folder / 'my_detector.py').write_text(
        "_base_ = 'mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py'\n")
    (folder / 'my_pair.py').write_text(snippet)
    monkeypatch.chdir(folder)
    teacher = build(Config.fromfile('my_detector.py').model)
    model = build(Config.fromfile('my_pair.py').model)
    small, large = (sum(p.numel() for p in net.parameters()) for net in (model.student, teacher))
    assert 3.5 < large / small < 4.5
    assert set(model.terms) == {'local_graph'}

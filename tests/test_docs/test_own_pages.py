"""The pages on a loss, scans and a detector of one's own, followed from a folder beside the clone.

What the reader has before is made here; each file is the page's, each command runs as it stands.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from markdown_pages import ROOT, commands, named_files
from mmengine.config import Config
from toy import build, save_checkpoint

from projects.SRKD.distill.matched_points import MatchedPoints

LOSS = (ROOT / 'docs/own_loss.md').read_text()
SCANS = (ROOT / 'docs/own_dataset.md').read_text()
FEW = (ROOT / 'docs/few_labels.md').read_text()
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


def follow(files: dict[str, str], page: str, folder) -> None:
    """Write the files, and run the commands of a page."""
    for name, code in files.items():
        (folder / name).write_text(code)
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    env['PATH'] = f'{folder.parent / "bin"}{os.pathsep}{env["PATH"]}'
    for command in commands(page):
        done = subprocess.run(['bash', '-c', command], cwd=folder, env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        assert done.returncode == 0, f'{command}\n{done.stdout[-3000:]}'


def write_scans(folder, size: np.ndarray, labels: type) -> None:
    """Random scans and labels as the page describes them; columns reach up to ``size``."""
    rng = np.random.default_rng(0)
    for split, count in dict(train=4, val=2).items():
        scans = folder / 'data/mine' / split
        scans.mkdir(parents=True)
        for i in range(count):
            points = rng.random((3000, len(size))) * size
            points.astype(np.float32).tofile(scans / f'{i:06d}.bin')
            rng.integers(0, 5, 3000).astype(labels).tofile(scans / f'{i:06d}.label')


def logged(folder) -> dict:
    """What a run logged, the last value of each name."""
    (log,) = folder.glob('*/vis_data/scalars.json')
    return {name: value for line in log.read_text().splitlines()
            for name, value in json.loads(line).items()}  # fmt: skip


def test_a_loss_of_ones_own_trains_from_outside_of_the_repository(mine):
    assert set(named_files(LOSS)) == {'my_loss.py', 'my_pair.py'}
    assert sum(len(code.splitlines()) for code in named_files(LOSS).values()) <= 40
    assert len(commands(LOSS)) == 3
    follow(named_files(LOSS), LOSS, mine)
    log = logged(mine / 'work_dirs/my_pair')
    assert math.isfinite(log['loss_cosine']) and log['loss_cosine'] > 0
    assert log['loss_kd'] > 0 and 'miou' in log
    assert (mine / 'work_dirs/my_pair/epoch_1.pth').exists()


def test_the_page_names_every_field_that_a_loss_may_read():
    table = LOSS.partition('| field |')[2]
    assert tuple(re.findall(r'^\| `(\w+)` \|', table, re.MULTILINE)) == MatchedPoints.names()


def test_scans_of_ones_own_train(mine):
    names = {'write_infos.py', 'my_data.py', 'my_student.py', 'my_rooms.py'}
    assert set(named_files(SCANS)) == names
    assert len(commands(SCANS)) == 2
    write_scans(mine, np.array((16, 16, 4, 1)), np.uint32)
    follow(named_files(SCANS), SCANS, mine)
    log = logged(mine / 'work_dirs/my_student')
    assert {'ground', 'plant', 'building', 'miou'} <= set(log)


def test_scans_of_ones_own_without_labels_train_a_student(mine):
    files = named_files(FEW)
    assert set(files) == {'write_unlabeled.py', 'my_few_labels.py'} and len(commands(FEW)) == 2
    write_scans(mine, np.array((16, 16, 4, 1)), np.uint32)
    bare = mine / 'data/mine/unlabeled'
    shutil.copytree(mine / 'data/mine/val', bare)
    for label in bare.glob('*.label'):
        label.unlink()
    before = named_files(SCANS)
    follow({'write_infos.py': before['write_infos.py']}, f'```\n{commands(SCANS)[0]}\n```', mine)
    before['my_teacher.py'] = "_base_ = './my_student.py'\n"
    for name, code in before.items():
        (mine / name).write_text(code)
    teacher = mine / 'work_dirs/my_teacher'
    teacher.mkdir(parents=True)
    save_checkpoint(Config.fromfile(mine / 'my_teacher.py').model, teacher / 'epoch_1.pth')
    follow(files, FEW, mine)
    log = logged(mine / 'work_dirs/my_few_labels')
    assert log['loss_sem_seg'] > 0 and log['loss_kd'] > 0 and 'loss_pseudo' in log


def test_scans_of_ones_own_with_color_train(mine):
    files = named_files(SCANS)
    for name, old, new in (
        ('write_infos.py', 'num_pts_feats=4', 'num_pts_feats=6'),
        ('my_student.py', './my_data.py', './my_rooms.py'),
        ('my_student.py', 'in_channels=4', 'in_channels=6'),
        ('my_student.py', 'voxel_size=0.2', 'voxel_size=0.05'),
    ):
        assert old in files[name]
        files[name] = files[name].replace(old, new)
    write_scans(mine, np.array((4, 3, 2.5, 255, 255, 255)), np.int64)
    follow(files, SCANS, mine)
    assert {'floor', 'wall', 'table', 'miou'} <= set(logged(mine / 'work_dirs/my_student'))


def test_a_detector_of_ones_own_becomes_teacher_and_student(tmp_path, monkeypatch):
    folder = tmp_path / 'configs/own'
    folder.mkdir(parents=True)
    (tmp_path / 'configs/_base_').symlink_to(ROOT / 'configs/_base_')
    (folder / 'my_detector.py').write_text(
        "_base_ = 'mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py'\n"
    )
    files = re.findall(r'`configs/own/(\w+\.py)`:\n\n```python\n(.*?)```', DETECTOR, re.DOTALL)
    assert [name for name, _ in files] == ['my_small.py', 'my_pair.py']
    for name, code in files:
        (folder / name).write_text(code)
    monkeypatch.chdir(tmp_path)
    for command in commands(DETECTOR):
        for path in re.findall(r'(?<= )(?:tools|configs/own)/\S+\.py', command):
            assert (ROOT / path).exists() or Path(path).exists(), path
    teacher, small, pair = (build(Config.fromfile(f'configs/own/{name}.py').model)
                            for name in ('my_detector', 'my_small', 'my_pair'))  # fmt: skip
    few, many = (sum(p.numel() for p in net.parameters()) for net in (small, teacher))
    assert 3.5 < many / few < 4.5
    assert pair.state_dict().keys() == small.state_dict().keys()
    assert set(pair.terms) == {'local_graph'}


def test_the_page_names_the_terms_that_methods_have_for_a_family():
    methods = {path.stem: Config.fromfile(path).distill
               for path in (ROOT / 'configs/_base_/distill').glob('*.py')}  # fmt: skip
    methods = {name: terms for name, terms in methods.items() if 'pointpillars' in terms}
    rows = re.findall(r'^\| .+ \| `_base_\.distill\.(\w+)` \| (.+) \|$', DETECTOR, re.MULTILINE)
    assert {family for family, _ in rows} == set().union(*methods.values())
    for family, said in rows:
        having = {name for name, terms in methods.items() if family in terms}
        if said == 'PointDistiller':
            assert having == {name for name in methods if name.startswith('pointdistiller')}
        else:
            lacking = set(re.findall(r'`(\w+)`', said))
            assert said.startswith('all') and having == methods.keys() - lacking, family

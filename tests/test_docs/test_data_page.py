"""The commands of docs/data.md, run as they stand there on tiny raw roots, end in a training.

Each trains a config of the project through ``tools/train.py``'s own function: all that is asked
before a run is asked, and a step is taken. Segmentation goes on to its scores; detection, whose
steps take seconds, stops there.
"""

import json
import re
import runpy
import shlex
import sys
from pathlib import Path

import mmdet3d
import pytest
import torch
from mmdet3d.datasets.transforms import data_augment_utils
from mmdet3d.registry import HOOKS
from mmengine.config import Config
from mmengine.hooks import Hook
from toy_kitti import interpret
from toy_roots import (
    raw_kitti,
    raw_nuscenes,
    raw_pandaset,
    raw_scannet,
    raw_semantickitti,
)

from projects.SRKD.engine import launch

REPO = Path(__file__).parents[2]
PAGE = (REPO / 'docs/data.md').read_text()
MMDET3D = f'{mmdet3d.__path__[0]}/.mim'


def commands(section: str) -> list[list[str]]:
    """Arguments of the Python commands below a heading of the page, with the package's folder."""
    text = re.split(r'^## ', PAGE.partition(f'\n## {section}')[2], flags=re.MULTILINE)[0]
    lines = [line for block in re.findall(r'```\n(.*?)```', text, re.DOTALL)
             for line in block.splitlines()]  # fmt: skip
    return [shlex.split(line.replace('$MMDET3D', MMDET3D)) for line in lines
            if re.match(r'(PYTHONPATH=\S+ )?python \S+\.py', line)]  # fmt: skip


def run(section: str, monkeypatch) -> None:
    """Run the commands of a section from the present folder, tools of the repository linked."""
    if not Path('tools').exists():
        Path('tools').symlink_to(REPO / 'tools')
    found = commands(section)
    assert found, section
    for path, *words in found:
        if path.startswith('PYTHONPATH='):
            monkeypatch.syspath_prepend(path.removeprefix('PYTHONPATH='))
            path, *words = words
        monkeypatch.setattr(sys, 'argv', words)
        runpy.run_path(words[0], run_name='__main__')


class EnoughError(Exception):
    """A step was taken."""


@HOOKS.register_module(force=True)
class StopAfterOneStep(Hook):
    """Ends a run in words of its own."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        assert torch.isfinite(outputs['loss'])
        raise EnoughError


def write_config(config: str, **more) -> str:
    """A child of a config of the project that trains for an epoch in this process."""
    name = Path(config).stem
    loader = dict(num_workers=0, persistent_workers=False)
    changes = dict(
        train_dataloader=loader | dict(batch_size=2), val_dataloader=loader, test_dataloader=loader,
        train_cfg=dict(max_epochs=1, val_interval=1), experiment_name=name,
        default_hooks=dict(checkpoint=None, logger=dict(type='LoggerHook', interval=1)),
        work_dir=f'work_{name}', **more,
    )  # fmt: skip
    lines = [f'_base_ = [{str(REPO / "configs" / config)!r}]',
             *(f'{key} = {value!r}' for key, value in changes.items())]  # fmt: skip
    Path(f'{name}.py').write_text('\n'.join(lines))
    return f'{name}.py'


def train(config: str) -> float:
    """Train for an epoch on what lies in ``data``; returns the mean IoU."""
    path = write_config(config)
    launch.train(path)
    (log,) = Path(f'work_{Path(path).stem}').rglob('scalars.json')
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    assert any('loss' in line for line in logged)
    return logged[-1]['miou']


def step(config: str) -> None:
    """Take one training step on what lies in ``data``."""
    path = write_config(config, custom_hooks=[dict(type='StopAfterOneStep')])
    with pytest.raises(EnoughError):
        launch.train(path)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder for each test, and configs written down without yapf, which takes 20 s a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Config, 'pretty_text', property(lambda config: repr(config.to_dict())))


@pytest.fixture(scope='module')
def nuscenes(tmp_path_factory):
    return raw_nuscenes(tmp_path_factory.mktemp('raw') / 'nuscenes')


def linked(root: Path, name: str) -> None:
    Path('data').mkdir()
    Path('data', name).symlink_to(root)


def test_scannet_and_scannet200(tmp_path, monkeypatch):
    raw_scannet(tmp_path / 'data/scannet')
    run('ScanNet ', monkeypatch)
    assert train('srkd/minkunet18-w16_4xb2-800e_scannet-seg.py') >= 0
    assert train('srkd/minkunet18-w16_4xb2-800e_scannet200-seg.py') >= 0


def test_nuscenes_with_lidarseg(nuscenes, monkeypatch):
    linked(nuscenes, 'nuscenes')
    run('nuScenes with lidarseg', monkeypatch)
    assert train('srkd/minkunet18-w16_4xb2-50e_nuscenes-lidarseg.py') >= 0


def test_nuscenes_with_boxes(nuscenes, monkeypatch):
    interpret(monkeypatch, data_augment_utils)
    linked(nuscenes, 'nuscenes')
    run('nuScenes with boxes', monkeypatch)
    step('pointdistiller/centerpoint-16x_8xb4-cyclic-20e_nus-3d.py')


def test_kitti(tmp_path, monkeypatch):
    interpret(monkeypatch, data_augment_utils)
    raw_kitti(tmp_path / 'data/kitti')
    run('KITTI', monkeypatch)
    step('pointdistiller/pointpillars-16x_8xb6-160e_kitti-3d-3class.py')


def test_semantickitti(tmp_path, monkeypatch):
    raw_semantickitti(tmp_path / 'data/semantickitti')
    with pytest.warns(UserWarning, match='left out'):
        run('SemanticKITTI', monkeypatch)
    assert train('srkd/minkunet18-w16_4xb2-50e_semantickitti.py') >= 0


def test_pandaset(tmp_path, monkeypatch):
    raw_pandaset(tmp_path / 'data/pandaset')
    run('PandaSet', monkeypatch)
    assert train('mini/minkunet-mini_1xb4-15e_mini-pandaset.py') >= 0

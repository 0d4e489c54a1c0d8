"""The tool on a config file of its own, as a user calls it."""

import subprocess
import sys
from pathlib import Path

import mmengine
import numpy as np
import pytest
from processes import run_script

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/scene_statistics.py'

CONFIG = """
default_scope = 'mmdet3d'
train_dataloader = dict(dataset=dict(
    type='ScanNetSegDataset', data_root={root!r}, ann_file='infos.pkl',
    metainfo=dict(classes=(
        'wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window',
        'bookshelf', 'picture', 'counter', 'desk', 'curtain', 'refrigerator', 'showercurtrain',
        'toilet', 'sink', 'bathtub', 'otherfurniture')),
    data_prefix=dict(pts='points', pts_semantic_mask='semantic_mask'), scene_idxs=[0, 1, 1],
    pipeline=[
        dict(type='LoadAnnotations3D', with_bbox_3d=False, with_label_3d=False,
             with_seg_3d=True),
        dict(type='PointSegClassMapping')]))
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / 'semantic_mask').mkdir()
    entries = []
    for name, label in {'scene0000_00': [1, 1, 0], 'scene0000_01': [1, 36, 36]}.items():
        np.array(label, np.int64).tofile(tmp_path / f'semantic_mask/{name}.bin')
        entries.append(
            dict(
                lidar_points=dict(num_pts_feats=6, lidar_path=f'{name}.bin'),
                pts_semantic_mask_path=f'{name}.bin',
            )
        )
    mmengine.dump(dict(metainfo={}, data_list=entries), tmp_path / 'infos.pkl')
    path = tmp_path / 'config.py'
    path.write_text(CONFIG.format(root=str(tmp_path)))
    return path


def call(*arguments):
    return run_script(TOOL, *arguments, cwd=ROOT)


def test_it_keeps_and_shows_what_it_found(config):
    done = subprocess.run(
        [sys.executable, TOOL, config], cwd=ROOT, env={'PYTHONPATH': str(ROOT), 'PATH': ''},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '2/2' in done.stderr  # masks, read once though one scan repeats
    assert '3 scans, 1 scenes' in done.stdout
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    assert rows['wall'] == ['4', '3', '100.0%', '0.00']
    assert rows['bathtub'] == ['4', '2', '66.7%', '0.41']  # log(3 / 2)
    assert rows['floor'] == ['0', '0', '0.0%', '0.00']
    assert config.with_name('infos.classes.npz').is_file()


def test_a_missing_mask_ends_in_one_sentence(config):
    (config.parent / 'semantic_mask/scene0000_01.bin').unlink()
    done = call(config)
    assert done.returncode == 2
    assert done.stderr.strip().endswith('check data_root and data_prefix.')
    assert 'Traceback' not in done.stderr


def test_a_dataloader_the_config_lacks_is_named(config):
    done = call(config, '--dataloader', 'val_dataloader')
    assert done.returncode == 2
    assert 'has no val_dataloader, but train_dataloader' in done.stderr

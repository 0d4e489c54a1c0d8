import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from projects.SRKD import compat

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize('name', compat.CURES)
def test_each_cure_says_what_breaks_where_and_when_it_can_go(name):
    text = import_module(f'projects.SRKD.compat.{name}').__doc__
    assert all(f'\n{word}: ' in text for word in ('Breaks', 'Where', 'Delete when'))


def test_applying_again_reports_the_same():
    assert compat.apply() == compat.apply()
    assert set(compat.apply()) == set(compat.CURES)


def test_numpy_has_its_old_name_and_mmdet3d_can_use_it():
    compat.apply()
    assert np.array([1, 2], dtype=np.long).dtype == np.int64


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) >= '2.0.0', reason='numpy 2 has np.long')
@pytest.mark.shows_a_fault
def test_without_the_cure_numpy_lacks_the_name():
    code = 'import numpy as np; np.long'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert "no attribute 'long'" in done.stderr


@pytest.mark.parametrize('cured', [True, False])
def test_reading_a_config_repeats_no_warning(tmp_path, cured):
    (tmp_path / 'base.py').write_text('a = 1\n')
    bases = ['./base.py', 'mmdet3d::_base_/default_runtime.py']
    (tmp_path / 'derived.py').write_text(f'_base_ = {bases}\n')
    code = (
        'import sys, mmengine; from mmengine.config import Config\n'
        f'if {cured}: from projects.SRKD import compat; compat.apply()\n'
        "print('---', file=sys.stderr); Config.fromfile('derived.py')"
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert ('pkg_resources' in done.stderr.split('---')[1]) != cured


FOREIGN = {
    'FileClient': 'from mmengine.hooks import CheckpointHook; from types import SimpleNamespace\n'
    'hook = CheckpointHook()\n'
    'logger = SimpleNamespace(info=print)\n'
    "hook.before_train(SimpleNamespace(work_dir='.', logger=logger, _resume=False))\n",
    'HardDiskBackend': 'from mmengine.fileio import HardDiskBackend; HardDiskBackend()\n',
    'dir_offset': 'from mmdet3d.models.dense_heads import Anchor3DHead\n'
    'try: Anchor3DHead(1, 1, train_cfg=None, test_cfg=None, dir_offset=1)\n'
    'except Exception: pass  # a head without its parts warns before it fails\n',
    'meshgrid': 'import torch; torch.meshgrid(torch.ones(2), torch.ones(2))\n',
}


@pytest.mark.parametrize('cured', [
    True, pytest.param(False, marks=pytest.mark.shows_a_fault),
])  # fmt: skip
def test_warnings_of_foreign_code_about_itself_are_not_told(tmp_path, cured):
    code = f'if {cured}: from projects.SRKD import compat; compat.apply()\n'
    done = subprocess.run(
        [sys.executable, '-c', code + ''.join(FOREIGN.values())],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    told = {word for word in FOREIGN if word in done.stderr + done.stdout}
    assert told == (set() if cured else set(FOREIGN))


def test_what_needs_torch_alone_imports_without_the_packages_that_are_mended():
    absent = ['mmdet3d', 'mmdet', 'mmcv', 'mmengine', 'spconv']
    code = (
        f'import sys; sys.modules.update(dict.fromkeys({absent}))\n'
        'from projects.SRKD import backbones, compat, losses, ops\n'
        'print(compat.CURES[0], losses.affinity_mse.__name__)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert done.stdout.split() == ['numpy_names', 'affinity_mse'], done.stderr

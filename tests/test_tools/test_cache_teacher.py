"""The tool as a user calls it, and as a scheduler kills it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy import minkunet, save_checkpoint, write_scannet
from toy_cache import cached_config
from toy_training import NUM_CLASSES

ROOT = Path(__file__).parents[2]
SCANS = 40


@pytest.fixture
def config(tmp_path):
    data_root = write_scannet(tmp_path / 'data', train=SCANS)
    network = minkunet(16, num_classes=NUM_CLASSES)
    checkpoint = save_checkpoint(network, tmp_path / 'teacher.pth')
    teacher = dict(config=network, checkpoint=checkpoint)
    config = cached_config(data_root, tmp_path, teacher)
    config.custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)
    config.dump(tmp_path / 'config.py')
    return tmp_path / 'config.py'


def start(*arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, ROOT / 'tools/cache_teacher.py', *map(str, arguments)],
        cwd=ROOT,
        env={'PYTHONPATH': str(ROOT), 'PATH': '', 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_tool_goes_on_where_it_stopped(config, tmp_path):
    cache = tmp_path / 'cache'
    running = start(config)
    while running.poll() is None and len(list(cache.rglob('*.npz'))) < 3:
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    stored = {path: path.stat().st_mtime_ns for path in cache.rglob('*.npz')}
    assert 3 <= len(stored) < SCANS
    assert not json.loads((cache / 'cache.json').read_text())['finished']

    again = start(config)
    out, err = again.communicate()
    assert again.returncode == 0, err
    assert f'{SCANS} scans, {len(stored)} of them stored' in out
    assert f'all {SCANS - len(stored)}: about' in out and 'per scan' in out
    assert json.loads((cache / 'cache.json').read_text())['finished']
    assert len(list(cache.rglob('*.npz'))) == SCANS and not list(cache.rglob('*.tmp'))
    assert all(path.stat().st_mtime_ns == written for path, written in stored.items())


def test_what_cannot_be_cached_ends_in_one_sentence(config, tmp_path):
    options = f'model.teacher.checkpoint={tmp_path}/gone.pth'
    running = start(config, '--out', tmp_path / 'other', '--cfg-options', options)
    _, err = running.communicate()
    assert running.returncode == 2
    assert err.strip().endswith(f'cache_teacher.py: teacher checkpoint {tmp_path}/gone.pth does '
                                'not exist')  # fmt: skip
    assert 'Traceback' not in err and not (tmp_path / 'other').exists()

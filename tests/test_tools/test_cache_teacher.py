"""The tool as a user calls it, and as a scheduler kills it."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from processes import run, run_script
from toy import minkunet, save_checkpoint, write_scannet
from toy_cache import cached_config, replayed_config
from toy_training import NUM_CLASSES

from projects.SRKD.base.lock import folder_held

ROOT = Path(__file__).parents[2]
SCANS, STORED = 9, 3
TOOL = ROOT / 'tools/cache_teacher.py'

# The tool, killed when one more scan than STORED is written but has not got its name yet.
KILLED = f"""
import os, runpy, signal, sys

def named(part, path, rename=os.replace, scans=[]):
    if str(path).endswith('.npy'):
        scans.append(path)
    if len(scans) > {STORED}:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(part, path)

os.replace = named
runpy.run_path({str(TOOL)!r}, run_name='__main__')
"""


def dumped(make, tmp_path, scans, **options):
    """Path of a distillation run's config file."""
    data_root = write_scannet(tmp_path / 'data', train=scans)
    network = minkunet(16, num_classes=NUM_CLASSES)
    checkpoint = save_checkpoint(network, tmp_path / 'teacher.pth')
    config = make(data_root, tmp_path, dict(config=network, checkpoint=checkpoint), **options)
    config.custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)
    config.dump(tmp_path / 'config.py')
    return tmp_path / 'config.py'


@pytest.fixture
def config(tmp_path):
    return dumped(cached_config, tmp_path, SCANS)


def start(*command):
    environment = {'PYTHONPATH': str(ROOT), 'PATH': '', 'OMP_NUM_THREADS': '1'}
    return run([sys.executable, *command], cwd=ROOT, env=environment)


def test_a_killed_tool_goes_on_where_it_stopped(config, tmp_path):
    cache = tmp_path / 'cache'
    killed = tmp_path / 'killed.py'
    killed.write_text(KILLED)
    assert run_script(killed, config, cwd=ROOT).returncode == -signal.SIGKILL
    stored = {path: path.stat().st_mtime_ns for path in cache.rglob('*.npy')}
    assert len(stored) == STORED and len(list(cache.rglob('*.part'))) == 1
    assert not json.loads((cache / 'cache.json').read_text())['finished']

    again = start(TOOL, config)
    assert again.returncode == 0, again.stderr
    assert f'{SCANS} scans, {STORED} of them stored' in again.stdout
    assert f'all {SCANS - STORED}: about' in again.stdout and 'per scan' in again.stdout
    assert json.loads((cache / 'cache.json').read_text())['finished']
    assert len(list(cache.rglob('*.npy'))) == SCANS and not list(cache.rglob('*.part'))
    assert all(path.stat().st_mtime_ns == written for path, written in stored.items())


def test_views_are_added_to_a_finished_cache(tmp_path):
    config = dumped(replayed_config, tmp_path, 2, views=1)
    for options, told in (
        ([], '1 views of each of 2 scans, 0 of them stored'),
        (['--views', '3'], '3 views of each of 2 scans, 2 of them stored'),
    ):
        done = run_script(TOOL, config, *options, cwd=ROOT)
        assert done.returncode == 0 and told in done.stdout, done.stderr
    found = json.loads((tmp_path / 'cache/cache.json').read_text())
    assert found['finished'] and found['views'] == 3
    assert len(list((tmp_path / 'cache').rglob('*.npy'))) == 6
    fewer = run_script(TOOL, config, cwd=ROOT)
    assert fewer.returncode == 2 and fewer.stderr.strip().endswith('use --views 3')


def test_views_are_chosen_before_they_are_cached(tmp_path):
    config = dumped(replayed_config, tmp_path, 2, views=1)
    choice = tmp_path / 'choice.json'
    text = config.read_text().replace(
        "type='ReplayViews'", f"type='ChosenViews', candidates=3, choice={str(choice)!r}"
    )
    config.write_text(text)
    for options, told, there in (
        (['--dry-run'], 'all 2 scans: about', False),
        ([], '1 views of each of 2 scans, 0 of them stored', True),
    ):
        done = run_script(TOOL, config, *options, cwd=ROOT)
        assert done.returncode == 0 and told in done.stdout, done.stderr
        assert choice.exists() == (tmp_path / 'cache').exists() == there
    assert all(sorted(order) == [0, 1, 2] for order in json.loads(choice.read_text())['order'])
    assert json.loads((tmp_path / 'cache/cache.json').read_text())['finished']


def test_a_second_tool_is_refused_and_the_work_of_the_first_stays(config, tmp_path):
    cache = tmp_path / 'cache'
    with folder_held(cache, 'cache'):
        (cache / '000').mkdir()
        (cache / '000/.000001.npy.0.part').write_text('half')  # the first is at it
        for options in ([], ['--check'], ['--dry-run']):
            done = run_script(TOOL, config, *options, cwd=ROOT)
            assert done.returncode == 2 and 'Traceback' not in done.stderr
            said = done.stderr.strip().splitlines()[-1]
            assert said.startswith(
                f'cache_teacher.py: the folder of the teacher cache (--out) {cache} must be '
                f'written by one process at a time, but got a second one: process {os.getpid()} '
            )
        assert (cache / '000/.000001.npy.0.part').exists()
        (cache / '000/.000001.npy.0.part').unlink()
        (cache / '000').rmdir()
    assert not cache.exists()
    dry = run_script(TOOL, config, '--dry-run', cwd=ROOT)
    assert dry.returncode == 0 and not cache.exists()


def test_what_cannot_be_cached_ends_in_one_sentence(config, tmp_path):
    options = f'model.teacher.checkpoint={tmp_path}/gone.pth'
    done = run_script(TOOL, config, '--out', tmp_path / 'other', '--cfg-options', options, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.strip().endswith(
        f'cache_teacher.py: teacher checkpoint {tmp_path}/gone.pth does not exist'
    )
    assert 'Traceback' not in done.stderr and not (tmp_path / 'other').exists()


def test_a_cache_that_cannot_be_written_ends_before_the_teacher_runs(config, tmp_path):
    (tmp_path / 'file').touch()
    done = run_script(TOOL, config, '--out', tmp_path / 'file' / 'cache', cwd=ROOT)
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert 'points' not in done.stdout  # of the first scan
    assert done.stderr.strip().splitlines()[-1] == (
        f'cache_teacher.py: the folder of the teacher cache (--out) {tmp_path}/file/cache cannot '
        f'be written to ({tmp_path}/file: Not a directory), expected a folder that is there or '
        'can be made'
    )

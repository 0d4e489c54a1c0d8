"""The fixtures of conftest.py, seen from outside: small pytest runs beside a copy of it."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

CHILD = """
import pytest, torch

@pytest.mark.parametrize('i', range(4))
def test_read(realdata, i):
    assert (realdata / 'scannet' / 'a.bin').read_bytes() == b'points'

def test_one_thread():
    assert torch.get_num_threads() == 1

@pytest.mark.two_threads
def test_two_threads():
    assert torch.get_num_threads() == 2

def test_device(device):
    torch.zeros(1, device=device)
"""

DRAWS = """
import random
import numpy, pytest, torch

def draw():
    return random.random(), numpy.random.rand(), torch.rand(()).item()

@pytest.fixture(scope='module')
def shared():
    return draw()

@pytest.mark.parametrize('i', range(2))
def test_draws(shared, i):
    assert draw() == shared
"""

FAULTS = """
import pytest

@pytest.mark.shows_a_fault
@pytest.mark.parametrize('shown', [True, False])
def test_fault(shown):
    assert shown

@pytest.mark.shows_a_fault
def test_setup(gone):
    pass

@pytest.mark.parametrize('calls', [400])
def test_reports(report, calls):
    report(f'wrong in 0 of {calls} calls here')
"""


@pytest.fixture
def child(tmp_path):
    """Run child tests with a value for SRKD_REALDATA; returns what pytest printed."""
    shutil.copy(Path(__file__).with_name('conftest.py'), tmp_path)

    def run(realdata, *args, tests=CHILD):
        (tmp_path / 'test_child.py').write_text(tests)
        env = {k: v for k, v in os.environ.items() if k != 'SRKD_REALDATA' and 'PYTEST' not in k}
        if realdata:
            env['SRKD_REALDATA'] = str(realdata)
        return subprocess.run(
            [
                sys.executable,
                '-m',
                'pytest',
                '-p',
                'no:dash',
                '-q',
                '-rs',
                '-W',
                'ignore',
                '-c',
                os.devnull,
                '--strict-markers',
                '--rootdir',
                str(tmp_path),
                f'--basetemp={tmp_path / "base"}',
                str(tmp_path),
                *args,
            ],
            env=env,
            capture_output=True,
            text=True,
        ).stdout

    return run


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / 'source' / 'realdata'
    (folder / 'scannet').mkdir(parents=True)
    (folder / 'scannet' / 'a.bin').write_bytes(b'points')
    return folder


def test_without_the_variable_tests_skip_and_say_which(child):
    out = child(None)
    assert '4 skipped' in out and 'set SRKD_REALDATA' in out and 'failed' not in out


def test_a_folder_is_read_where_it_lies(child, scans):
    assert '\n7 passed' in child(scans)


def test_an_archive_is_unpacked_once_for_two_workers(child, scans, tmp_path):
    archive = tmp_path / 'realdata.tar.xz'
    with tarfile.open(archive, 'w:xz') as file:
        file.add(scans, 'realdata')
    assert '\n7 passed' in child(archive, '-n', '2')
    assert len(list((tmp_path / 'base').glob('**/a.bin'))) == 1


def test_a_wrong_variable_fails_instead_of_skipping(child, tmp_path):
    out = child(tmp_path / 'nowhere')
    assert 'neither a folder nor an archive' in out and 'skipped' not in out


def test_random_numbers_are_those_of_the_test_whatever_ran_before(child):
    assert '\n2 passed' in child(None, tests=DRAWS)


def test_a_fault_that_does_not_show_is_said_and_fails_nothing(child):
    out = child(None, '-rx', '-n', '1', tests=FAULTS)
    assert '2 passed, 1 xfailed, 1 error' in out  # what cannot start is an error all the same
    assert '::test_fault[False] - the fault does not show here: see "Delete when"' in out
    assert 'wrong in 0 of 400 calls here' in out

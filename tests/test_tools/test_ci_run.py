import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def script(path, text):
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def ci(tmp_path):
    """Run a copy of .ci/run whose `make` fails for one target; returns exit code and output."""
    clone = tmp_path / 'clone'
    (clone / '.ci').mkdir(parents=True)
    shutil.copy(ROOT / '.ci' / 'run', clone / '.ci')
    (tmp_path / 'bin').mkdir()

    def run(failing='', **environment):
        script(
            tmp_path / 'bin' / 'make',
            f'echo "make $* with ${{SRKD_REALDATA:-none}}"; [ "$1" != "{failing}" ]',
        )
        env = {k: v for k, v in os.environ.items() if k != 'SRKD_REALDATA'} | environment
        env['PATH'] = f'{tmp_path / "bin"}{os.pathsep}{env["PATH"]}'
        done = subprocess.run(
            ['bash', '.ci/run'], cwd=clone, env=env, capture_output=True, text=True
        )
        return done.returncode, done.stdout

    return run


def test_it_calls_lint_the_demo_and_the_tests(ci):
    code, out = ci()
    assert code == 0
    targets = [line.split(' with ')[0] for line in out.splitlines() if ' with ' in line]
    demos = ['make demo DEMO=smoke', 'make demo-detection DEMO=smoke']
    assert targets == ['make setup', 'make lint', 'make docs', *demos, 'make test']


@pytest.mark.parametrize('target', ['setup', 'lint', 'docs', 'demo', 'demo-detection', 'test'])
def test_one_failure_fails_all_and_the_rest_still_runs(ci, target):
    code, out = ci(target)
    assert code == 1 and f'FAILED: make {target}' in out and 'make test with' in out


def test_real_scans_beside_the_clone_are_used_unless_the_environment_names_others(ci, tmp_path):
    out = ci()[1]
    assert 'make test with none' in out and 'real scans: none, tests that need' in out
    archive = tmp_path / 'shared' / 'realdata' / 'realdata.tar.xz'
    archive.parent.mkdir(parents=True)
    archive.touch()
    assert f'make test with {archive.resolve()}' in ci()[1]
    (tmp_path / 'mine').mkdir()
    out = ci(SRKD_REALDATA='../mine')[1]
    assert f'make test with {tmp_path.resolve()}/mine' in out
    assert f'real scans: {tmp_path.resolve()}/mine' in out


@pytest.mark.parametrize(
    'first, second, passes',
    [(0, 0, True), (1, 0, False), (0, 1, False), (5, 0, False), (0, 5, False)],
)
def test_make_test_fails_when_tests_fail_or_none_ran(tmp_path, first, second, passes):
    python = script(tmp_path / 'python', f'case "$*" in *not*) exit {first};; esac; exit {second}')
    done = subprocess.run(
        ['make', 'test', f'PYTHON={python}', 'BOOTSTRAP=true'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode == 0) is passes


def test_make_demo_hands_its_size_on(tmp_path):
    python = script(tmp_path / 'python', 'echo "ran $*"')
    done = subprocess.run(
        ['make', 'demo', 'DEMO=smoke', f'PYTHON={python}', 'BOOTSTRAP=true'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert 'ran tools/demo.py --preset smoke' in done.stdout

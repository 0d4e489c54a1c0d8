"""The step that ended a run, repeated by the command that the run names."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from processes import run_script
from toy_run import write_config

from projects.SRKD.engine.finite_step import replay

ROOT = Path(__file__).resolve().parents[2]


def test_the_command_that_a_run_ends_with_repeats_its_step(tmp_path):
    config = write_config(tmp_path, work_dir=str(tmp_path / 'run'))
    options = ['--cfg-options', 'optim_wrapper.optimizer.lr=1e30', 'train_cfg.max_epochs=9']
    done = run_script(ROOT / 'tools/train.py', config, *options, cwd=tmp_path)
    assert done.returncode == 1
    command = re.search(r'; python (tools/replay_step.py \S+) repeats it', done.stderr)[1]
    tool, folder = command.split()
    done = run_script(ROOT / tool, folder, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()[-4:]
    assert lines[0].startswith('the run said: the step of iteration 2 (epoch 1) is not finite: ')
    assert lines[1].startswith('repeated: loss=inf, bits=32.0') and lines[1].endswith('of the run')
    assert lines[2] == 'first output that is not finite: every output is finite'  # but its square
    assert lines[3] == 'gradients: 0 of 2 parameters have some that are not finite; bits: not kept'


def test_what_is_no_such_folder_is_one_sentence(tmp_path):
    done = run_script(ROOT / 'tools/replay_step.py', tmp_path, cwd=tmp_path)
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert 'must be a folder non_finite_iterN' in done.stderr.splitlines()[-1]


def test_a_step_that_comes_out_otherwise_is_told_by_the_exit_code(tmp_path, monkeypatch):
    class Other:
        same = False

        def report(self):
            return 'other bits'

    monkeypatch.setattr(replay, 'replay_step', lambda folder, rank: Other())
    monkeypatch.setattr(sys, 'argv', ['replay_step.py', str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / 'tools/replay_step.py'), run_name='__main__')
    assert ended.value.code == 1

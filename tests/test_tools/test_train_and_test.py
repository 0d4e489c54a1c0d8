"""The command-line tools as users start them: from another folder, also in two processes."""

import json
import os
import sys
from pathlib import Path

import pytest
from processes import free_port, run, run_script
from toy import minkunet
from toy_rooms import write_room_config
from toy_run import write_config

from projects.SRKD.base.lock import folder_held

TESTS = Path(__file__).resolve().parents[1]
TOOLS = TESTS.parent / 'tools'
SCRIPTS = ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']


def start(*command, cwd, **env):
    paths = [str(TESTS.parent), str(TESTS)]
    env = os.environ | {'PYTHONPATH': os.pathsep.join(paths), 'OMP_NUM_THREADS': '1', **env}
    return run(command, cwd=cwd, env=env)


def scalars(folder, key):
    (log,) = folder.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line[key] for line in lines if key in line]


def test_two_trainings_do_not_share_a_work_dir(tmp_path):
    config = write_config(tmp_path)
    command = [TOOLS / 'train.py', config, '--work-dir', tmp_path / 'run']
    with folder_held(tmp_path / 'run', 'work_dir'):
        done = run_script(*command, cwd=tmp_path)
        assert os.listdir(tmp_path / 'run') == ['.lock']
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith(
        f'train.py: work_dir {tmp_path}/run must be written by one process at a time, but got a '
        f'second one: process {os.getpid()} on '
    )
    done = run_script(*command, cwd=tmp_path)
    assert done.returncode == 0 and not (tmp_path / 'run/.lock').exists(), done.stderr


@pytest.fixture
def elsewhere(tmp_path):
    (tmp_path / 'elsewhere').mkdir()
    return tmp_path / 'elsewhere'


def test_train_then_test_from_any_folder(tmp_path, elsewhere):
    config = write_config(tmp_path)
    done = start(
        sys.executable,
        TOOLS / 'train.py',
        '../toy.py',
        '--work-dir',
        'run',
        '--amp',
        '--cfg-options',
        'train_cfg.max_epochs=2',
        'default_hooks.logger.interval=2',
        cwd=elsewhere,
    )
    assert done.returncode == 0, done.stderr
    assert scalars(elsewhere / 'run', 'bits') == [16.0, 16.0]
    done = start(
        sys.executable,
        TOOLS / 'test.py',
        config,
        'run/epoch_2.pth',
        '--work-dir',
        'test',
        cwd=elsewhere,
    )
    assert done.returncode == 0, done.stderr
    (log,) = (elsewhere / 'test').glob('*/*.json')
    assert json.loads(log.read_text())['seen'] == 4


def test_missing_data_root_is_one_sentence_and_no_traceback(tmp_path, elsewhere):
    config = write_config(tmp_path)
    (tmp_path / 'data').rmdir()
    done = run_script(TOOLS / 'train.py', config, cwd=elsewhere)
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr
    assert str(tmp_path / 'data') in done.stderr.splitlines()[-1]


def test_two_processes_train_and_test_together(tmp_path, elsewhere):
    config = write_config(tmp_path)
    env = dict(PYTHON=sys.executable, PORT=str(free_port()), CUDA_VISIBLE_DEVICES='')
    done = start(
        'bash',
        TOOLS / 'dist_train.sh',
        config,
        2,
        '--work-dir',
        'run',
        '--cfg-options',
        'train_cfg.max_epochs=2',
        cwd=elsewhere,
        **env,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # Four points, two processes, two a batch: one iteration an epoch.
    assert scalars(elsewhere / 'run', 'processes') == [2.0, 2.0]
    done = start(
        'bash',
        TOOLS / 'dist_test.sh',
        config,
        'run/epoch_2.pth',
        2,
        '--work-dir',
        'test',
        cwd=elsewhere,
        **env,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (log,) = (elsewhere / 'test').glob('*/*.json')
    assert json.loads(log.read_text())['seen'] == 4


def test_complexity_compares_with_a_teacher(tmp_path, elsewhere):
    for name, width in (('student', 4), ('teacher', 8)):
        (tmp_path / name).mkdir()
        write_room_config(tmp_path / name, minkunet(width, num_classes=20))
    done = start(
        sys.executable,
        TOOLS / 'analysis_tools' / 'complexity.py',
        '../student/rooms.py',
        '../teacher/rooms.py',
        '--repeats',
        '2',
        cwd=elsewhere,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split('|')[1:-1] for line in done.stdout.splitlines() if line[:1] == '|']
    assert [row[0].strip() for row in rows[2:]] == ['student', 'teacher']
    student, teacher = (int(row[1].replace(',', '')) for row in rows[2:])
    assert rows[2][2].strip() == f'{teacher / student:.2f}x'


def test_complexity_without_data_ends_in_one_sentence(tmp_path, elsewhere):
    config = write_room_config(tmp_path)
    (tmp_path / 'rooms').rename(tmp_path / 'moved')
    done = run_script(TOOLS / 'analysis_tools' / 'complexity.py', config, cwd=elsewhere)
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert str(tmp_path / 'rooms') in done.stderr.splitlines()[-1]


@pytest.mark.parametrize('script', SCRIPTS)
def test_script_without_arguments_tells_its_usage(script, tmp_path):
    assert os.access(TOOLS / script, os.X_OK)
    done = start('bash', TOOLS / script, cwd=tmp_path)
    assert done.returncode == 2 and 'CONFIG' in done.stderr and script in done.stderr


@pytest.mark.parametrize('script', ['slurm_train.sh', 'slurm_test.sh'])
def test_slurm_script_asks_for_what_it_was_told(script, tmp_path):
    (tmp_path / 'srun').write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    (tmp_path / 'srun').chmod(0o755)
    done = start(
        'bash',
        TOOLS / script,
        'gpu',
        'job',
        'my config.py',
        'last',
        '--cfg-options',
        'a=1',
        cwd=tmp_path,
        PATH=f'{tmp_path}:{os.environ["PATH"]}',
        GPUS='4',
        SRUN_ARGS='--mem 8G',
        PYTHON='py',
    )
    words = done.stdout.splitlines()
    for word in ('--ntasks=4', '--ntasks-per-node=4', '--gres=gpu:4', '--job-name=job', '8G'):
        assert word in words
    tool = words.index(str(TOOLS / script.replace('slurm_', '').replace('.sh', '.py')))
    assert words[tool + 1] == 'my config.py' and words[-2:] == ['--cfg-options', 'a=1']
    assert words[-4:-2] == ['--launcher', 'slurm']


@pytest.mark.parametrize(
    ('tool', 'flags'),
    [
        (
            'train.py',
            '--work-dir --amp --sync_bn --auto-scale-lr --resume --ceph --cfg-options '
            '--launcher --local_rank --local-rank',
        ),
        (
            'test.py',
            '--work-dir --ceph --show --show-dir --score-thr --task --wait-time '
            '--cfg-options --launcher --tta --local_rank --local-rank',
        ),
    ],
)
def test_tool_has_the_flags_of_mmdet3d(tool, flags, tmp_path):
    done = run_script(TOOLS / tool, '--help', cwd=tmp_path)
    assert done.returncode == 0
    assert set(flags.split()) <= set(done.stdout.replace(',', ' ').replace('[', ' ').split())

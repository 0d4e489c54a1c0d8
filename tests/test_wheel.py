"""The wheel holds the packages, configs and tools, and works where there is no checkout."""

import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from processes import run

from projects.SRKD import configs, tools
from projects.SRKD.base import FileMissingError

ROOT = Path(__file__).parents[1]
STUDENT = 'mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
PAIR = 'mini/srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
OURS = (
    'projects', 'configs', 'tools', 'setup.py', 'setup.cfg', 'pyproject.toml', 'model-index.yml',
    'README.md', 'LICENSE', 'NOTICE', *(['MANIFEST.in'] if (ROOT / 'MANIFEST.in').exists() else []),
)  # fmt: skip


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """Folder with the unpacked wheel, built in a copy of the checkout that was built before."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    for name in OURS:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, source / name)
    stale = source / 'build' / 'lib' / 'projects' / 'SRKD' / 'left_from_an_older_build.py'
    stale.parent.mkdir(parents=True)
    stale.touch()
    command = [sys.executable, '-m', 'pip', '--disable-pip-version-check', 'wheel', '--no-deps']
    done = run([*command, '--no-build-isolation', '--no-index', '-w', folder, source])
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob('srkd-*.whl')
    zipfile.ZipFile(wheel).extractall(folder / 'unpacked')
    return folder / 'unpacked'


def python(built, folder, *words):
    """Run an interpreter for which the unpacked wheel is what is installed."""
    path = os.pathsep.join([str(built), *filter(None, [os.environ.get('PYTHONPATH')])])
    return run([sys.executable, *words], cwd=folder, env={**os.environ, 'PYTHONPATH': path})


def shipped(folder):
    """Python files below a folder, as text."""
    return {str(path.relative_to(folder)) for path in folder.rglob('*.py')}


def test_the_looks_of_the_page_are_in_it(built):
    page = 'projects/SRKD/analysis/page'
    looks = {path.name for path in (ROOT / page).iterdir() if path.suffix in ('.css', '.js')}
    assert looks and looks <= {path.name for path in (built / page).iterdir()}


def test_configs_and_tools_are_in_it_and_nothing_else_is(built):
    mim = built / 'projects' / 'SRKD' / '.mim'
    assert shipped(mim / 'configs') == shipped(ROOT / 'configs')
    left = {'demo.py', 'demo_detection.py', 'setup_env.py', 'analysis_tools/preset_gradients.py'}
    assert shipped(mim / 'tools') == shipped(ROOT / 'tools') - left
    assert sorted(path.name for path in mim.iterdir()) == ['configs', 'model-index.yml', 'tools']
    for package in ('SRKD', 'MiniScenes'):
        ours = {name for name in shipped(built / 'projects' / package) if '.mim' not in name}
        assert ours == shipped(ROOT / 'projects' / package)
    (info,) = built.glob('srkd-*.dist-info')
    assert sorted(path.name for path in built.iterdir()) == ['projects', info.name]
    assert sorted(path.name for path in (built / 'projects').iterdir()) == ['MiniScenes', 'SRKD']


def test_the_tools_that_stay_behind_are_those_that_need_the_checkout():
    need = {
        path.name
        for path in (ROOT / 'tools').rglob('*.py')
        if re.search(r'^\s*from studies|requirements\.txt', path.read_text(), re.MULTILINE)
    }
    text = (ROOT / 'setup.py').read_text()
    named = re.search(r'NEED_THE_CHECKOUT = \((.*?)\)', text, re.DOTALL)[1]
    assert need == set(re.findall(r"'(.*?)'", named))


BUILD = """
import projects.SRKD
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

init_default_scope('mmdet3d')
cfg = Config.fromfile('my_student.py')
print(projects.SRKD.__file__, cfg.filename, cfg.train_cfg.max_epochs, type(MODELS.build(cfg.model)))
teacher = Config.fromfile('my_pair.py').model.teacher.config
print(teacher, type(MODELS.build(Config.fromfile(teacher).model)))
"""


def test_a_config_in_a_folder_of_its_own_builds_on_a_shipped_one(built, tmp_path):
    base = "_base_ = __import__('projects.SRKD').SRKD.configs('{}')\n"
    (tmp_path / 'my_student.py').write_text(
        base.format(STUDENT) + 'train_cfg = dict(max_epochs=3)\n'
    )
    (tmp_path / 'my_pair.py').write_text(base.format(PAIR))
    done = python(built, tmp_path, '-c', BUILD)
    assert done.returncode == 0, done.stderr
    student, teacher = done.stdout.splitlines()[-2:]
    assert student.startswith(str(built)) and ' my_student.py 3 ' in student
    assert teacher.startswith(str(built / 'projects' / 'SRKD' / '.mim' / 'configs'))
    assert student.endswith("MinkUNet'>") and teacher.endswith("MinkUNet'>")  # mmdet3d's segmentor


def test_a_tool_is_found_and_reads_a_shipped_config(built, tmp_path):
    code = (
        'import subprocess, sys, projects.SRKD as srkd\n'
        f"words = [srkd.tools('train.py'), srkd.configs('{STUDENT}'), '--work-dir', 'run']\n"
        'sys.exit(subprocess.run([sys.executable, *words]).returncode)'
    )
    done = python(built, tmp_path, '-c', code)
    assert done.returncode == 2, done.stderr  # a mistake of use: there is no data here
    assert done.stderr.splitlines()[-1].startswith('train.py: ') and 'data' in done.stderr


def test_it_brings_the_command_which_lists_the_tools_that_are_in_it(built, tmp_path):
    (points,) = built.glob('srkd-*.dist-info/entry_points.txt')
    assert 'srkd = projects.SRKD.commands.front:main' in points.read_text()
    done = python(built, tmp_path, '-m', 'projects.SRKD', '--help')
    assert done.returncode == 0, done.stderr
    named = re.findall(r'^  (\w+) +\S', done.stdout.split('commands')[-1], re.MULTILINE)
    assert {'new', 'train', 'test', 'cache', 'report', 'doctor'} <= set(named)
    done = python(built, tmp_path, '-m', 'projects.SRKD', 'train', '--help')
    assert done.stdout.startswith('usage: train.py')


def test_in_a_checkout_the_paths_are_those_of_the_checkout():
    assert configs() == f'{ROOT}/configs' and tools() == f'{ROOT}/tools'
    assert configs(STUDENT) == f'{ROOT}/configs/{STUDENT}'
    with pytest.raises(FileMissingError, match=r'ships no configs/mini/ptv3\.py; .*mini has no'):
        configs('mini/ptv3.py')

import configparser
import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys
import sysconfig
import time
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location('setup_env', ROOT / 'tools' / 'setup_env.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_plugin_is_found_from_any_folder(tmp_path):
    code = (
        'from mmengine.config import Config\n'
        "Config.fromfile('any.py')\n"
        "import sys; print(sys.modules['projects.SRKD'].__file__)"
    )
    (tmp_path / 'any.py').write_text(
        "custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)\n"
    )
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(ROOT / 'projects' / 'SRKD' / '__init__.py'), done.stderr


def test_other_plugins_share_the_folder_projects(tmp_path):
    (tmp_path / 'projects' / 'Other').mkdir(parents=True)
    (tmp_path / 'projects' / 'Other' / '__init__.py').write_text('here = True')
    code = 'import projects.Other, projects.SRKD; print(projects.Other.here)'
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
    )
    assert done.stdout.strip() == 'True', done.stderr
    assert not (ROOT / 'projects' / '__init__.py').exists()


@pytest.mark.parametrize(
    'cuda, package',
    [
        (None, 'spconv==2.3.8'),
        ('11.8', 'spconv-cu118==2.3.8'),
        ('12.1', 'spconv-cu121==2.3.8'),
        ('12.2', 'spconv-cu121==2.3.8'),
        ('12.6', 'spconv-cu126==2.3.8'),
        ('12.8', 'spconv-triton==1.0.0'),
        ('13.0', 'spconv-triton==1.0.0'),
    ],
)
def test_sparse_convolution_fits_the_cuda_version(tool, cuda, package):
    assert tool.spconv_package(cuda) == package


def test_index_for_torch_follows_the_driver_and_the_users_wish(tool, monkeypatch):
    monkeypatch.delenv('TORCH_INDEX', raising=False)
    monkeypatch.setattr(tool, 'has_nvidia', lambda: True)
    assert tool.torch_index() == []

    def unreachable(*args, **kwargs):
        raise OSError

    monkeypatch.setattr(tool, 'has_nvidia', lambda: False)
    monkeypatch.setattr(tool.urllib.request, 'urlopen', unreachable)
    assert tool.torch_index() == []
    monkeypatch.setenv('TORCH_INDEX', 'somewhere')
    assert tool.torch_index() == ['--extra-index-url', 'somewhere']


def fake_environment(tool, monkeypatch, tmp_path, torch):
    """Record pip's calls instead of making them; ``found`` is what the probe sees first."""
    calls = []
    found = dict(prefix=str(tmp_path), torch=torch, mmcv=None, cuda=None, python=[3, 11], spconv=[])
    monkeypatch.setattr(tool, 'pip', lambda python, *args, **kw: calls.append(args))
    monkeypatch.setattr(tool, 'probe', lambda python: {**found, 'torch': '2.13.0'})
    monkeypatch.setattr(tool, 'torch_index', list)
    monkeypatch.setattr(tool, 'ops_import', lambda python: True)
    monkeypatch.setattr(
        tool, 'compile_mmcv', lambda *args: calls.append(('compile mmcv', args[2][1]))
    )
    return calls, found


def test_packages_come_in_the_order_that_works(tool, monkeypatch, tmp_path):
    calls, found = fake_environment(tool, monkeypatch, tmp_path, None)
    tool.install('python', found)
    kinds = [
        next(
            (
                word
                for word in ('torch==2.13.0', 'setuptools', 'compile mmcv', '-r', '-e')
                if word in call
            ),
            None,
        )
        for call in calls
    ]
    assert kinds == ['torch==2.13.0', 'setuptools', 'compile mmcv', '-r', '-e']
    limits = (tmp_path / 'srkd-requirements.txt').read_text().splitlines()
    assert {'torch==2.13.0', 'spconv==2.3.8'} <= set(limits)
    assert any(line.startswith('numpy==1.26.4') for line in limits)


def test_every_step_is_held_to_the_tested_versions(tool, monkeypatch, tmp_path):
    calls, found = fake_environment(tool, monkeypatch, tmp_path, None)
    tool.install('python', found)
    held = str(tmp_path / 'srkd-constraints.txt')
    assert all(held in call for call in calls if 'compile mmcv' not in call and '-e' not in call)
    lines = set((tmp_path / 'srkd-constraints.txt').read_text().splitlines())
    assert {'torch==2.13.0', 'numpy==1.26.4'} <= lines
    assert any(line.startswith('triton==') for line in lines)


@pytest.mark.parametrize('torch, cuda', [('2.7.1', None), ('2.7.1+cu126', '12.6')])
def test_what_the_machine_decides_is_not_held(tool, monkeypatch, tmp_path, torch, cuda):
    _, found = fake_environment(tool, monkeypatch, tmp_path, torch)
    held = Path(tool.write_constraints({**found, 'cuda': cuda})[1]).read_text()
    assert not re.search(r'^(torch|triton|spconv)==', held, re.MULTILINE)
    assert 'numpy==1.26.4' in held


def test_a_cpu_machine_that_reaches_pypi_alone_gets_no_packages_for_gpus(
    tool, monkeypatch, tmp_path
):
    calls, found = fake_environment(tool, monkeypatch, tmp_path, None)
    held = Path(tool.write_constraints(found, [])[1]).read_text()  # its own comes with it
    assert 'triton==' not in held and 'torch==2.13.0' in held
    assert 'triton==' in Path(tool.write_constraints(found, ['--index', 'cpu'])[1]).read_text()
    monkeypatch.setattr(tool, 'has_nvidia', lambda: False)
    monkeypatch.setattr(
        tool, 'probe', lambda python: {**found, 'torch': '2.13.0+cu130', 'cuda': '13.0'}
    )
    tool.install('python', found)
    assert 'spconv==2.3.8' in (tmp_path / 'srkd-requirements.txt').read_text().splitlines()


def test_another_python_than_the_tested_gets_what_pip_chooses(tool, monkeypatch, tmp_path, capsys):
    _, found = fake_environment(tool, monkeypatch, tmp_path, '2.13.0')
    assert tool.write_constraints({**found, 'python': [3, 10]}) == []
    assert 'tested with Python 3.11; for 3.10 pip chooses versions' in capsys.readouterr().out


def test_an_installed_torch_is_kept(tool, monkeypatch, tmp_path):
    calls, found = fake_environment(tool, monkeypatch, tmp_path, '2.7.1')
    tool.install('python', found)
    assert not any('torch==2.13.0' in call for call in calls)
    assert 'torch==2.7.1' in (tmp_path / 'srkd-requirements.txt').read_text()


def test_probe_sees_this_interpreter(tool):
    import torch

    found = tool.probe(sys.executable)
    assert found['torch'].split('+')[0] == torch.__version__.split('+')[0]
    assert found['prefix'] == sys.prefix and json.dumps(found)


def test_progress_counts_objects_and_a_failed_build_shows_its_end(
    tool, monkeypatch, tmp_path, capsys
):
    compiler = tmp_path / 'python'
    compiler.write_text(
        '#!/bin/sh\necho "[7/77] c++ -c a.cpp"\ntouch started\n'
        'while [ ! -e told ]; do sleep 0.05; done\necho "boom: no c++"\nexit 1\n'
    )
    compiler.chmod(0o755)
    ticks, sleep = itertools.count(0, 20), time.sleep
    started, told = tmp_path / 'started', tmp_path / 'told'

    def wait_for_the_compiler(seconds):
        sleep(0.02)
        while not started.exists():
            sleep(0.02)

    def tell(text):
        print(text)
        if ' 7 of 77 objects' in text:  # the name of the log's folder speaks of objects as well
            told.touch()

    monkeypatch.setattr(tool.time, 'monotonic', lambda: next(ticks))
    monkeypatch.setattr(tool.time, 'sleep', wait_for_the_compiler)
    monkeypatch.setattr(tool, 'say', tell)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match='mmcv did not build: see .*mmcv-build.log'):
        tool.compile_mmcv(str(compiler), tmp_path, [])
    out = capsys.readouterr().out
    assert re.search(r'mmcv: 7 of 77 objects, \d+:\d\d min', out) and 'boom: no c++' in out


def test_a_second_run_ends_at_once(tool, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tool.subprocess, 'check_output', lambda *a, **k: f'{tmp_path}\n')
    monkeypatch.setattr(tool.subprocess, 'run', lambda *a, **k: subprocess.CompletedProcess(a, 0))
    monkeypatch.setattr(sys, 'argv', ['setup_env.py', '--python', 'python'])
    runs = []
    monkeypatch.setattr(tool, 'probe', lambda python: {})
    monkeypatch.setattr(tool, 'install', lambda *a: runs.append(a))
    tool.main()
    tool.main()
    assert len(runs) == 1
    (tmp_path / 'srkd-setup.txt').write_text('of an older requirements.txt')
    tool.main()
    assert len(runs) == 2


def pins() -> dict:
    """Normalized name -> version, of constraints.txt."""
    lines = (ROOT / 'constraints.txt').read_text().splitlines()
    parsed = [Requirement(line) for line in lines if line and not line.startswith('#')]
    return {canonicalize_name(line.name): str(line.specifier) for line in parsed}


def declared() -> dict:
    """Normalized name -> requirement, of setup.cfg and its extras."""
    cfg = configparser.ConfigParser()
    cfg.read(ROOT / 'setup.cfg')
    extras = cfg['options.extras_require']
    lines = '\n'.join([cfg['options']['install_requires'], extras['mmdet3d'], extras['export']])
    return {canonicalize_name(r.name): r for r in map(Requirement, lines.split())}


def test_every_requirement_is_pinned_and_the_pin_fits():
    lines = (ROOT / 'requirements.txt').read_text().splitlines()
    lines = [line.split('#')[0].strip() for line in lines if line and not line.startswith('#')]
    needed = [*map(Requirement, lines), *declared().values()]
    for one in needed:
        pin = pins()[canonicalize_name(one.name)]
        assert re.fullmatch(r'==[\w.]+', pin), one
        assert one.specifier.contains(pin[2:]), (one, pin)


def test_what_is_installed_is_the_tested_set():
    there = {
        canonicalize_name(found.metadata['Name']): found.version.split('+')[0]
        for found in metadata.distributions(path=[sysconfig.get_path('purelib')])
    }
    ours = Path(sys.prefix).resolve() == (ROOT / '.venv').resolve()
    if not ours or sys.version_info[:2] != (3, 11) or '+cpu' not in metadata.version('torch'):
        pytest.skip('this is not the environment of `make setup` on CPUs')
    held = {name: pin[2:] for name, pin in pins().items() if name in there}
    assert {name: there[name] for name in held} == held, 'renew constraints.txt: it says how'


def test_the_wheel_asks_for_what_check_env_supports():
    spec = importlib.util.spec_from_file_location('check_env', ROOT / 'tools' / 'check_env.py')
    check_env = importlib.util.module_from_spec(spec)
    sys.modules['check_env'] = check_env  # dataclasses look their module up
    spec.loader.exec_module(check_env)
    del sys.modules['check_env']
    for package, (low, high, _) in check_env.SUPPORTED.items():
        bounds = {str(bound) for bound in declared()[package].specifier}
        assert bounds == {f'>={low}'} | ({f'<{high}'} if high else set()), package


def test_every_requirement_has_a_reason():
    lines = (ROOT / 'requirements.txt').read_text().splitlines()
    assert all('pip install' in line for line in lines[1:3])
    assert all('# ' in line for line in lines if line and not line.startswith('#'))

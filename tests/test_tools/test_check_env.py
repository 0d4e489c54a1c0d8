import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import projects.SRKD  # noqa: F401 - for real, before importing is pretended

TOOL = Path(__file__).parents[2] / 'tools' / 'check_env.py'


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location('check_env', TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules['check_env'] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules['check_env']


@pytest.fixture
def installed(tool, monkeypatch):
    """Pretend that only these packages are installed: a dict of versions."""
    packages = {
        'torch': '2.13.0+cpu',
        'mmengine': '0.10.7',
        'mmcv': '2.1.0',
        'mmdet': '3.3.0',
        'mmdet3d': '1.4.0',
        'numpy': '1.26.4',
        'opencv-python': '4.11.0.86',
        'nuscenes-devkit': '1.2.0',
        'spconv': '2.3.8',
    }

    def version(name):
        if name not in packages:
            raise importlib.metadata.PackageNotFoundError(name)
        return packages[name]

    monkeypatch.setattr(tool, 'version', version)
    monkeypatch.setattr(tool.importlib, 'import_module', lambda name: None)
    return packages


def report(tool, capsys):
    code = tool.main()
    return code, capsys.readouterr().out


def test_a_complete_environment_is_usable(tool, installed, capsys):
    code, out = report(tool, capsys)
    assert code == 0 and out.endswith('usable\n') and 'NO' not in out


@pytest.mark.parametrize('package', ['torch', 'mmcv', 'mmdet3d', 'mmengine', 'numpy', 'spconv'])
def test_a_missing_package_is_named_with_the_command_that_mends_it(
    tool, installed, capsys, package
):
    del installed[package]
    code, out = report(tool, capsys)
    wrong = 'sparse convolution' if package == 'spconv' else package
    assert code == 1 and f'not usable: {wrong}. To mend it: make setup' in out


@pytest.mark.parametrize(
    'package, found',
    [('mmcv', '2.2.0'), ('numpy', '2.0.1'), ('torch', '1.13.1'), ('opencv-python', '4.12.0.88')],
)
def test_an_unsupported_version_is_named(tool, installed, capsys, package, found):
    installed[package] = found
    code, out = report(tool, capsys)
    assert code == 1 and f'not usable: {package}.' in out and f'{found} (>=' in out


def test_operators_that_do_not_load_are_said_with_the_reason(tool, installed, capsys, monkeypatch):
    def import_module(name):
        if name == 'mmcv.ops':
            raise ImportError('undefined symbol: _ZN3c10')

    monkeypatch.setattr(tool.importlib, 'import_module', import_module)
    code, out = report(tool, capsys)
    assert code == 1 and 'operators are not compiled: undefined symbol: _ZN3c10' in out


def test_what_one_data_set_needs_alone_may_be_missing(tool, installed, capsys):
    del installed['nuscenes-devkit']
    code, out = report(tool, capsys)
    assert code == 0 and 'missing, needed by tables and scores of nuScenes alone' in out


def test_another_build_of_spconv_serves_as_well(tool, installed, capsys):
    installed['spconv-cu124'] = installed.pop('spconv')
    code, out = report(tool, capsys)
    assert code == 0 and 'spconv-cu124 2.3.8' in out


def test_it_runs_where_nothing_is_installed():
    done = subprocess.run([sys.executable, '-I', '-S', str(TOOL)], capture_output=True, text=True)
    assert done.returncode == 1 and not done.stderr
    assert 'missing: the framework' in done.stdout


def test_beside_no_makefile_it_tells_the_two_commands_of_the_page(tmp_path):
    copy = tmp_path / 'projects/SRKD/.mim/tools/check_env.py'  # as in a wheel
    copy.parent.mkdir(parents=True)
    copy.write_bytes(TOOL.read_bytes())
    done = subprocess.run([sys.executable, '-I', '-S', copy], capture_output=True, text=True)
    assert done.returncode == 1 and 'make setup' not in done.stdout
    page = (TOOL.parents[1] / 'docs/install.md').read_text().split('```')[1].strip()
    page = page.replace(' -c constraints.txt', '').replace('".[mmdet3d]"', '"srkd[mmdet3d]"')
    told = [line.strip().replace(f'{sys.executable} -m ', '') for line in done.stdout.splitlines()
            if ' -m pip install' in line]  # fmt: skip
    assert told == page.splitlines()


def test_it_finds_this_environment_usable():
    done = subprocess.run([sys.executable, str(TOOL)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize('stderr, said', [
    ('ImportError: libusb-1.0.so.0: cannot open shared object file',
     'open3d 0.19.0 is installed, cannot be imported: libusb is missing (Debian: apt install'),
    ('OSError: libGL.so.1: cannot open', 'cannot be imported: OSError: libGL.so.1: cannot open'),
    ('', 'cannot be imported: it crashes'),
])  # fmt: skip
def test_open3d_that_does_not_import_is_told_and_is_no_obstacle(
    tool, installed, capsys, monkeypatch, stderr, said
):
    installed['open3d'] = '0.19.0'
    done = subprocess.CompletedProcess([], 1, '', f'Traceback\n{stderr}\n' if stderr else '')
    monkeypatch.setattr(tool.subprocess, 'run', lambda *args, **kwargs: done)
    code, out = report(tool, capsys)
    assert code == 0 and said in out and 'drawn from above instead' in out


def test_open3d_is_really_imported(tool):
    line = tool.check_windows()
    can = subprocess.run([sys.executable, '-c', 'import open3d'], capture_output=True).returncode
    assert ('cannot be imported' in line.found) == bool(can) and not line.wrong

"""Fixtures: a device, the real scans, and how many threads a test may use."""

import fcntl
import os
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch


def pytest_configure(config):
    config.addinivalue_line(
        'markers', 'two_threads: needs two threads; `make test` runs such tests alone')


@pytest.fixture(autouse=True)
def threads(request):
    """One thread for a test, two for a test marked ``two_threads``."""
    before = torch.get_num_threads()
    torch.set_num_threads(2 if request.node.get_closest_marker('two_threads') else 1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def mmdet3d_scope():
    """Build by mmdet3d's registries, whatever scope a runner of an earlier test has left."""
    if find_spec('mmdet3d') is None:
        yield
        return
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


@pytest.fixture(params=['cpu', 'cuda'] if torch.cuda.is_available() else ['cpu'])
def device(request) -> torch.device:
    """Each kind of device there is."""
    return torch.device(request.param)


@pytest.fixture(scope='session')
def realdata(tmp_path_factory) -> Path:
    """Folder of real scans: ``SRKD_REALDATA``, a folder or an archive that is unpacked once."""
    name = os.environ.get('SRKD_REALDATA')
    if not name:
        pytest.skip('real scans: set SRKD_REALDATA to their folder or .tar.xz archive')
    source = Path(name).expanduser()
    if source.is_dir():
        return source
    if not source.is_file():
        pytest.fail(f'SRKD_REALDATA={name} is neither a folder nor an archive')
    base = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:  # the workers share one folder
        base = base.parent
    folder = base / 'realdata_unpacked'
    with open(f'{folder}.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = folder.with_suffix('.part')
            with tarfile.open(source) as archive:
                archive.extractall(part, filter='data')
            part.rename(folder)
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder

"""Say what is installed, what is missing and how to mend it: ``python tools/check_env.py``.

Exit code 0: usable. 1: not. Needs nothing but Python itself.
"""

import argparse
import importlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# package -> (lowest supported, first unsupported or None, what it is for)
SUPPORTED = {
    'torch': ('2.1', None, 'tensors'),
    'mmengine': ('0.10.0', '0.11', 'runner, config, registries'),
    'mmcv': ('2.0.0', '2.2.0', 'compiled operators'),
    'mmdet': ('3.0.0', '3.4.0', 'imported by mmdet3d'),
    'mmdet3d': ('1.4.0', '1.5', 'the framework'),
    'numpy': ('1.22', '2', 'arrays'),
    'opencv-python': ('4.5', '4.12', 'imported by mmcv'),
    'nuscenes-devkit': ('1.1.10', None, 'tables and scores of nuScenes'),
}
OPTIONAL = ('nuscenes-devkit',)
SPCONV = (
    'spconv',
    'spconv-cu126',
    'spconv-cu124',
    'spconv-cu121',
    'spconv-cu120',
    'spconv-cu118',
    'spconv-triton',
)
# In an installed wheel there is nothing to make: the two commands of docs/install.md.
PIP = (
    'install torch==2.13.0 "setuptools<82" wheel ninja psutil "numpy<2"',
    'install --no-build-isolation "srkd[mmdet3d]" spconv==2.3.8',
)
WINDOWS = 'windows of mmdet3d'


@dataclass
class Line:
    """One finding: what was looked at, what was found, and what is wrong (empty: nothing)."""

    name: str
    found: str
    wrong: str = ''


def numbers(text: str) -> tuple[int, ...]:
    """``numbers('2.13.0+cpu') == (2, 13, 0)``."""
    return tuple(int(part) for part in re.findall(r'\d+', text.split('+')[0]))


def installed(package: str) -> str | None:
    """Version of a package, None without it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_versions() -> list[Line]:
    """Compare every package with the versions that were seen to work together."""
    lines = []
    if sys.version_info < (3, 10):  # noqa: UP036 - this file may meet any Python
        lines.append(Line('python', sys.version.split()[0], 'too old: 3.10 or later is needed'))
    for package, (low, high, purpose) in SUPPORTED.items():
        span = f'>= {low}' + (f', < {high}' if high else '')
        found = installed(package)
        if found is None:
            lines.append(
                Line(package, f'missing, needed by {purpose} alone')
                if package in OPTIONAL
                else Line(package, f'({span})', f'missing: {purpose}')
            )
            continue
        fits = numbers(low) <= numbers(found) and (not high or numbers(found) < numbers(high))
        lines.append(Line(package, f'{found} ({span})', '' if fits else f'unsupported: {purpose}'))
    return lines


def check_import(name: str, found: str, why: str) -> Line:
    """Import a module; an error becomes the finding."""
    try:
        importlib.import_module(name)
    except Exception as error:  # a broken binary raises whatever it likes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Line(name, 'does not import', f'{why}: {reason}')
    return Line(name, found)


def check_cuda() -> Line:
    """Which device torch sees; a CPU alone is fine."""
    try:
        import torch
    except Exception:
        return Line('device', 'unknown without torch')
    if not torch.cuda.is_available():
        return Line('device', f'CPU, {os.cpu_count()} cores (no CUDA device)')
    return Line('device', f'{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}')


def check_sparse() -> Line:
    """Which sparse convolution serves GPU tensors; on CPU it is always torch."""
    found = next((f'{name} {installed(name)}' for name in SPCONV if installed(name)), None)
    if found is None:
        return Line('sparse convolution', 'plain torch', 'missing: spconv, needed by MinkUNet')
    line = check_import('spconv.pytorch', found, 'spconv is broken')
    try:
        from projects.SRKD.ops.sparse_conv import sparse_backend

        backends = ', '.join(f'{kind}: {sparse_backend(kind)}' for kind in ('cpu', 'cuda'))
    except ImportError:
        backends = 'this project is not installed'
    return Line('sparse convolution', f'{line.found} ({backends})', line.wrong)


def check_windows() -> Line:
    """Whether point clouds can be shown in windows; nothing else needs open3d."""
    found = installed('open3d')
    if found is None:
        return Line(WINDOWS, 'open3d is missing: pictures are drawn from above instead')
    # in a process of its own: a half imported open3d stays in memory
    done = subprocess.run([sys.executable, '-c', 'import open3d'], capture_output=True, text=True)
    if done.returncode == 0:
        return Line(WINDOWS, f'open3d {found}')
    reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'it crashes'
    if 'libusb' in reason:
        reason = 'libusb is missing (Debian: apt install libusb-1.0-0)'
    return Line(
        WINDOWS,
        f'open3d {found} is installed, cannot be imported: {reason}; pictures '
        'are drawn from above instead',
    )


def check_project() -> Line:
    """Whether configs find ``projects.SRKD`` from any folder."""
    here = os.path.abspath('.')
    before = list(sys.path)
    sys.path[:] = [path for path in sys.path if path and os.path.abspath(path) != here]
    try:
        return check_import('projects.SRKD', 'importable from any folder', 'not installed')
    finally:
        sys.path[:] = before


def advice() -> str:
    """What mends an environment: of the checkout that this file is in, or of an installed wheel."""
    if (Path(__file__).resolve().parents[1] / 'Makefile').is_file():
        own = '' if '.venv' in sys.prefix else f' PYTHON={sys.executable}'
        return f'To mend it: make setup{own}'
    first, second = (f'{sys.executable} -m pip {words}' for words in PIP)
    return (
        f'To mend it, one after the other:\n  {first}\n  MMCV_WITH_OPS=1 {second}\n'
        'Without an NVIDIA GPU add to the first: --extra-index-url '
        'https://download.pytorch.org/whl/cpu; with one, take the spconv of your CUDA version '
        '(spconv-cu118 to spconv-cu126, beyond that spconv-triton)'
    )


def main() -> int:
    """Print all findings and, if one is wrong, the command that mends them."""
    lines = [
        *check_versions(),
        check_cuda(),
        check_import('mmcv.ops', 'compiled operators load', 'operators are not compiled'),
        check_sparse(),
        check_windows(),
        check_project(),
    ]
    width = max(len(line.name) for line in lines)
    for line in lines:
        mark = 'NO' if line.wrong else 'ok'
        print(
            f'{mark}  {line.name:{width}}  {line.found}'
            + (f'   <- {line.wrong}' if line.wrong else '')
        )
    wrong = [line.name for line in lines if line.wrong]
    if wrong:
        print(f'\nnot usable: {", ".join(wrong)}. {advice()}')
    else:
        print('\nusable')
    return int(bool(wrong))


if __name__ == '__main__':
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()  # --help alone
    sys.exit(main())

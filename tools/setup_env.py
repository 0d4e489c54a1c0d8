"""Install everything in the order that works: ``python tools/setup_env.py`` (or ``make setup``).

torch first (kept if it is there), then mmcv compiled against it, then requirements.txt, all in the
versions of constraints.txt, then this project, editable. A second run sees that nothing changed and
ends at once.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / 'requirements.txt'
CONSTRAINTS = ROOT / 'constraints.txt'
TESTED_PYTHON = [3, 11]  # of constraints.txt
TORCH = 'torch==2.13.0'
MMCV = 'mmcv==2.1.0'
CPU_INDEX = 'https://download.pytorch.org/whl/cpu'
SPCONV_CUDA = (118, 120, 121, 124, 126)  # the builds of spconv 2.3.8 for NVIDIA
PROBE = """
import importlib.metadata as m, json, sys
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return None
cuda = None
if version('torch'):
    import torch
    cuda = torch.version.cuda
names = {d.metadata['Name'].lower() for d in m.distributions() if d.metadata['Name']}
print(json.dumps(dict(prefix=sys.prefix, torch=version('torch'), mmcv=version('mmcv'), cuda=cuda,
                      python=sys.version_info[:2], spconv=[n for n in names if 'spconv' in n])))
"""


def say(text: str) -> None:
    """Print a step at once, also into a pipe."""
    print(f'[setup] {text}', flush=True)


def probe(python: str) -> dict:
    """Ask an interpreter where it lives and which of the delicate packages it has."""
    return json.loads(subprocess.check_output([python, '-c', PROBE], text=True).splitlines()[-1])


def pip(python: str, *args: str, env: dict | None = None) -> None:
    """Run pip, its output shown; leave with pip's exit code if it fails."""
    done = subprocess.run(
        [python, '-m', 'pip', '--disable-pip-version-check', *args],
        env={**os.environ, **(env or {})},
    )
    if done.returncode:
        sys.exit(f'[setup] failed: pip {" ".join(args)}')


def has_nvidia() -> bool:
    """Whether an NVIDIA driver is there."""
    return bool(shutil.which('nvidia-smi')) or Path('/proc/driver/nvidia/version').exists()


def torch_index() -> list[str]:
    """Arguments for pip: the CPU wheels' index where there is no driver, or ``TORCH_INDEX``."""
    index = os.environ.get('TORCH_INDEX')
    if index:
        return ['--extra-index-url', index]
    if has_nvidia() or sys.platform != 'linux':
        return []
    try:
        urllib.request.urlopen(f'{CPU_INDEX}/torch/', timeout=10).close()
    except OSError:
        say(f'{CPU_INDEX} cannot be reached; torch comes from the default index')
        return []
    return ['--extra-index-url', CPU_INDEX]


def spconv_package(cuda: str | None) -> str:
    """The build of spconv that fits torch's CUDA version (``'12.6'``, None for a CPU build)."""
    if cuda is None:
        return 'spconv==2.3.8'
    ours = int(''.join(cuda.split('.')[:2]))
    fit = [build for build in SPCONV_CUDA if build <= ours and build // 10 == ours // 10]
    if ours > SPCONV_CUDA[-1] or not fit:
        return 'spconv-triton==1.0.0'
    return f'spconv-cu{fit[-1]}==2.3.8'


def ops_import(python: str) -> bool:
    """Whether mmcv's compiled operators load (a cached wheel may belong to another torch)."""
    return not subprocess.run([python, '-c', 'import mmcv.ops'], capture_output=True).returncode


def clock(seconds: float) -> str:
    """Minutes and seconds: ``clock(75) == '1:15 min'``."""
    return f'{int(seconds) // 60}:{int(seconds) % 60:02d} min'


def compile_mmcv(python: str, prefix: Path, limits: list[str], *extra: str) -> None:
    """Build mmcv from its sdist; say at least twice a minute how many objects are done."""
    log = prefix / 'mmcv-build.log'
    say(
        'mmcv with its operators: seconds if pip kept a wheel, else compiled, about 13 minutes on '
        f'2 cores (log: {log})'
    )
    env = dict(os.environ, MMCV_WITH_OPS='1')
    if not has_nvidia():
        env['FORCE_CUDA'] = '0'
    start, count = time.monotonic(), 'preparing'
    with open(log, 'wb') as file:
        build = subprocess.Popen(
            [
                python,
                '-m',
                'pip',
                '--disable-pip-version-check',
                'install',
                '-v',
                '--no-build-isolation',
                *limits,
                *extra,
                MMCV,
            ],
            stdout=file,
            stderr=file,
            env=env,
        )
        try:
            while build.poll() is None:
                elapsed = time.monotonic() - start
                time.sleep(1 if elapsed < 10 else 15)
                done = re.findall(r'\[(\d+)/(\d+)\]', log.read_text(errors='replace'))
                count = f'{done[-1][0]} of {done[-1][1]} objects' if done else count
                if elapsed >= 10:
                    say(f'mmcv: {count}, {clock(time.monotonic() - start)}')
        finally:
            if build.poll() is None:
                build.terminate()
    if build.returncode:
        print('\n'.join(log.read_text(errors='replace').splitlines()[-30:]))
        sys.exit(
            f'[setup] mmcv did not build: see {log} (a C++17 compiler and the headers of '
            'Python are needed)'
        )


def write_constraints(found: dict, index: Sequence[str] = ()) -> list[str]:
    """Write the tested versions that fit what was found; returns arguments for pip.

    Left out is what the machine decides: torch that is there, the triton of a build for GPUs, and
    the build of spconv. Another Python than the tested one gets what pip chooses.

    Args:
        found: See :func:`probe`.
        index: Where torch will come from, see :func:`torch_index`.
    """
    if list(found['python']) != TESTED_PYTHON:
        tested, ours = ('.'.join(map(str, numbers)) for numbers in (TESTED_PYTHON, found['python']))
        say(f'constraints.txt was tested with Python {tested}; for {ours} pip chooses versions')
        return []
    lines = CONSTRAINTS.read_text().splitlines()
    free = {'spconv'}
    if found['torch'] and f'torch=={found["torch"].split("+")[0]}' not in lines:
        free |= {'torch', 'triton'}
    if found['cuda'] or has_nvidia() or (found['torch'] is None and not index):
        free.add('triton')  # a torch built for CUDA brings its own
    file = Path(found['prefix']) / 'srkd-constraints.txt'
    file.write_text('\n'.join(line for line in lines if line.split('==')[0] not in free) + '\n')
    return ['-c', str(file)]


def install(python: str, found: dict) -> None:
    """Bring the environment of ``python`` to the state that requirements.txt describes."""
    index = torch_index() if found['torch'] is None else []
    tested = write_constraints(found, index)
    if found['torch'] is None:
        say(f'{TORCH} ({"NVIDIA driver found" if has_nvidia() else "no NVIDIA driver"})')
        pip(python, 'install', TORCH, *index, *tested)
        found = probe(python)
        tested = write_constraints(found, index)
    else:
        say(f'torch {found["torch"]} is there and stays')
    prefix = Path(found['prefix'])
    spconv = found['spconv'] or [spconv_package(found['cuda'] if has_nvidia() else None)]
    lines = [
        line
        for line in REQUIREMENTS.read_text().splitlines()
        if not line.startswith('spconv') and not line.startswith('#')
    ]
    chosen = prefix / 'srkd-requirements.txt'
    chosen.write_text('\n'.join([*lines, f'torch=={found["torch"]}', *spconv]) + '\n')
    limits = ['-c', str(chosen), *tested]  # so that no step replaces what an earlier one chose
    pip(
        python,
        'install',
        *limits,
        'setuptools',
        'wheel',
        'ninja',
        'psutil',
        'numpy',
        'opencv-python',
    )
    if found['mmcv'] is None or not ops_import(python):
        compile_mmcv(python, prefix, limits)
        if not ops_import(python):
            say("mmcv: the wheel in pip's cache belongs to another torch")
            compile_mmcv(python, prefix, limits, '--no-cache-dir', '--no-deps', '--force-reinstall')
    pip(python, 'install', '-r', str(chosen), *tested)
    pip(python, 'install', '--no-build-isolation', '--no-deps', '-e', str(ROOT))


def fingerprint() -> str:
    """Changes with whatever an installation depends on, the place of this repository included."""
    names = ('setup.cfg', 'setup.py', 'pyproject.toml')
    parts = [REQUIREMENTS, CONSTRAINTS, *(ROOT / name for name in names), Path(__file__)]
    return hashlib.sha256(
        b'\0'.join([str(ROOT).encode(), *(p.read_bytes() for p in parts)])
    ).hexdigest()


def main() -> None:
    """Create ``.venv`` unless an interpreter is given, install, check, leave a stamp."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--python', help='interpreter of your own environment; default: .venv')
    given = parser.parse_args().python
    if sys.version_info < (3, 10):  # noqa: UP036 - this file may meet any Python
        sys.exit(f'[setup] Python 3.10 or later is needed, this is {sys.version.split()[0]}')
    python = given or str(ROOT / '.venv' / 'bin' / 'python')
    if not given and not Path(python).exists():
        say(f'creating {ROOT / ".venv"} with {sys.executable}')
        subprocess.run([sys.executable, '-m', 'venv', str(ROOT / '.venv')], check=True)
    prefix = subprocess.check_output([python, '-c', 'import sys; print(sys.prefix)'], text=True)
    stamp = Path(prefix.strip()) / 'srkd-setup.txt'
    if stamp.exists() and stamp.read_text() == fingerprint():
        return
    start = time.monotonic()
    install(python, probe(python))
    check = subprocess.run([python, str(ROOT / 'tools' / 'check_env.py')])
    if check.returncode:
        sys.exit('[setup] installed, but tools/check_env.py finds something missing (above)')
    stamp.write_text(fingerprint())
    say(f'ready after {clock(time.monotonic() - start)}')


if __name__ == '__main__':
    main()

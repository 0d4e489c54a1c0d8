"""``srkd COMMAND ...``: one door to the tools, each run in this process with its own words.

The standard library alone at the top: ``srkd --help`` and ``srkd train --help`` wait for nothing.
"""

from __future__ import annotations

import gc
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_HELP = ('-h', '--help')


class Command(NamedTuple):
    """A tool under a short name.

    Args:
        script: Path below ``tools``.
        told: What the help says of it.
    """

    script: str
    told: str


COMMANDS = dict(
    new=Command('new_project.py', 'write a project for your scans: srkd new DIR --data ROOT ...'),
    train=Command('train.py', 'DIR: the student alone, then distilled; or CONFIG'),
    test=Command('test.py', 'DIR: the newest distilled student; or CONFIG CHECKPOINT'),
    cache=Command('cache_teacher.py', 'DIR or CONFIG: run the teacher once, store what it says'),
    report=Command('analysis_tools/report.py', 'DIR or WORK_DIR ...: one page about the runs'),
    export=Command('export.py', 'DIR or CONFIG CHECKPOINT OUT: the student for use elsewhere'),
    doctor=Command('check_env.py', 'what of the environment is missing'),
)
"""Commands by name; one whose script is not there is not offered."""


def asks_for_help(argv: Sequence[str], original: Sequence[str]) -> bool:
    """Whether a process was started as ``srkd`` to show a help, which needs no network.

    Args:
        argv: ``sys.argv``, while the package is imported.
        original: ``sys.orig_argv``.

    Example:
        >>> asks_for_help(['/bin/srkd', 'train', '-h'], ['python', '/bin/srkd', 'train', '-h'])
        True
        >>> asks_for_help(['tools/train.py', '-h'], ['python', 'tools/train.py', '-h'])
        False
        >>> asks_for_help(['srkd.py'], ['python', 'srkd.py'])  # somebody's own script
        False
    """
    as_module = list(argv[:1]) == ['-m'] and 'projects.SRKD' in original
    if not as_module and Path(argv[0] if argv else '').name != 'srkd':
        return False
    return len(argv) < 2 or bool(set(argv[1:]) & set(_HELP))


def offered() -> dict[str, Path]:
    """Scripts of the commands that are there, by name."""
    scripts = {name: _tools() / command.script for name, command in COMMANDS.items()}
    return {name: script for name, script in scripts.items() if script.is_file()}


def main(words: Sequence[str] | None = None) -> None:
    """Run a command line; without words, and for ``--help``, say which commands there are."""
    words = list(sys.argv[1:] if words is None else words)
    scripts = offered()
    if not words or words[0] in _HELP:
        print(_usage(scripts))
        return
    name, *rest = words
    if name in scripts and set(rest) & set(_HELP):
        _run(scripts[name], rest)
        return
    from ..base import UsageError, misuse_told, nearest_name
    from .project import command_lines

    with misuse_told('srkd'):
        if name not in scripts:
            raise UsageError(
                f'COMMAND must be one of {", ".join(scripts)}, but got {name!r}, '
                f'nearest: {nearest_name(name, scripts)}'
            )
        lines = command_lines(name, rest)
    for line in lines:
        _run(scripts[name], line)
        gc.collect()  # the first network's memory and workers, before there is a second


def _run(script: Path, words: Sequence[str]) -> None:
    sys.argv = [str(script), *words]
    runpy.run_path(sys.argv[0], run_name='__main__')


def _usage(scripts: dict[str, Path]) -> str:
    width = max(map(len, scripts))
    told = '\n'.join(f'  {name:{width}}  {COMMANDS[name].told}' for name in scripts)
    return (
        'usage: srkd COMMAND ...\n\n'
        'Distill a student for your own scans, and read a page about it:\n\n'
        '  srkd new DIR --data ROOT --like KIND --teacher NAME --student NAME\n'
        '  srkd train DIR\n'
        '  srkd report DIR\n\n'
        f'commands (srkd COMMAND --help tells more):\n{told}'
    )


def _tools() -> Path:
    # As base.shipped finds them, but that room imports torch.
    package = Path(__file__).resolve().parents[1]
    installed = package / '.mim'
    return (installed if installed.is_dir() else package.parents[1]) / 'tools'

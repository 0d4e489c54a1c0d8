"""What ``--teacher`` names: a shipped config or one of hers, and weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ..base import FileMissingError, UsageError, nearest_name, nearest_path, shipped
from ..distill.newest_checkpoint import newest_checkpoint

_WORDS = re.compile(r'(?P<config>.*?\.py|[^:]+)(?::(?P<checkpoint>.+))?')


class TeacherFiles(NamedTuple):
    """Where a teacher is.

    Args:
        config: Path below the shipped configs, or an absolute one.
        checkpoint: Absolute path, or an address.
    """

    config: str
    checkpoint: str

    @property
    def config_path(self) -> str:
        """Path of the config, wherever it is."""
        return self.config if Path(self.config).is_absolute() else shipped.configs(self.config)


def find_teacher(words: str) -> TeacherFiles:
    """Read ``NAME`` or ``CONFIG``, either with ``:CHECKPOINT``.

    Args:
        words: NAME is a shipped config without folder and ``.py``. Without a checkpoint it is the
            newest of ``work_dirs/NAME``.

    Raises:
        UsageError: If no shipped config has this name; names the nearest.
        FileMissingError: If the config or the checkpoint is not there.
    """
    found = _WORDS.fullmatch(words)
    if found is None:
        raise UsageError(f'--teacher must be NAME or CONFIG[:CHECKPOINT], but got {words!r}')
    config = _config(found['config'])
    checkpoint = found['checkpoint']
    teacher = TeacherFiles(config, checkpoint or '')
    if not checkpoint:
        checkpoint = newest_checkpoint(teacher.config_path)
    if '://' not in checkpoint:
        if not Path(checkpoint).is_file():
            raise FileMissingError(f'--teacher must name a checkpoint that is there, but got '
                                   f'{checkpoint}; {nearest_path(checkpoint)}')  # fmt: skip
        checkpoint = str(Path(checkpoint).resolve())
    return teacher._replace(checkpoint=checkpoint)


def _config(name: str) -> str:
    root = Path(shipped.configs()).resolve()
    if name.endswith('.py'):
        path = Path(name).resolve()
        if not path.is_file():
            raise FileMissingError(f'--teacher must name a config that is there, but got {name}; '
                                   f'{nearest_path(name)}')  # fmt: skip
        return str(path.relative_to(root)) if root in path.parents else str(path)
    there = {
        path.stem: str(path.relative_to(root))
        for path in root.rglob('*.py')
        if '_base_' not in path.parts
    }
    if name not in there:
        raise UsageError(f'--teacher must be a config or the name of a shipped one, but got '
                         f'{name!r}, nearest: {nearest_name(name, there)}')  # fmt: skip
    return there[name]

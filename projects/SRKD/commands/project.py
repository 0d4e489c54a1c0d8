"""The folder that ``srkd new`` writes, and what each command makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.runner import find_latest_checkpoint

from ..base import FileMissingError, UsageError, nearest_path
from ..base.checks import check_choice

RUNS = ('alone', 'distilled')
"""Names of a project's trainings, in their order: configs and work dirs are named after them."""

Words = list[str]


class Project:
    """A folder with ``alone.py`` and ``distilled.py``, and what their trainings left.

    Args:
        folder: As ``srkd new`` was told.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def is_one(self) -> bool:
        """Whether both configs are there."""
        return all(self.config(run).is_file() for run in RUNS)

    def config(self, run: str) -> Path:
        """Config of a training."""
        return self.folder / f'{run}.py'

    def work_dir(self, run: str) -> Path:
        """Folder of a training, or ``test_NAME`` of its test."""
        return self.folder / 'work_dirs' / run

    def newest_checkpoint(self, run: str) -> str:
        """The last checkpoint that a training wrote.

        Raises:
            FileMissingError: If there is none.
            UsageError: If none is whole.
        """
        folder = self.work_dir(run)
        found = find_latest_checkpoint(str(folder)) if folder.is_dir() else None
        if found is None:
            raise FileMissingError(
                f'{folder} must hold a checkpoint, but got none: srkd train {self.folder} comes '
                f'first; {nearest_path(folder / "epoch_1.pth")}'
            )
        return found


def command_lines(command: str, words: Sequence[str]) -> list[Words]:
    """Words for a command's tool, once for each time it is run.

    Words whose first is a project's folder become those of the tool; others stay as they are.

    Raises:
        UsageError: If the folder is no project, or ``--only`` names no training.
    """
    words = list(words)
    if command not in _FORMS or not words or not Path(words[0]).is_dir():
        return [words]
    project = Project(words[0])
    if project.is_one:
        return _FORMS[command](project, words[1:])
    if command == 'report':
        return [words]  # work dirs
    raise UsageError(
        f'{words[0]} must be a folder that srkd new has written, but got one without '
        f'{" and ".join(f"{run}.py" for run in RUNS if not project.config(run).is_file())}: '
        f'name a project or a config; {nearest_path(project.config("distilled"))}'
    )


def _train(project: Project, words: Words) -> list[Words]:
    only, words = _only(words)
    return [[str(project.config(run)), *words] for run in RUNS if only in (None, run)]


def _test(project: Project, words: Words) -> list[Words]:
    only, words = _only(words)
    run = only or 'distilled'
    named = [str(project.config('alone')), project.newest_checkpoint(run)]
    return [[*named, '--work-dir', str(project.work_dir(f'test_{run}')), *words]]


def _cache(project: Project, words: Words) -> list[Words]:
    return [[str(project.config('distilled')), *words]]


def _report(project: Project, words: Words) -> list[Words]:
    runs = (*RUNS, *(f'test_{run}' for run in RUNS))
    folders = [str(project.work_dir(run)) for run in runs if project.work_dir(run).is_dir()]
    if not folders:
        raise FileMissingError(
            f'{project.folder} must hold work_dirs of a training, but got none: '
            f'srkd train {project.folder} comes first'
        )
    if '--out' not in words:
        words = [*words, '--out', str(project.folder / 'report.html')]
    return [[*folders, *words]]


def _export(project: Project, words: Words) -> list[Words]:
    if not words or words[0].startswith('-'):
        words = [str(project.folder / 'student.onnx'), *words]
    return [[str(project.config('alone')), project.newest_checkpoint('distilled'), *words]]


_FORMS: dict[str, Callable[[Project, Words], list[Words]]] = dict(
    train=_train, test=_test, cache=_cache, report=_report, export=_export
)


def _only(words: Words) -> tuple[str | None, Words]:
    """Take ``--only NAME`` off."""
    if '--only' not in words:
        return None, words
    at = words.index('--only')
    name = words[at + 1] if at + 1 < len(words) else ''
    check_choice('--only', name, RUNS)
    return name, words[:at] + words[at + 2 :]

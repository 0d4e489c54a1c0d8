"""``srkd new``: a folder of three small configs for scans that lie anywhere."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from ..base import (
    FileInTheWayError,
    FileMissingError,
    UsageError,
    check_writable,
    nearest_path,
    write_text,
)
from ..base.checks import check_choice, check_count
from ..base.data_folder import new_folder, write_infos
from .checking import Tried, try_project
from .kinds import KINDS, Entries, bare_entries
from .methods import check_method
from .own_classes import own_classes
from .project import RUNS
from .schedule import stretched
from .students import check_student
from .teachers import find_teacher
from .writing import Recipe, alone_text, data_text, distilled_text


def new_project(
    folder: str | Path,
    data: str | Path,
    like: str,
    teacher: str,
    student: str,
    method: str = 'srkd',
    classes: Sequence[str] | None = None,
    ids: Sequence[int] | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
) -> Tried:
    """Write a project, and try it; on an error nothing of it stays.

    Args:
        folder: The project; must not be there.
        data: Folder of the scans; nothing is written there.
        like: Kind of data, a key of ``KINDS``.
        teacher: ``NAME`` or ``CONFIG[:CHECKPOINT]``.
        student: Short name of a student for this kind.
        method: File of ``configs/_base_/distill``.
        classes: Names in place of the kind's own.
        ids: Raw id of each of ``classes``; None: 0, 1, 2, ...
        epochs: Length of the training; None: the schedule's own.
        batch_size: Scans of a step; None: the base file's own.

    Returns:
        What the trial saw.

    Raises:
        UsageError: If something asked for is not there or does not fit together.
    """
    folder, root = Path(folder), Path(data)
    if os.path.lexists(folder):
        raise FileInTheWayError(f'DIR must be new, but got {folder}, which exists: choose another '
                                'name, or remove it')  # fmt: skip
    check_writable(folder.absolute().parent, 'the place of DIR,')
    check_choice('--like', like, KINDS)
    counts = {'--epochs': epochs, '--batch-size': batch_size}
    check_count(**{name: count for name, count in counts.items() if count is not None})
    check_student(student, KINDS[like])
    check_method(method, KINDS[like])
    if not root.is_dir():
        raise FileMissingError(f'--data must be the folder of the scans, but got {root}; '
                               f'{nearest_path(root)}')  # fmt: skip
    root = root.resolve()
    entries = bare_entries(root, like)
    recipe = Recipe(
        KINDS[like],
        root,
        student,
        find_teacher(teacher),
        method,
        own_classes(like, root, classes, ids, entries),
        entries is not None,
        batch_size,
    )
    return _written(folder, recipe, entries, epochs)


def _written(folder: Path, recipe: Recipe, entries: Entries | None, epochs: int | None) -> Tried:
    with new_folder(folder) as part:
        try:
            for split, infos in (entries or {}).items():
                write_infos(part / f'infos_{split}.pkl', folder.name, infos)
            write_text(part / 'data.py', data_text(recipe))
            alone = part / 'alone.py'
            write_text(alone, alone_text(recipe))
            if epochs is not None:
                write_text(alone, alone.read_text() + stretched(Config.fromfile(alone), epochs))
            write_text(part / 'distilled.py', distilled_text(recipe))
            tried = try_project(part)
        except UsageError as error:
            raise UsageError(str(error).replace(str(part), str(folder))) from error
    if tried.student > tried.teacher:
        warnings.warn(
            f'the student has {tried.student:,} parameters, more than its teacher with '
            f'{tried.teacher:,}: expected a smaller one',
            stacklevel=3,
        )
    return tried


def told(folder: str | Path, tried: Tried) -> str:
    """What to say of a project that is written."""
    files = ', '.join(f'{name}.py' for name in ('data', *RUNS))
    train, val = tried.scans
    return (
        f'{folder}: {files}; {train} + {val} scans, {len(tried.classes)} classes, '
        f'student {tried.student / 1e6:.2f} M parameters, teacher {tried.teacher / 1e6:.2f} M\n'
        f'next: srkd train {folder}'
    )

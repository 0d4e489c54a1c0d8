"""A new data set's folder: refused when it would bury other data, seen only when it is whole."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

from .errors import FileInTheWayError
from .files import check_writable, write_whole
from .lock import folder_held, place_held
from .replacing import put_back, put_in_place, remove


@contextmanager
def new_folder(out: str | Path, force: bool = False) -> Iterator[Path]:
    """A folder to fill that takes the place of ``out`` at the end, or vanishes on an error.

    Killed at any instant, it leaves the old one or the new one; what else is left, the next run
    removes.

    Args:
        out: Where the folder will be.
        force: Replace what ``out`` holds.

    Raises:
        FileInTheWayError: If ``out`` is not empty and ``force`` is not set.
        HeldError: If another process writes there.
        UsageError: If no folder can be made there.
    """
    out = Path(out).absolute()
    check_writable(out.parent, 'the place of --out,')
    with place_held(out, 'the folder to make'):
        put_back(out)
        _refuse_to_bury(out, force)
        for left in _left_by_killed_runs(out):
            remove(left)
        part = out.with_name(f'.{out.name}.part')
        part.mkdir()
        try:
            yield part
            _refuse_to_bury(out, force)  # it has taken a while
            put_in_place(part, out)
        finally:
            remove(part)


def _refuse_to_bury(out: Path, force: bool) -> None:
    if os.path.lexists(out) and (not out.is_dir() or any(out.iterdir())) and not force:
        raise FileInTheWayError(
            f'{out} exists and is not an empty folder; --force replaces it by the new data set'
        )


def _left_by_killed_runs(out: Path) -> list[Path]:
    # earlier versions put the number of the process in the name
    name = re.compile(rf'\.{re.escape(out.name)}\.(\d+\.)?part')
    return [path for path in out.parent.iterdir() if name.fullmatch(path.name)]


def holding_root(write: Callable) -> Callable:
    """Let ``write(root, ...)`` have the root of a data set for itself while it writes into it.

    A root that is not there or read-only is left to ``write`` to refuse.
    """

    @wraps(write)
    def held(root: str | Path, *args, **kwargs):
        if not (os.path.isdir(root) and os.access(root, os.W_OK)):
            return write(root, *args, **kwargs)
        with folder_held(root, 'the root of the data'):
            return write(root, *args, **kwargs)

    return held


def write_infos(path: Path, dataset: str, infos: list[dict]) -> None:
    """Write an info file of version 2, as MMDetection3D's data sets read it."""
    dump_infos(path, dict(metainfo=dict(dataset=dataset, info_version='1.1'), data_list=infos))


def dump_infos(path: Path, content: dict) -> None:
    """Write a pickle that is whole or not there."""
    with write_whole(path) as part:
        part.write_bytes(pickle.dumps(content, protocol=4))

"""A new data set's folder: refused when it would bury other data, seen only when it is whole."""

from __future__ import annotations

import os
import pickle
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import FileInTheWayError
from .files import check_writable, write_whole


@contextmanager
def new_folder(out: str | Path, force: bool = False) -> Iterator[Path]:
    """A folder to fill that takes the place of ``out`` at the end, or vanishes on an error.

    Args:
        out: Where the folder will be.
        force: Replace what ``out`` holds.

    Raises:
        FileInTheWayError: If ``out`` is not empty and ``force`` is not set.
        UsageError: If no folder can be made there.
    """
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not force:
        raise FileInTheWayError(
            f'{out} exists and is not an empty folder; --force replaces it by the new data set'
        )
    check_writable(out.parent, 'the place of --out,')
    for left in out.parent.glob(f'.{out.name}.*.part'):
        warnings.warn(f'{left} is left by a run that was killed, unless it goes on: remove it',
                      stacklevel=3)  # fmt: skip
    part = out.with_name(f'.{out.name}.{os.getpid()}.part')
    part.mkdir(parents=True)
    try:
        yield part
        if out.is_dir() and not out.is_symlink():
            shutil.rmtree(out)
        elif out.exists():
            out.unlink()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_infos(path: Path, dataset: str, infos: list[dict]) -> None:
    """Write an info file of version 2, as MMDetection3D's data sets read it."""
    dump_infos(path, dict(metainfo=dict(dataset=dataset, info_version='1.1'), data_list=infos))


def dump_infos(path: Path, content: dict) -> None:
    """Write a pickle that is whole or not there."""
    with write_whole(path) as part:
        part.write_bytes(pickle.dumps(content, protocol=4))

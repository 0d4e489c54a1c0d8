"""Files that are either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp


@contextmanager
def write_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Yield the name of a new file beside ``path`` that takes its place if all goes well.

    The content is on the disk before the name is: a process killed at any instant leaves the old
    file or the new one. On an error the new file vanishes and the old one stays.

    Args:
        path: The file to write; its folder must exist.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'note.txt'
        >>> with write_whole(path) as part:
        ...     _ = part.write_text('whole')
        >>> path.read_text(), len(list(path.parent.iterdir()))
        ('whole', 1)
    """
    path = Path(path)
    handle, name = mkstemp(prefix=f'.{path.name}.', suffix='.part', dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        mode = path.stat().st_mode if path.exists() else 0o666 & ~_umask()
        os.chmod(part, mode)  # mkstemp's files are the owner's alone
        _sync(part)
        os.replace(part, path)
        _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file as :func:`write_whole` does; folders that are missing are made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as part:
        part.write_text(text)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

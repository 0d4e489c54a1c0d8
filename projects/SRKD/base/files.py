"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile, mkstemp

from .errors import NotWritableError, UsageError
from .lock import is_file

# full, over a quota, beyond a file's greatest size, read-only by now, broken
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


@contextmanager
def write_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Yield the name of a new file beside ``path`` that takes its place if all goes well.

    The content is on the disk before the name is: a process killed at any instant leaves the old
    file or the new one, and the next writer of ``path`` takes what was left half-written. On an
    error the new file vanishes and the old one stays.

    Args:
        path: The file to write; its folder must exist.

    Raises:
        NotWritableError: If no file can be made there, or the disk is full or fails.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'note.txt'
        >>> with write_whole(path) as part:
        ...     _ = part.write_text('whole')
        >>> path.read_text(), len(list(path.parent.iterdir()))
        ('whole', 1)
    """
    path = Path(path)
    try:
        handle, part = _new_part(path)
    except FileNotFoundError:
        raise  # a folder that should have been made is a fault of the code
    except OSError as error:
        raise NotWritableError(path, error) from None
    try:
        yield part
        mode = path.stat().st_mode if path.exists() else 0o666 & ~_umask()
        os.chmod(part, mode)  # mkstemp's files are the owner's alone
        _sync(part)
        os.replace(part, path)
        part = None
        _sync(path.parent)
    except OSError as error:
        if error.filename in (None, str(part)):
            told_of_disk(path, error)
        raise
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
        os.close(handle)


def told_of_disk(path: str | os.PathLike, error: OSError) -> None:
    """Name the file of an error that only the disk can be blamed for; others are left alone.

    Raises:
        NotWritableError: If the disk is full, read-only by now or broken.

    Example:
        >>> told_of_disk('epoch_1.pth', OSError(errno.EACCES, 'Permission denied'))
        >>> told_of_disk('epoch_1.pth', OSError(errno.ENOSPC, 'Full'))
        Traceback (most recent call last):
        ...
        projects.SRKD.base.errors.NotWritableError: epoch_1.pth cannot be written: Full
    """
    if error.errno in _OF_THE_DISK:
        raise NotWritableError(path, error) from None


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file as :func:`write_whole` does; folders that are missing are made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as part:
        part.write_text(text)


def check_writable(folder: str | os.PathLike, name: str) -> None:
    """Refuse a folder that cannot be made or written to, before anything is computed for it.

    Leaves nothing: a file is made, and removed, in the nearest folder that is there.

    Args:
        folder: Need not exist.
        name: What the folder is called in the message, e.g. ``--out``.

    Raises:
        UsageError: Says what the system says, and of which path.

    Example:
        >>> import tempfile
        >>> check_writable(Path(tempfile.mkdtemp()) / 'not' / 'there', '--out')
    """
    place = Path(folder).absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    try:
        with TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise UsageError(
            f'{name} {folder} cannot be written to ({place}: {error.strerror}), expected a folder '
            'that is there or can be made'
        ) from None


def _new_part(path: Path) -> tuple[int, Path]:
    """A new file beside ``path``, open.

    It has always the same name, so that what a killed process leaves is used again, and is locked,
    so that two processes do not write into one: the second gets a name of its own.
    """
    part = path.with_name(f'.{path.name}.0.part')
    with suppress(OSError):
        return _open_part(part), part
    handle, name = mkstemp(prefix=f'.{path.name}.', suffix='.part', dir=path.parent)
    return handle, Path(name)


def _open_part(part: Path) -> int:
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not is_file(handle, part):
            raise FileExistsError(f'{part} was finished by another process meanwhile')
        os.ftruncate(handle, 0)
    except OSError:
        os.close(handle)
        raise
    return handle


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

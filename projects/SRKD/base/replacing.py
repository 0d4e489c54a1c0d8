"""A folder takes the place of another: at any instant one of both is there, whole."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

from .errors import NotWritableError

_HERE = -100  # AT_FDCWD of fcntl.h: names are relative to the current folder
_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h


def put_in_place(new: Path, old: Path) -> None:
    """Give a folder that is whole the name of an older one, which is then removed.

    A process killed at any instant leaves one of both under the name. Where the system cannot
    exchange names there is none for an instant: :func:`put_back` mends it.

    Args:
        new: The folder, beside ``old``.
        old: Its name to be; need not exist.

    Raises:
        NotWritableError: If the system does not let us, as where ``old`` is a mounted disk.
    """
    try:
        if not os.path.lexists(old):
            os.rename(new, old)
        elif exchange(new, old):
            remove(new)
        else:
            aside = _aside(old)
            os.rename(old, aside)
            os.rename(new, old)
            remove(aside)
    except OSError as error:
        put_back(old)
        raise NotWritableError(old, error) from None


def put_back(path: Path) -> None:
    """Mend what a process killed inside of :func:`put_in_place` has left."""
    aside = _aside(path)
    if os.path.lexists(aside) and not os.path.lexists(path):
        os.rename(aside, path)
    remove(aside)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, as far as the system lets us."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names of one file system in one step, which Linux can and Python cannot say.

    Returns:
        Whether it was done; False where the system or the file system cannot.

    Example:
        >>> import tempfile
        >>> one, other = (Path(tempfile.mkdtemp()) for _ in range(2))
        >>> (one / 'a').touch()
        >>> not exchange(one, other) or os.listdir(other) == ['a']
        True
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return rename(_HERE, names[0], _HERE, names[1], _EXCHANGE) == 0


def _aside(path: Path) -> Path:
    return path.with_name(f'.{path.name}.old.part')

"""One process at a time where two would spoil each other's files.

The system holds the locks (``flock``), so one that is killed leaves none behind: its lock file may
stay, and the next one takes it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import HeldError, NotWritableError

INSIDE = '.lock'
_LONGEST = 200  # characters of a command in a message
_ATTEMPTS = 1000  # to find a lock file that nobody removes meanwhile
_held: set[int] = set()  # by this process


@contextmanager
def folder_held(folder: str | os.PathLike, name: str) -> Iterator[Path]:
    """Keep other processes from writing into a folder; made if it is missing, removed if empty.

    Args:
        folder: That is filled in place, such as a work dir.
        name: What it is called in the message, e.g. ``work_dir``.

    Raises:
        HeldError: If another process holds it.
        NotWritableError: If no file can be made in it.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / 'run'
        >>> with folder_held(folder, 'work_dir'):
        ...     os.listdir(folder)
        ['.lock']
        >>> folder.exists()
        False
    """
    folder = Path(folder).absolute()
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        with _locked(folder / INSIDE, folder, name):
            yield folder
    finally:
        for place in made:
            with suppress(OSError):
                place.rmdir()


@contextmanager
def place_held(path: str | os.PathLike, name: str) -> Iterator[Path]:
    """Keep other processes from replacing a file or folder; the lock lies beside it.

    Args:
        path: That is written as a whole.
        name: What it is called in the message, e.g. ``--out``.

    Raises:
        HeldError: If another process holds it.
        NotWritableError: If no file can be made beside it.
    """
    path = Path(path).absolute()
    with _locked(path.with_name(f'.{path.name}{INSIDE}'), path, name):
        yield path


@contextmanager
def _locked(file: Path, path: Path, name: str) -> Iterator[None]:
    handle, owner = _take(file, path, name), os.getpid()
    _held.add(handle)
    try:
        yield
    finally:
        if os.getpid() == owner:  # not in a fork
            file.unlink(missing_ok=True)  # while it is locked: see _take
            _held.remove(handle)
            os.close(handle)


def _take(file: Path, path: Path, name: str) -> int:
    """A handle of the locked file, in which it says who holds it."""
    for attempt in range(_ATTEMPTS):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and attempt < _ATTEMPTS - 1:
                continue  # the one before us has just removed its empty folder
            raise NotWritableError(file, error) from None
        try:
            lock_handle(handle, path)
        except BlockingIOError:
            os.close(handle)
            raise HeldError(
                f'{name} {path} must be written by one process at a time, but got a second one: '
                f'{_holder(file)} has it; wait for its end, or name another place'
            ) from None
        if is_file(handle, file):
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps(_own_note()).encode())
            return handle
        os.close(handle)  # what we have locked was removed by the one before us
    raise HeldError(f'{name} {path} could not be locked: others come and go; try again')


def lock_handle(handle: int, path: Path) -> None:
    """Lock an open file, or say that its file system has no locks.

    Raises:
        BlockingIOError: If another holds it.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        warnings.warn(
            f'the file system of {path} has no locks ({error.strerror}): see to it that no second '
            'process writes there',
            stacklevel=2,
        )


def is_file(handle: int, file: Path) -> bool:
    """Whether an open file is still the one of a name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(file))
    except FileNotFoundError:
        return False


def _own_note() -> dict:
    return dict(
        pid=os.getpid(),
        host=socket.gethostname(),
        command=shlex.join(sys.orig_argv),
        since=time.strftime('%Y-%m-%d %H:%M:%S'),
    )


def _holder(file: Path) -> str:
    """Who says in a lock file that it is his."""
    try:
        note = json.loads(file.read_text())
        command = note['command']
        if len(command) > _LONGEST:
            command = f'{command[:_LONGEST]} ...'
        return f'process {note["pid"]} on {note["host"]}, since {note["since"]}, `{command}`,'
    except (OSError, ValueError, TypeError, KeyError):  # not written yet, or gone by now
        return 'another process'


def _let_go() -> None:
    """Forks hold a lock as long as they live: workers outlive a killed training by seconds."""
    for handle in _held:
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)

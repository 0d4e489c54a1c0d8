"""Mistakes of use, told in one sentence.

Raise these where what a user wrote, or a file of hers, cannot be used: a tool prints the sentence
and ends with exit code 2. The sentence names the config key, the file or the scan, says what was
found and what was expected, and gives the nearest valid thing. Everything else is a fault of the
code and keeps its traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps


class UsageError(ValueError):
    """What was asked for cannot be run; the message says all there is to know."""


class UsageTypeError(UsageError, TypeError):
    """A value of a type that cannot be used."""


class FileMissingError(UsageError, FileNotFoundError):
    """A file or folder that is not there; names the nearest one that is."""

    __str__ = ValueError.__str__  # OSError's would print an errno


class FileInTheWayError(UsageError, FileExistsError):
    """A file or folder that would be lost; says how to have it replaced."""

    __str__ = ValueError.__str__


class HeldError(UsageError):
    """A file or folder that another process is writing; says which."""


class ScanError(UsageError):
    """What is wrong with scans of a batch, found where their names are not known.

    Args:
        message: Says everything but the names.
        sample: Which of the batch it is; None: all of them together.
    """

    def __init__(self, message: str, sample: int | None = None) -> None:
        super().__init__(message)
        self.sample = sample
        self.is_named = False

    def __str__(self) -> str:
        """Say which of the batch it is, as long as nobody knows the name."""
        if self.sample is None or self.is_named:
            return super().__str__()
        return f'{super().__str__()} (sample {self.sample} of the batch)'


class NotWritableError(UsageError, OSError):
    """A file that cannot be made; ``strerror`` is what the system says."""

    __str__ = ValueError.__str__

    def __init__(self, path: object, cause: OSError) -> None:
        super().__init__(f'{path} cannot be written: {cause.strerror}')
        self.strerror = cause.strerror


class TooFewVoxelsError(ScanError):
    """A batch too small to be normalized in training."""


def naming_scans(forward: Callable) -> Callable:
    """Make a network's ``forward(self, inputs, data_samples, ...)`` name the scans that it refuses.

    The names are ``lidar_path`` of the samples; of several it gives all.
    """

    @wraps(forward)
    def named(self, inputs, data_samples=None, *args, **kwargs):
        try:
            return forward(self, inputs, data_samples, *args, **kwargs)
        except ScanError as error:
            if error.is_named or not data_samples:
                raise
            names = [str(sample.get('lidar_path')) for sample in data_samples]
            if error.sample is None:
                told = f'the batch holds {", ".join(names)}'
            else:
                told = f'scan {names[error.sample]}'
            full = type(error)(f'{error.args[0]} ({told})', error.sample)
            full.is_named = True
            raise full from None

    named.original = forward
    return named


@contextmanager
def misuse_told(tool: str) -> Iterator[None]:
    """The door of every tool: print a mistake of use as one sentence and exit with code 2.

    Whatever else is raised passes, traceback and all.

    Args:
        tool: Name that the sentence begins with, e.g. ``train.py``.

    Example:
        >>> with misuse_told('train.py'):
        ...     raise UsageError('train_dataloader.batch_size must be positive, but got 0')
        Traceback (most recent call last):
        ...
        SystemExit: 2
    """
    try:
        yield
    except UsageError as error:
        print(f'{tool}: {error}', file=sys.stderr)
        sys.exit(2)

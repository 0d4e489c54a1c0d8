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


class TooFewVoxelsError(UsageError):
    """A batch too small to be normalized in training."""


def naming_scans(loss: Callable) -> Callable:
    """Make a segmentor's ``loss(self, inputs, data_samples)`` say which scans were too small."""

    @wraps(loss)
    def named(self, inputs, data_samples):
        try:
            return loss(self, inputs, data_samples)
        except TooFewVoxelsError as error:
            scans = ', '.join(str(sample.get('lidar_path')) for sample in data_samples)
            raise TooFewVoxelsError(f'{error} (the batch holds {scans})') from None

    named.original = loss
    return named


@contextmanager
def misuse_told(tool: str) -> Iterator[None]:
    """The door of every tool: print a mistake of use as one sentence and exit with code 2.

    Whatever else is raised passes, traceback and all.

    Args:
        tool: Name that the sentence begins with, e.g. ``train.py``.

    Example:
        >>> with misuse_told('train.py'):
        ...     raise UsageError('train_dataloader.batch_size must be positive, got 0')
        Traceback (most recent call last):
        ...
        SystemExit: 2
    """
    try:
        yield
    except UsageError as error:
        print(f'{tool}: {error}', file=sys.stderr)
        sys.exit(2)

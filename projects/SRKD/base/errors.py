"""Mistakes of use, told in one sentence.

Raise these where what a user wrote, or a file of hers, cannot be used: a tool prints the sentence
and ends with exit code 2. The sentence names the config key, the file or the scan, says what was
found and what was expected, and gives the nearest valid thing. Everything else is a fault of the
code and keeps its traceback.
"""

from __future__ import annotations


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

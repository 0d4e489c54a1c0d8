"""The ground floor, Python and torch alone: what every room stands on."""

from .errors import (
    FileInTheWayError,
    FileMissingError,
    NotWritableError,
    ScanError,
    TooFewVoxelsError,
    UsageError,
    UsageTypeError,
    misuse_told,
    naming_scans,
)
from .files import check_writable, write_text, write_whole
from .nearest import nearest_name, nearest_path
from .random_numbers import generator_states, seed_process, seeded
from .renamed import renamed

__all__ = [
    'FileInTheWayError', 'FileMissingError', 'NotWritableError', 'ScanError',
    'TooFewVoxelsError', 'UsageError', 'UsageTypeError', 'check_writable', 'generator_states',
    'misuse_told', 'naming_scans', 'nearest_name', 'nearest_path', 'renamed', 'seed_process',
    'seeded', 'write_text', 'write_whole',
]  # fmt: skip

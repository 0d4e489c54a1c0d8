"""The ground floor, Python and torch alone: what every room stands on."""

from .errors import FileMissingError, UsageError, UsageTypeError
from .files import write_whole
from .nearest import nearest_name, nearest_path

__all__ = [
    'FileMissingError', 'UsageError', 'UsageTypeError', 'nearest_name', 'nearest_path',
    'write_whole',
]  # fmt: skip

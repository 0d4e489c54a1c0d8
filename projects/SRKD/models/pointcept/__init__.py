"""Checkpoints of Pointcept and of what was built on it, as networks of this project."""

from .benchmarks import BENCHMARKS, RELEASES
from .config_text import config_text
from .conversion import Conversion, Wanted, convert, fitted
from .names import Note, Prompt, to_ours, to_theirs
from .reading import read_released
from .teaching import load_converted

__all__ = [
    'BENCHMARKS',
    'Conversion',
    'Note',
    'Prompt',
    'RELEASES',
    'Wanted',
    'config_text',
    'convert',
    'fitted',
    'load_converted',
    'read_released',
    'to_ours',
    'to_theirs',
]

"""Narrower detectors by rule: their configs, and weights taken from a trained teacher."""

from .depth import check_blocks
from .detector import build_compressed, compressed
from .inheritance_rules import inherit
from .selection import select_weights, shuffle_channels
from .widths import divisor_of

__all__ = [
    'build_compressed',
    'check_blocks',
    'compressed',
    'divisor_of',
    'inherit',
    'select_weights',
    'shuffle_channels',
]

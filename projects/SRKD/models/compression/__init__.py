"""Narrower detectors by rule: their configs, and their weights taken from a trained teacher."""

from .detector import build_compressed, compressed
from .inheritance_rules import inherit
from .widths import divisor_of

__all__ = ['build_compressed', 'compressed', 'divisor_of', 'inherit']

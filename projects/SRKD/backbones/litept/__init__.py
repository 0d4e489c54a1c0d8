"""LitePT; torch only."""

from .model import LitePT

__all__ = ['LitePT']

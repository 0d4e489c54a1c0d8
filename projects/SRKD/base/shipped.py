"""Configs and tools: beside the package in a checkout, within it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from .errors import FileMissingError
from .nearest import nearest_path

_PACKAGE = Path(__file__).resolve().parents[1]


def configs(name: str = '') -> str:
    """Path of the folder of configs, or of one of them, wherever SRKD is installed.

    A config of your own, in any folder, builds on a shipped one by
    ``_base_ = __import__('projects.SRKD').SRKD.configs('_base_/distill/srkd.py')``.

    Args:
        name: Path within the folder; nothing: the folder itself.

    Raises:
        FileMissingError: If there is no such file; names the nearest.

    Example:
        >>> configs('_base_/default_runtime.py').split('/')[-3:]
        ['configs', '_base_', 'default_runtime.py']
    """
    return _find('configs', name)


def tools(name: str = '') -> str:
    """Path of the folder of tools, or of one of them, as :func:`configs`.

    Example:
        >>> tools('train.py').split('/')[-2:]
        ['tools', 'train.py']
    """
    return _find('tools', name)


def _find(folder: str, name: str) -> str:
    installed = _PACKAGE / '.mim'
    root = (installed if installed.is_dir() else _PACKAGE.parents[1]) / folder
    path = root / name
    if not path.exists():
        raise FileMissingError(f'SRKD ships no {folder}/{name}; {nearest_path(path)}')
    return str(path)

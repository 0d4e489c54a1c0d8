"""The nearest valid thing, for messages about one that is not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_LISTED = 3  # names shown when none is near


def nearest_name(name: object, valid: Iterable[str]) -> str | None:
    """The valid name that looks most like ``name``; None if nothing is valid.

    Example:
        >>> nearest_name('loss_wieght', ['temperature', 'loss_weight'])
        'loss_weight'
    """
    return next(iter(get_close_matches(str(name), list(valid), n=1, cutoff=0.0)), None)


def nearest_path(path: str | os.PathLike) -> str:
    """Say in words what exists near a path that does not.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / 'scene0001_00.bin').touch()
        >>> nearest_path(folder / 'scene0001_0.bin').split('/')[-1]
        'scene0001_00.bin'
    """
    missing = Path(path).absolute()
    while not missing.parent.is_dir():
        missing = missing.parent
    folder = missing.parent
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith('.'))
    except OSError as error:
        return f'{folder} cannot be read: {error.strerror}'
    near = get_close_matches(missing.name, names, n=1)
    if near:
        return f'the nearest name there is {folder / near[0]}'
    if not names:
        return f'{folder} is empty'
    shown = ', '.join(names[:_LISTED]) + (', ...' if len(names) > _LISTED else '')
    return f'{folder} has no {missing.name}, it holds {shown}'

"""Words on what exists near a path that does not."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

_LISTED = 3  # names shown when none is near


def nearest_name(path: str | os.PathLike) -> str:
    """Words on what exists near a missing path.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / 'scene0001_00.bin').touch()
        >>> nearest_name(folder / 'scene0001_0.bin').split('/')[-1]
        'scene0001_00.bin'
    """
    missing = Path(path).absolute()
    while not missing.parent.is_dir():
        missing = missing.parent
    folder = missing.parent
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return f'{folder} cannot be read: {error.strerror}'
    near = get_close_matches(missing.name, names, n=1)
    if near:
        return f'the nearest name there is {folder / near[0]}'
    if not names:
        return f'{folder} is empty'
    shown = ', '.join(names[:_LISTED]) + (', ...' if len(names) > _LISTED else '')
    return f'{folder} has no {missing.name}, it holds {shown}'

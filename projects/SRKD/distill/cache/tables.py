"""What the tables and files of a cache must be, or they are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...base import UsageError
from ...base.json_file import read_json

FACTS = 'cache.json'
ADVICE = 'delete it and run tools/cache_teacher.py again, which writes it anew'


def read_table(path: Path) -> dict[str, Any]:
    """Content of ``cache.json`` or ``scenes.json``; empty where there is none.

    Args:
        path: Of the table.

    Raises:
        UsageError: If it is damaged.
    """
    if not path.is_file():
        return {}
    try:
        content = read_json(path)
    except UsageError as error:
        raise UsageError(f'{error}: {ADVICE}') from None
    wrong = _wrong_facts(content) if path.name == FACTS else _wrong_scenes(content)
    if wrong:
        raise UsageError(f'{path} of the teacher cache is damaged ({wrong}): {ADVICE}')
    return content


def _wrong_facts(content: dict) -> str:
    taps = content.get('taps')
    if not isinstance(taps, dict) or not all(_is_number(width) for width in taps.values()):
        return 'taps must be widths by name'
    if not isinstance(content.get('finished'), bool):
        return 'finished must be true or false'
    if not all(_is_number(content.get(key) or 0) for key in ('views', 'seed', 'layout')):
        return 'views, seed and layout must be numbers'
    return ''


def _wrong_scenes(content: dict) -> str:
    for key, fits in (('scan', _is_number), ('bytes', _is_number), ('path', _is_text)):
        if not isinstance(content.get(key), list) or not all(map(fits, content[key])):
            return f'{key} must be a list of one {"text" if key == "path" else "number"} each'
    if len(content['path']) != len(content['bytes']):
        return 'path and bytes must have a value for each scan'
    if any(scan >= len(content['path']) for scan in content['scan']):
        return 'scan must name scans that there are'
    return ''


def wrong_rows(record: np.ndarray, points: str) -> str:
    """What cannot be of the rows that a file's points name; '' where all can be.

    Args:
        record: Content of the file, see :mod:`.file`.
        points: Name of the array.
    """
    rows = record[points]
    if rows.dtype.kind != 'i' or rows.ndim != 1:
        return f'{points} must be a row of integers'
    if rows.max(initial=-1) >= record.nbytes:
        return f'{points} must name rows of the file, but got {rows.max()}'
    return ''


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _is_text(value: Any) -> bool:
    return isinstance(value, str)

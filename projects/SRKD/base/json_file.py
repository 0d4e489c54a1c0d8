"""JSON files that are what their reader expects, or refused in a sentence."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import FileMissingError, UsageError
from .nearest import nearest_path


def read_json(path: str | Path, kind: type = dict) -> Any:
    """Content of a JSON file.

    Args:
        path: The file.
        kind: ``dict`` or ``list``.

    Raises:
        FileMissingError: If there is no such file.
        UsageError: If it is damaged, or holds something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise FileMissingError(f'{path} does not exist; {nearest_path(path)}') from None
    except OSError as error:
        raise UsageError(f'{path} cannot be read: {error.strerror}') from None
    except RecursionError:
        raise UsageError(f'{path} is no JSON: it nests too deep') from None
    except (ValueError, MemoryError) as error:
        said = str(error) or type(error).__name__
        raise UsageError(f'{path} is no JSON: {said[:200]}') from None
    if not isinstance(content, kind):
        raise UsageError(f'{path} must hold a {kind.__name__}, but got a {type(content).__name__}')
    return content


def read_records(path: str | Path, keys: Iterable[str]) -> list[dict]:
    """Records of a table: a list of dicts.

    Args:
        path: A JSON file.
        keys: That each record has.

    Raises:
        UsageError: Names the first record that lacks one; see also :func:`read_json`.
    """
    keys, records = list(keys), read_json(path, list)
    for number, record in enumerate(records):
        lacking = [key for key in keys if not isinstance(record, dict) or key not in record]
        if lacking:
            raise UsageError(
                f'record {number} of {path} must be a dict with {", ".join(keys)}, but it lacks '
                f'{lacking[0]}'
            )
    return records

"""Whether a path that a file names stays where it belongs."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

_WORD = 'path'  # keys of paths end with it


def is_inside(path: str, roots: Sequence[str]) -> bool:
    """Whether a path lies in one of some folders, by its letters: links are not followed.

    Args:
        path: On the disk or, with ``://``, of a file server.
        roots: Folders of the same kind.

    Example:
        >>> is_inside('data/a/../b.bin', ['data']), is_inside('data/../b.bin', ['data'])
        (True, False)
        >>> is_inside('s3://bucket/b.bin', ['s3://bucket/']), is_inside('s3://b.bin', ['/'])
        (True, False)
    """
    path, folders = _plain(path), [_plain(root).rstrip('/') for root in roots]
    return any(path == folder or path.startswith(folder + '/') for folder in folders)


def wandering_paths(content: Any) -> Iterator[tuple[dict, str]]:
    """Where in an entry of an info file a path begins at a root or climbs, as dict and key.

    Example:
        >>> entry = dict(lidar_points=dict(lidar_path='/etc/shadow'), plane_path='a/b.txt')
        >>> list(wandering_paths(entry))
        [({'lidar_path': '/etc/shadow'}, 'lidar_path')]
    """
    if isinstance(content, dict):
        for key, value in content.items():
            if isinstance(value, (dict, list)):
                yield from wandering_paths(value)
            elif isinstance(value, str) and str(key).endswith(_WORD) and _wanders(value):
                yield content, key
    elif isinstance(content, list):
        for value in content:
            if not isinstance(value, (dict, list)):
                return  # a list of numbers
            yield from wandering_paths(value)


def _wanders(path: str) -> bool:
    return path.startswith('/') or '..' in path or '\0' in path or ':' in path


def _plain(path: str) -> str:
    if '://' in path:
        scheme, rest = path.split('://', 1)
        return f'{scheme}://{posixpath.normpath(rest).lstrip("/")}'
    return os.path.abspath(path)

"""How deep and how large a value may be, so that nobody who walks through it hangs or crashes."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import Any

from ..errors import UsageError


class UnreadableError(UsageError):
    """The bytes are not what a file of data holds; says why, who reads the file says which."""


_DEEPEST = 100  # containers inside of each other
_WIDEST_KEY = (1 << 61) - 1  # multiples of it have one hash: a dict of them is a list
_TABLES = (dict, OrderedDict, defaultdict)
_GROUPS = (list, tuple, set, frozenset)
_CONTAINERS = frozenset((*_TABLES, *_GROUPS))


def check_key(key: Any, depth: int = 3) -> None:
    """Refuse what Python cannot hash in a bounded time and depth.

    Args:
        key: Of a dict, or a member of a set.
        depth: How deep tuples may nest.

    Raises:
        UnreadableError: If it is a nest of tuples or another container.

    Example:
        >>> check_key(('a', (1, 2)))
    """
    kind = type(key)
    if kind in (tuple, frozenset):
        if not depth:
            raise UnreadableError('a key is a nest of tuples')
        for part in key:
            check_key(part, depth - 1)
    elif kind is int and not -_WIDEST_KEY < key < _WIDEST_KEY:
        raise UnreadableError(f'a key is an integer of {key.bit_length()} bits')
    elif kind in _CONTAINERS:
        raise UnreadableError(f'a key is a {kind.__name__}')


def check_extent(value: Any, most: int) -> Any:
    """Refuse a value that contains itself, nests too deep or unfolds to more than a file can hold.

    One list that a file names 40 times, in lists that are named 40 times, has 40 lines in the file
    and no end for who prints it.

    Args:
        value: What was read.
        most: Values it may have, counted as often as they are named.

    Returns:
        The value.

    Raises:
        UnreadableError: If it is so.
    """
    known: dict[int, tuple[int, int] | None] = {}  # depth and size; None while it is open

    def measure(container: Any, outer: int) -> tuple[int, int]:
        if outer > _DEEPEST:
            raise UnreadableError(f'more than {_DEEPEST} containers nest in it')
        known[id(container)] = None
        depth, size = 0, len(container)
        for child in container.values() if type(container) in _TABLES else container:
            if type(child) not in _CONTAINERS:
                continue
            inside = known[id(child)] if id(child) in known else measure(child, outer + 1)
            if inside is None:
                raise UnreadableError('a container in it contains itself')
            depth, size = max(depth, inside[0]), size + inside[1]
        if depth >= _DEEPEST or size > most:
            raise UnreadableError(
                f'it unfolds to {size:,} values in a depth of {depth + 1}, of at most {most:,} '
                f'and {_DEEPEST}'
            )
        known[id(container)] = depth + 1, size
        return depth + 1, size

    if type(value) in _CONTAINERS:
        measure(value, 1)
    return value

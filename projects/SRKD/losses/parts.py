"""What losses are made of, named by ``type`` in a config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..base.checks import check_choice


def build_part(what: str, part: Callable | Mapping, kinds: Mapping[str, type]) -> Any:
    """Build a part of a loss from its config; anything callable is taken as it is.

    Losses know no registry of mmengine's, so a dict of classes takes its place.

    Args:
        what: Word for the part, for messages.
        part: A dict with a ``type``, one of ``kinds``, or the part itself.
        kinds: Classes by name.

    Raises:
        UsageError: If the type is unknown, naming the nearest.
    """
    if callable(part):
        return part
    options = dict(part)
    kind = options.pop('type', None)
    check_choice(f'{what} type', kind, kinds)
    return kinds[kind](**options)

"""Classes of her own: names, raw ids, and the map that a data set wants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mmengine
import numpy as np

from ..base import UsageError
from .kinds import KINDS, Entries, Kind, inner, label_type, loading
from .writing import Classes

_READ = 50  # masks looked at for ids without a class


def own_classes(
    like: str,
    root: Path,
    names: Sequence[str] | None,
    ids: Sequence[int] | None,
    entries: Entries | None,
) -> Classes | None:
    """Classes for a project; None: those of its kind.

    Args:
        like: Name of the kind of data.
        root: Folder of the data.
        names: In the order of their numbers.
        ids: The raw id of each; None: 0, 1, 2, ...
        entries: Of scans without info files; None: those of the root's own files. Other ids in
            their masks have no label.

    Raises:
        UsageError: If the kind's classes cannot be replaced, or ids and names do not fit.
    """
    if not names:
        if ids:
            raise UsageError('--ids must come with --classes, but got it alone')
        return None
    if not KINDS[like].takes_classes:
        others = ', '.join(name for name, kind in KINDS.items() if kind.takes_classes)
        raise UsageError(f'--classes must be left out for --like {like}, whose recipe is written '
                         f'for its own: the kinds that take them are {others}')  # fmt: skip
    ids = list(range(len(names)) if ids is None else ids)
    if len(ids) != len(names):
        raise UsageError(f'--ids must be one raw id for each of the {len(names)} classes, but got '
                         f'{len(ids)}')  # fmt: skip
    for words, key in ((names, '--classes'), (ids, '--ids')):
        twice = [word for word in words if list(words).count(word) > 1]
        if twice:
            raise UsageError(f'{key} must name each once, but got {twice[0]!r} twice')
    largest = max([*ids, *_ids_seen(KINDS[like], root, entries)])
    number = {raw: label for label, raw in enumerate(ids)}
    return Classes(tuple(names), {raw: number.get(raw, len(names)) for raw in range(largest + 1)})


def _ids_seen(kind: Kind, root: Path, entries: Entries | None) -> list[int]:
    """Largest raw id of some masks, evenly spread."""
    cfg = kind.config()
    step, prefix = loading(cfg)[1], ''
    if entries is None:
        entries = {name: mmengine.load(root / name)['data_list'] for name in kind.info_files()}
        prefix = (inner(cfg, 'train').get('data_prefix') or {}).get('pts_semantic_mask', '')
    paths = [
        root / prefix / entry['pts_semantic_mask_path']
        for split in entries.values()
        for entry in split
    ]
    there = [path for path in paths if path.is_file()]  # the trial names those that are not
    below = step.get('seg_offset')
    largest = []
    for path in there[:: -(-len(there) // _READ) or 1]:
        ids = np.fromfile(path, label_type(step))
        largest.append(int((ids % below if below else ids).max(initial=0)))
    return largest

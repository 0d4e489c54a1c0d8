"""Whether a database of objects is one: a list of objects by class, each with a file and a box."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Real
from reprlib import repr as shortened

import numpy as np
from mmengine.fileio import load

from ..base import UsageError
from ..base.inside import is_inside
from .box_values import check_boxes


def check_database(
    path: str, classes: Sequence[str], numbers: Sequence[str], data_root: str | None = None
) -> None:
    """Refuse what ``DataBaseSampler`` would crash on later, or paste without a word.

    Args:
        path: Of the database, a pickle that a converter wrote.
        classes: To be pasted; the boxes of others are not looked at.
        numbers: Keys that every object must have a number at.
        data_root: Folder that the objects' files lie in; '' or None: anywhere.

    Raises:
        UsageError: Names the file, the class and the object.
    """
    try:
        content = load(path)
    except OSError as error:
        raise UsageError(f'info_path {path} cannot be read: {error.strerror}') from error
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise UsageError(
            f'info_path {path} cannot be read ({" ".join(str(error).split())}): expected the '
            'objects that a converter of tools/dataset_converters wrote'
        ) from error
    if not isinstance(content, dict) or not all(isinstance(v, list) for v in content.values()):
        raise UsageError(f'info_path {path} holds no dict of lists, expected the objects by class')
    for name, entries in content.items():
        for number, entry in enumerate(entries):
            where = f'object {number} of class {name!r} in {path}'
            _check_entry(entry, name, numbers, where)
            if data_root and not is_inside(os.path.join(data_root, entry['path']), [data_root]):
                raise UsageError(
                    f'{where} has the path {entry["path"]}, expected one inside of '
                    f'data_root={data_root!r} of db_sampler; an empty data_root takes any'
                )
        if name in classes and entries:
            boxes = np.stack([entry['box3d_lidar'] for entry in entries])
            check_boxes(boxes, f'{path} has for class {name!r}')


def _check_entry(entry: object, name: str, numbers: Sequence[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise UsageError(f'{where} is a {type(entry).__name__}, expected a dict')
    if entry.get('name') != name:
        raise UsageError(f'{where} has the name {shortened(entry.get("name"))}, expected {name!r}')
    if not isinstance(entry.get('path'), str):
        raise UsageError(
            f'{where} has {shortened(entry.get("path"))} as path, expected the file of points'
        )
    box = entry.get('box3d_lidar')
    if not isinstance(box, np.ndarray) or box.ndim != 1 or len(box) not in (7, 9):
        raise UsageError(
            f'{where} has {shortened(box)} as box3d_lidar, expected an array of 7 or 9 numbers'
        )
    for key in numbers:
        if not isinstance(entry.get(key), (Real, np.number)):
            raise UsageError(f'{where} has {shortened(entry.get(key))} as {key}, expected a number')

"""The list of scans of a segmentation data set names scans that are there.

Breaks: a list of objects, a damaged one or one of another data set ends in numpy's words or in
    ``IndexError``; numbers below zero count from the end and fractions are cut off, in silence.
Where: mmdet3d 1.4.0 ``datasets/seg3d_dataset.py``: ``Seg3DDataset.get_scene_idxs``.
Delete when: it looks at what it reads.

Shape letters: k numbers, n scans.
"""

import os.path
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..base import FileMissingError, UsageError, nearest_path


def read_scene_idxs(path: str, backend_args: dict | None = None) -> np.ndarray:
    """The array of a ``.npy`` file, mapped: nothing is reserved by a number in its header.

    Raises:
        FileMissingError: If there is no such file.
        UsageError: If it holds objects or is damaged.
    """
    from mmengine.fileio import get_local_path

    try:
        with get_local_path(path, backend_args=backend_args) as local:
            found = np.load(local, mmap_mode='r', allow_pickle=False)
            if isinstance(found, np.ndarray):
                return np.array(found)  # the file may go
        wrong = f'a {type(found).__name__}'
    except FileNotFoundError:
        raise FileMissingError(f'scene_idxs {path} does not exist; {nearest_path(path)}') from None
    except Exception as error:  # a damaged header makes numpy raise whatever it likes
        wrong = ' '.join(str(error).split())[:200] or type(error).__name__
    raise UsageError(
        f'scene_idxs {path} must be an array of whole numbers that numpy.save has written, but '
        f'got {wrong}; nothing of it was run'
    )


def check_scene_idxs(numbers: Any, source: str, scans: int) -> np.ndarray:
    """Numbers of scans, ``(k,)`` int32.

    Args:
        numbers: k of them.
        source: What they are called in a message.
        scans: n.

    Raises:
        UsageError: If they are none, no whole numbers, or outside ``0 .. n - 1``.
    """
    found = np.asarray(numbers)
    if found.ndim != 1 or found.dtype.kind not in 'iu' or not len(found):
        raise UsageError(
            f'{source} must be a list of whole numbers, but got {found.dtype} of shape '
            f'{found.shape}'
        )
    outside = (found < 0) | (found >= scans)
    if outside.any():
        raise UsageError(
            f'{source} must be numbers from 0 to {scans - 1}, the scans of the info file, but got '
            f'{found[outside][0]}: it belongs to another data set'
        )
    return found.astype(np.int32)


def _checked(original: Callable) -> Callable:

    @wraps(original)
    def get_scene_idxs(self, scene_idxs: Any) -> np.ndarray:
        if scene_idxs is None or self.test_mode:  # a test shows each scan once
            return original(self, None)
        source = 'scene_idxs'
        if isinstance(scene_idxs, str):
            path = os.path.join(self.data_root, scene_idxs)
            source = f'scene_idxs {path}'
            scene_idxs = read_scene_idxs(path, self.backend_args)
        return check_scene_idxs(scene_idxs, source, len(self.data_list))

    get_scene_idxs.original = original
    return get_scene_idxs


def apply() -> bool:
    """Put it in the place of mmdet3d's method."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.datasets import Seg3DDataset

    if not hasattr(Seg3DDataset.get_scene_idxs, 'original'):
        Seg3DDataset.get_scene_idxs = _checked(Seg3DDataset.get_scene_idxs)
    return True

"""What a runner has built: loops, data sets inside of wrappers, steps of their pipelines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from mmdet3d.datasets import Seg3DDataset
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

_LOOPS = dict(train='_train_loop', val='_val_loop', test='_test_loop')


class Frame(NamedTuple):
    """A scan that an info file lists.

    Args:
        points: Path of its points.
        mask: Path of its semantic mask, '' without one.
        sweeps: Paths of earlier scans.
        plane: Whether its ground plane is known.
        token: Of nuScenes' tables, '' elsewhere.
    """

    points: str
    mask: str
    sweeps: tuple[str, ...]
    plane: bool
    token: str


def built_loops(runner: Runner) -> Iterator[tuple[str, BaseLoop]]:
    """Splits and loops that this run goes through."""
    for split, name in _LOOPS.items():
        loop = getattr(runner, name)
        if isinstance(loop, BaseLoop):
            yield split, loop


def built_datasets(runner: Runner) -> Iterator[tuple[str, BaseDataset]]:
    """Splits and data sets, those inside of wrappers in their place."""
    for split, loop in built_loops(runner):
        for dataset in _unwrapped(loop.dataloader.dataset):
            yield split, dataset


def _unwrapped(dataset: Any) -> Iterator[BaseDataset]:
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if isinstance(dataset, BaseDataset):
        yield dataset
        return
    for part in inner:
        if part is not None:
            yield from _unwrapped(part)


_FRAMES: WeakKeyDictionary[BaseDataset, list[Frame]] = WeakKeyDictionary()


def frames_of(dataset: BaseDataset) -> list[Frame]:
    """The scans of a data set's info file, each entry once however often an epoch repeats it."""
    if dataset not in _FRAMES:
        _FRAMES[dataset] = [_frame(info) for info in _entries(dataset)]
    return _FRAMES[dataset]


def forget_frames() -> None:
    """Give the memory back that the lists take, of nuScenes some 40 MB."""
    _FRAMES.clear()


def _entries(dataset: BaseDataset) -> Iterator[dict]:
    if dataset.serialize_data:
        yield from (dataset.get_data_info(i) for i in range(len(dataset)))
    elif isinstance(dataset, Seg3DDataset):  # scene_idxs repeat an entry itself
        yield from {id(info): info for info in dataset.data_list}.values()
    else:
        yield from dataset.data_list


def _frame(info: dict) -> Frame:
    points = (info.get('lidar_points') or {}).get('lidar_path') or ''
    sweeps = (sweep['lidar_points']['lidar_path'] for sweep in info.get('lidar_sweeps') or ())
    return Frame(points, info.get('pts_semantic_mask_path') or '', tuple(sweeps),
                 info.get('plane') is not None, info.get('token') or '')  # fmt: skip


def is_local(path: str) -> bool:
    """Whether a path lies in this machine's file system."""
    return '://' not in path


class Listing:
    """Whether files exist, looking at each folder once."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def __contains__(self, path: str) -> bool:
        folder, name = os.path.split(path)
        if folder not in self._names:
            self._names[folder] = set(os.listdir(folder or '.')) if _is_folder(folder) else set()
        return name in self._names[folder]


def _is_folder(path: str) -> bool:
    return os.path.isdir(path or '.')

"""A folder of what a teacher said about scans, and what it must share with a training.

Layout of a cache, written by ``tools/cache_teacher.py``::

    DIR/cache.json        which teacher, taps, voxels and data it was made from; whether it is whole
    DIR/scenes.json       path and bytes of each scan's points; the scan of every data set index
    DIR/000/000012.npz    a scan, or one of its K views, see ``file``

The clean scan 12 is file 12; view v of it, where ``ReplayViews`` shows K of them, is file 12 K + v.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...base import FileMissingError, UsageError
from ...base.provenance import digest
from ..teacher import teacher_config
from .file import SceneFile, check_scene

LAYOUT = 1  # raise it when the files change
_OPEN = 4096  # files mapped at a time; Linux allows a process 65,530 mappings
_MAKE = 'python tools/cache_teacher.py CONFIG'
# Facts of a cache, with their names in messages.
_NAMES = dict(
    layout='layout of the files',
    voxel_size='voxel size',
    teacher='teacher config (digest)',
    checkpoint='teacher checkpoint (sha256)',
    views='number of views of each scan (0: the clean scan)',
    seed='seed of the views',
    augmentation='augmentation of the views (digest)',
    data='data set',
    pipeline='test pipeline (digest)',
    logits='choice of logits',
    dtype='dtype',
)


def teacher_facts(config: Mapping, checkpoint: str) -> dict[str, Any]:
    """What a cache must share with the teacher of a training.

    Args:
        config: Model config of the teacher, see :func:`teacher_config`.
        checkpoint: Its file; an address on the net stands for itself.

    Raises:
        FileMissingError: If there is no such file.
    """
    config = teacher_config(config)
    voxels = config.get('data_preprocessor') or {}
    size = voxels.pop('voxel_size', None) or voxels.get('voxel_layer', {}).pop('voxel_size', None)
    voxels.pop('identity_columns', None)  # says nothing of the rows
    weights = checkpoint
    if '://' not in checkpoint:
        if not Path(checkpoint).is_file():
            raise FileMissingError(f'teacher checkpoint {checkpoint} does not exist')
        hashed = hashlib.sha256()
        with open(checkpoint, 'rb') as file:
            while block := file.read(1 << 22):
                hashed.update(block)
        weights = hashed.hexdigest()
    size = [float(edge) for edge in (size if isinstance(size, (list, tuple)) else [size] * 3)]
    return dict(layout=LAYOUT, voxel_size=size, teacher=digest(config), checkpoint=weights)


def differing(there: Mapping, here: Mapping) -> str | None:
    """Name the first fact of ``here`` that is another one there, with both values."""
    there = dict(views=0) | dict(there)  # of caches older than views
    for key, name in _NAMES.items():
        if key in here and there.get(key) != here[key]:
            return f'another {name}: {_told(there.get(key))} there, {_told(here[key])} here'
    return None


class TeacherCache:
    """A folder of cached scans.

    Args:
        folder: Where ``cache.json`` lies; read at first use.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._same: set[int] = set()  # scans whose points have the size they had
        self._intact: set[int] = set()  # files compared with their checksums
        self._file = lru_cache(_OPEN)(self._open)

    def read(self, name: str) -> dict:
        """Content of ``cache.json`` or ``scenes.json``; empty where there is none."""
        path = self.folder / name
        return json.loads(path.read_text()) if path.is_file() else {}

    def path(self, number: int) -> Path:
        """A file by its number."""
        return self.folder / f'{number // 1000:03d}' / f'{number:06d}.npz'

    def check(self, facts: Mapping, taps: Iterable[str]) -> None:
        """Refuse a cache that a training cannot use, and learn what is in it.

        Args:
            facts: Those of the training's teacher, see :func:`teacher_facts`.
            taps: What its terms read.

        Raises:
            FileMissingError: If there is no cache.
            UsageError: If it is unfinished, or was made with another teacher or other taps.
        """
        found = self.read('cache.json')
        if not found:
            raise FileMissingError(
                f'teacher cache {self.folder} does not exist (it has no cache.json): write it with '
                f'{_MAKE} --out {self.folder}'
            )
        if difference := differing(found, facts):
            raise UsageError(
                f'teacher cache {self.folder} is stale: it was made with {difference}; write one '
                f'for this teacher with {_MAKE}'
            )
        missing = [tap for tap in taps if tap not in found['taps']]
        if missing:
            raise UsageError(
                f'teacher cache {self.folder} is stale: it lacks tap {missing[0]!r}, which a term '
                f'reads, and holds {", ".join(found["taps"])}; write one for these terms with '
                f'{_MAKE}'
            )
        if not found['finished']:
            raise UsageError(
                f'teacher cache {self.folder} is unfinished: run {_MAKE} --out {self.folder} '
                'again, it goes on where it stopped'
            )
        self.facts, scenes = found, self.read('scenes.json')
        self.scan_of, self.names, self.sizes = (scenes[key] for key in ('scan', 'path', 'bytes'))

    def check_views(self, replay: Mapping) -> None:
        """Refuse a sample that was augmented otherwise than what the teacher saw.

        Args:
            replay: What ``ReplayViews`` says of it; empty if the pipeline has none.

        Raises:
            UsageError: If number of views, seed or augmentation differ.
        """
        if not (difference := differing(self.facts, replay or dict(views=0))):
            return
        views, seed = (self.facts.get(name) or 0 for name in ('views', 'seed'))
        if not views:
            fitting = 'leave ReplayViews out of the training pipeline'
        elif replay and (replay['views'], replay['seed']) == (views, seed):
            fitting = 'give ReplayViews the transforms that it was made with'
        else:
            fitting = f'train with ReplayViews(views={views}, seed={seed})'
        raise UsageError(
            f'teacher cache {self.folder} is stale: it was made with {difference}; write one for '
            f'this training with {_MAKE}, or {fitting}'
        )

    def scan(self, slot: int) -> int:
        """The scan at an index of the training's data set.

        Raises:
            UsageError: If the cache has no such scan.
        """
        if not 0 <= slot < len(self.scan_of):
            raise UsageError(
                f'teacher cache {self.folder} was made from other data: the training reads scan '
                f'{slot} of its data set, the cache knows 0 to {len(self.scan_of) - 1}'
            )
        return self.scan_of[slot]

    def scene(self, slot: int, view: int = 0) -> SceneFile:
        """The file of the scan at an index of the data set, or of one of its views.

        Raises:
            UsageError: If the cache has no such scan, or its file is damaged.
        """
        return self._file(self.scan(slot) * (self.facts.get('views') or 1) + view)

    def name(self, slot: int) -> str:
        """Path of the points at an index of the data set, below the data root."""
        return self.names[self.scan(slot)]

    def check_file(self, slot: int, path: str) -> None:
        """Refuse a sample whose file is not the one cached for its index.

        Args:
            slot: Index in the data set.
            path: Of the points the sample was loaded from.
        """
        scan = self.scan(slot)
        path, name = str(path).replace('\\', '/'), self.names[scan]
        if f'/{path}'.endswith(f'/{name}'):
            if scan in self._same or not os.path.isfile(path):
                return
            self._same.add(scan)
            size = os.path.getsize(path)
            if size == self.sizes[scan]:
                return
            difference = f'{name} had {self.sizes[scan]} bytes there and has {size} here'
        else:
            difference = f'scan {slot} of the data set was {name} there and is {path} here'
        raise UsageError(
            f'teacher cache {self.folder} was made from other data: {difference}; write one for '
            f'this data with {_MAKE}'
        )

    def _open(self, number: int) -> SceneFile:
        path = self.path(number)
        if not path.is_file():
            raise UsageError(
                f'{path} of the teacher cache is missing: run {_MAKE} --out {self.folder} again'
            )
        if number not in self._intact:
            check_scene(path)  # reads it once; from then on only the rows asked for
            self._intact.add(number)
        return SceneFile(path)


def _told(fact: Any) -> str:
    if isinstance(fact, Mapping):  # the data set
        return '{scans} scans of {type} ({digest})'.format(**fact)
    return fact[:12] if isinstance(fact, str) and '/' not in fact else str(fact)

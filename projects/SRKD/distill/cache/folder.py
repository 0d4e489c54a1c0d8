"""A folder of what a teacher said about scans: where the points of a sample are in it.

Layout of a cache, written by ``tools/cache_teacher.py``::

    DIR/cache.json        which teacher, taps, voxels and data it was made from; whether it is whole
    DIR/scenes.json       path and bytes of each scan's points; the scan of every data set index
    DIR/000/000012.npy    a scan, or one of its K views, see ``file``

The clean scan 12 of S scans is file 12; view v of it, where ``ReplayViews`` shows some, is file
v S + 12. So the files of few views are the first of many, and views can be added.

Shape letters: n points of a sample, N' rows of one file that a sample touches, M rows of a batch.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmdet3d.structures import Det3DDataSample
from torch import Tensor

from ...base import FileMissingError, UsageError
from ...models.data_preprocessor import IDENTITY_COLUMNS
from .facts import differing
from .file import CHANGED, POINTS, SceneFile, check_scene, read_tap
from .tables import read_table

_OPEN = 4096  # files mapped at a time; Linux allows a process 65,530 mappings
_MAKE = 'python tools/cache_teacher.py CONFIG'


class Piece(NamedTuple):
    """Finest rows of one scan, ``(N',)``, that a sample touches."""

    scene: SceneFile
    rows: np.ndarray


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
        """Content of ``cache.json`` or ``scenes.json``; empty where there is none.

        Raises:
            UsageError: If it is damaged.
        """
        return read_table(self.folder / name)

    def path(self, number: int) -> Path:
        """A file by its number."""
        return self.folder / f'{number // 1000:03d}' / f'{number:06d}.npy'

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
        if not scenes:
            raise FileMissingError(
                f'teacher cache {self.folder} has no scenes.json: run {_MAKE} --out {self.folder} '
                'again'
            )
        self.scan_of, self.names, self.sizes = (scenes[key] for key in ('scan', 'path', 'bytes'))

    def check_views(self, replay: Mapping) -> None:
        """Refuse a sample that was augmented otherwise than what the teacher saw.

        A training may show the first of many views.

        Args:
            replay: What ``ReplayViews`` says of it; empty if the pipeline has none.

        Raises:
            UsageError: If it shows more views, seed or augmentation differ, or mixed views draw
                their second scan from other scans.
        """
        views, seed = (self.facts.get(name) or 0 for name in ('views', 'seed'))
        here = dict(replay or dict(views=0))
        if 0 < here['views'] < views:
            here['views'] = views
        if not (difference := differing(self.facts, here)):
            self._check_partners(replay.get('partners'))
            return
        remedy, fitting = 'write one for this training', f'ReplayViews(views={views}, seed={seed})'
        if not views:
            fitting = 'leave ReplayViews out of the training pipeline'
        elif differing(self.facts, here | dict(views=views)) is None:
            remedy, fitting = 'add the missing views', f'train with {fitting}'
        elif replay and replay['seed'] == seed:
            fitting = 'give ReplayViews the transforms that it was made with'
        else:
            fitting = f'train with {fitting}'
        raise UsageError(
            f'teacher cache {self.folder} is stale: it was made with {difference}; {remedy} with '
            f'{_MAKE}, or {fitting}'
        )

    def _check_partners(self, count: int | None) -> None:
        if count not in (None, len(self.scan_of)):
            raise UsageError(
                f'teacher cache {self.folder} was made from other data: its mixed views draw the '
                f'second scan from {len(self.scan_of)} entries of the data set, this training from '
                f'{count}; train on the same entries, or write one for these with {_MAKE}'
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
        return self._file(view * len(self.names) + self.scan(slot))

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

    def pieces_of(self, sample: Det3DDataSample, cloud: Tensor) -> tuple[np.ndarray, list[Piece]]:
        """What the cache holds of a sample's points.

        Args:
            sample: With the metainfo ``replay`` or the ``point_identity`` ``(n, 2)``.
            cloud: Its points, ``(n, D)``.

        Returns:
            Which of the rows, piece after piece, each point lies in, ``(n,)`` with -1 for none; and
            the pieces, file by file.

        Raises:
            UsageError: If the sample is neither what the teacher saw nor made of its points.
        """
        row = np.full(len(cloud), -1, np.int64)
        pieces, count = [], 0
        for scene, own, point in self._files_of(sample, cloud):
            at = scene.read(POINTS, point)  # (own,)
            own, at = own[at >= 0], at[at >= 0]
            touched = np.zeros(int(at.max(initial=-1)) + 1, bool)
            touched[at] = True
            row[own] = count + (np.cumsum(touched) - 1)[at]
            pieces.append(Piece(scene, np.flatnonzero(touched)))
            count += len(pieces[-1].rows)
        return row, pieces

    def read_tap(self, tap: str, pieces: Sequence[Piece]) -> tuple[Tensor, np.ndarray]:
        """What a tap said about rows.

        Args:
            tap: Its path.
            pieces: The M rows, file by file.

        Returns:
            Values of the rows that the tap has, in float16 or float32, and which of the rows these
            are, ``(M,)`` bool: strided convolutions drop voxels at a border.
        """
        return read_tap(tap, pieces, self.facts['taps'][tap])

    def _files_of(
        self, sample: Det3DDataSample, cloud: Tensor
    ) -> Iterator[tuple[SceneFile, np.ndarray, np.ndarray]]:
        """Files with points of a sample: which points of the sample, which ones of the file."""
        replay = sample.metainfo.get('replay', {})
        self.check_views(replay)
        if (slot := replay.get('scan', sample.metainfo.get('sample_idx'))) is not None:
            self.check_file(slot, sample.metainfo.get('lidar_path', ''))
        if replay:
            scene = self.scene(slot, replay['view'])
            self._check_cloud(cloud, scene, replay)
            every = np.arange(len(cloud))
            yield scene, every, every
            return
        identity = _identity(sample)
        for slot in np.unique(identity[:, 1]).tolist():
            scene = self.scene(slot)
            own = np.flatnonzero(identity[:, 1] == slot)
            point = identity[own, 0]
            if int(point.max()) >= scene.size:
                raise UsageError(
                    f'teacher cache {self.folder} was made from other data: the training has point '
                    f'{int(point.max())} of {self.name(slot)}, which had {scene.size} points'
                )
            yield scene, own, point

    def _check_cloud(self, cloud: Tensor, scene: SceneFile, replay: Mapping) -> None:
        """Refuse a view that is another cloud than the teacher saw."""
        difference = scene.other_cloud(cloud)
        if difference is None:
            return
        columns = scene.columns
        if columns - cloud.shape[1] == IDENTITY_COLUMNS:
            difference += ' (identity_columns of the student takes two)'
        raise UsageError(
            f'view {replay["view"]} of {self.name(replay["scan"])} is another cloud than the '
            f'teacher of cache {self.folder} saw: {difference}; {CHANGED}'
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


def _identity(sample: Det3DDataSample) -> np.ndarray:
    """Row and slot of every point of a sample, ``(n, 2)`` int64."""
    if 'point_identity' not in sample:
        name = sample.metainfo.get('lidar_path', 'a sample without lidar_path')
        raise UsageError(
            f'{name} does not say which raw points its points are, which a cached teacher is '
            "addressed by: add dict(type='AddPointIdentity') behind the loading of points (in "
            "pre_transform of mixing transforms, too) and identity_columns=True to the student's "
            'VoxelSegDataPreprocessor'
        )
    return sample.point_identity.cpu().numpy()

"""The teacher from disk: what its taps saw on clean scans or on views, found again by point.

Shapes: n points of a sample, M rows of the cache that a batch touches, N' of them in one scan of a
sample.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmdet3d.structures import Det3DDataSample, PointData
from torch import Tensor

from ...base import UsageError
from ...models.data_preprocessor import IDENTITY_COLUMNS
from ..features import Features
from ..teacher import Teacher
from ..weights import read_checkpoint
from .file import POINTS, PROBE, PROBED, SceneFile, probe, unpack_logits
from .folder import TeacherCache, teacher_facts

_TOLERANCE = 1e-3  # metres, or parts of a colour: far above rounding, below any usual draw


class Piece(NamedTuple):
    """Finest rows of one scan, ``(N',)``, that a sample touches."""

    scene: SceneFile
    rows: np.ndarray


class CachedTeacher(Teacher):
    """What a :class:`Teacher` says, read from a cache; its network is never built.

    A teacher of clean scans did not see the student's augmented cloud: a row of the student gets
    the mean of what it said about the raw points in that row, be they moved, cropped or mixed with
    points of another scan. Where the training pipeline ends with ``ReplayViews``, it saw the very
    cloud that the student sees.

    Args:
        config: As for :class:`Teacher`.
        checkpoint: As for :class:`Teacher`; only its checksum is used.
        taps: Module paths; the cache must hold them.
        cache: Folder that ``tools/cache_teacher.py`` wrote.

    Raises:
        UsageError: If no checkpoint is named.
    """

    has_own_rows = True

    def __init__(
        self,
        config: str | Path | Mapping,
        checkpoint: str | Path,
        taps: Iterable[str] = (),
        *,
        cache: str | Path,
    ) -> None:
        self.cache = TeacherCache(cache)
        self._checked = False
        super().__init__(config, checkpoint, taps)

    def _tap_widths(self) -> dict[str, int | None]:
        known = self.cache.read('cache.json').get('taps', {})
        if known.keys() >= set(self.paths):
            return {path: known[path] for path in self.paths}
        return super()._tap_widths()  # a student may be built, and tested, without the cache

    def load(self) -> None:
        """Refuse a cache of another teacher, other taps or voxels, or an unfinished one."""
        if not self._checked:
            self.cache.check(teacher_facts(self.config, self.checkpoint), self.paths)
            self._checked = True

    def _stored_meta(self) -> Mapping:
        return {} if '://' in self.checkpoint else read_checkpoint(self.checkpoint)[1]

    @torch.no_grad()
    def prepare(self, inputs: dict, data_samples: list, training: bool) -> tuple[dict, list]:
        """Find the rows of the cache in which the student's points lay.

        Args:
            inputs: The student's; only ``points`` is read.
            data_samples: The student's, with the metainfo ``replay`` or ``point_identity``
                ``(n, 2)``.
            training: Unused: the cache knows no caps.

        Returns:
            A view whose finest rows are the M rows touched; their coordinates are made up.

        Raises:
            UsageError: If a sample is neither what the teacher saw nor made of its points.
        """
        self.load()
        device = inputs['points'][0].device
        pieces: list[list[Piece]] = []
        coors, samples = [], []
        for i, (cloud, sample) in enumerate(zip(inputs['points'], data_samples)):
            row, found = self._rows(i, cloud, sample)
            count = sum(len(piece.rows) for piece in found)
            bare = Det3DDataSample(metainfo=sample.metainfo, gt_pts_seg=PointData())
            bare.point2voxel_map = torch.from_numpy(row).to(device)
            bare.batch_idx = torch.full((count,), i, dtype=torch.int32, device=device)
            place = torch.arange(count, dtype=torch.int32, device=device)
            flat = torch.zeros_like(place)
            coors.append(torch.stack([bare.batch_idx, place, flat, flat], 1))
            samples.append(bare)
            pieces.append(found)
        voxels = dict(coors=torch.cat(coors))
        return dict(points=inputs['points'], voxels=voxels, pieces=pieces), samples

    def _rows(
        self, i: int, cloud: Tensor, sample: Det3DDataSample
    ) -> tuple[np.ndarray, list[Piece]]:
        """Touched rows of a sample, file by file, and which of them each point lies in, (n,)."""
        row = np.full(len(cloud), -1, np.int64)
        pieces, count = [], 0
        for scene, own, point in self._files(i, cloud, sample):
            at = scene.read(POINTS, point)  # (own,)
            own, at = own[at >= 0], at[at >= 0]
            touched = np.zeros(int(at.max(initial=-1)) + 1, bool)
            touched[at] = True
            row[own] = count + (np.cumsum(touched) - 1)[at]
            pieces.append(Piece(scene, np.flatnonzero(touched)))
            count += len(pieces[-1].rows)
        return row, pieces

    def _files(
        self, i: int, cloud: Tensor, sample: Det3DDataSample
    ) -> Iterator[tuple[SceneFile, np.ndarray, np.ndarray]]:
        """Files with points of a sample: which points of the sample, which ones of the file."""
        replay = sample.metainfo.get('replay', {})
        self.cache.check_views(replay)
        if (slot := replay.get('scan', sample.metainfo.get('sample_idx'))) is not None:
            self.cache.check_file(slot, sample.metainfo.get('lidar_path', ''))
        if replay:
            scene = self.cache.scene(slot, replay['view'])
            self._check_cloud(cloud, scene, replay)
            every = np.arange(len(cloud))
            yield scene, every, every
            return
        identity = _identity(sample, i)
        for slot in np.unique(identity[:, 1]).tolist():
            scene = self.cache.scene(slot)
            own = np.flatnonzero(identity[:, 1] == slot)
            point = identity[own, 0]
            if int(point.max()) >= scene.size:
                raise UsageError(
                    f'teacher cache {self.cache.folder} was made from other data: the training '
                    f'has point {int(point.max())} of {self.cache.name(slot)}, which had '
                    f'{scene.size} points'
                )
            yield scene, own, point

    def _check_cloud(self, cloud: Tensor, scene: SceneFile, replay: Mapping) -> None:
        """Refuse a view that is another cloud than the teacher saw."""
        there = scene.read(PROBE, np.arange(PROBED))
        sizes = (scene.size, there.shape[1]), tuple(cloud.shape)
        if sizes[0] == sizes[1]:
            far = np.abs(there - probe(cloud)).max()
            if far <= _TOLERANCE:
                return
            difference = f'points up to {far:.3g} apart'
        else:
            difference = f'{sizes[0]} points and columns there, {sizes[1]} here'
            if sizes[0][1] - sizes[1][1] == IDENTITY_COLUMNS:
                difference += ' (identity_columns of the student takes two)'
        raise UsageError(
            f'view {replay["view"]} of {self.cache.name(replay["scan"])} is another cloud than the '
            f'teacher of cache {self.cache.folder} saw: {difference}; what is loaded in front of '
            'ReplayViews, or the code of a transform, has changed since'
        )

    @torch.no_grad()
    def __call__(self, inputs: dict, data_samples: list) -> dict[str, Features]:
        """Read what the taps said about the rows that :meth:`prepare` found."""
        pieces = [piece for found in inputs['pieces'] for piece in found]
        return {tap: self._read(tap, pieces, inputs['voxels']['coors']) for tap in self.paths}

    def _read(self, tap: str, pieces: list[Piece], coors: Tensor) -> Features:
        rows = [piece.scene.tap_rows(tap, piece.rows) for piece in pieces]
        known = np.concatenate(rows) >= 0  # (M,): strided convolutions drop voxels at a border

        def read(name: str) -> Tensor:
            parts = [piece.scene.read(name, at[at >= 0]) for piece, at in zip(pieces, rows)]
            return torch.from_numpy(np.concatenate(parts)).to(coors.device)

        feat = read(tap)
        if f'{tap}.classes' in pieces[0].scene:
            width = self.cache.facts['taps'][tap]
            feat = unpack_logits(feat, read(f'{tap}.classes'), read(f'{tap}.rest'), width)
        if known.all():
            return Features(feat)
        return Features(feat, coors[torch.from_numpy(known).to(coors.device)])


def _identity(sample: Det3DDataSample, place: int) -> np.ndarray:
    """Row and slot of every point of a sample, ``(n, 2)`` int64."""
    if 'point_identity' not in sample:
        raise UsageError(
            f'sample {place} of the batch does not say which raw points its points are, which a '
            "cached teacher is addressed by: add dict(type='AddPointIdentity') behind the loading "
            'of points (in pre_transform of mixing transforms, too) and identity_columns=True to '
            "the student's VoxelSegDataPreprocessor"
        )
    return sample.point_identity.cpu().numpy()

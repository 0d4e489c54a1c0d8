"""The teacher from disk: what its taps saw on the clean scans, found again by raw point.

Shapes: n points of a sample, M rows of the cache that a batch touches, N' of them in one scan of a
sample.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmdet3d.structures import Det3DDataSample, PointData
from torch import Tensor

from .features import Features
from .teacher import Teacher
from .teacher_cache_file import POINTS, SceneFile, unpack_logits
from .teacher_cache_folder import TeacherCache, teacher_facts


class Piece(NamedTuple):
    """Finest rows of one scan, ``(N',)``, that a sample touches."""

    scene: SceneFile
    rows: np.ndarray


class CachedTeacher(Teacher):
    """What a :class:`Teacher` says, read from a cache; its network is never built.

    The cached teacher saw the clean scan, not the augmented cloud of the student. A row of the
    student gets the mean of what it said about the raw points in that row, be they moved, cropped
    or mixed with points of another scan.

    Args:
        config: As for :class:`Teacher`.
        checkpoint: As for :class:`Teacher`; only its checksum is used.
        taps: Module paths; the cache must hold them.
        cache: Folder that ``tools/cache_teacher.py`` wrote.

    Raises:
        ValueError: If no checkpoint is named.
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

    @torch.no_grad()
    def prepare(self, inputs: dict, data_samples: list, training: bool) -> tuple[dict, list]:
        """Find the rows of the cache in which the student's points lay.

        Args:
            inputs: The student's; only ``points`` is read.
            data_samples: The student's, with ``point_identity`` ``(n, 2)``.
            training: Unused: the cache knows no caps.

        Returns:
            A view whose finest rows are the M rows touched; their coordinates are made up.

        Raises:
            ValueError: If points have no identity, or were not cached.
        """
        self.load()
        device = inputs['points'][0].device
        pieces: list[list[Piece]] = []
        coors, samples = [], []
        for i, sample in enumerate(data_samples):
            identity = _identity(sample, i)
            if (slot := sample.metainfo.get('sample_idx')) is not None:
                self.cache.check_file(slot, sample.metainfo.get('lidar_path', ''))
            row, found = self._rows(identity)
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

    def _rows(self, identity: np.ndarray) -> tuple[np.ndarray, list[Piece]]:
        """Touched rows of a sample, scan by scan, and which of them each point lies in."""
        row = np.full(len(identity), -1, np.int64)
        pieces, count = [], 0
        for slot in np.unique(identity[:, 1]):
            scan, scene = self.cache.find(int(slot))
            own = np.flatnonzero(identity[:, 1] == slot)
            point = identity[own, 0]
            if int(point.max()) >= scene.size:
                raise ValueError(
                    f'teacher cache {self.cache.folder} was made from other data: the training '
                    f'has point {int(point.max())} of {self.cache.names[scan]}, which had '
                    f'{scene.size} points'
                )
            at = scene.read(POINTS, point)  # (own,)
            own, at = own[at >= 0], at[at >= 0]
            touched = np.zeros(int(at.max(initial=-1)) + 1, bool)
            touched[at] = True
            row[own] = count + (np.cumsum(touched) - 1)[at]
            pieces.append(Piece(scene, np.flatnonzero(touched)))
            count += len(pieces[-1].rows)
        return row, pieces

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
        raise ValueError(
            f'sample {place} of the batch does not say which raw points its points are, which a '
            "cached teacher is addressed by: add dict(type='AddPointIdentity') behind the loading "
            'of points (in pre_transform of mixing transforms, too) and identity_columns=True to '
            "the student's VoxelSegDataPreprocessor"
        )
    return sample.point_identity.cpu().numpy()

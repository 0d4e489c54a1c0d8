"""The teacher from disk: what its taps saw on clean scans or on views, found again by point.

Shape letters: n points of a sample, M rows of the cache that a batch touches.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from mmdet3d.structures import Det3DDataSample, PointData

from ...models.weights import read_checkpoint
from ..features import Features
from ..teacher import Teacher
from .facts import teacher_facts
from .folder import TeacherCache


class CachedTeacher(Teacher):
    """What a :class:`LiveTeacher` says, read from a cache; its network is never built.

    A teacher of clean scans did not see the student's augmented cloud: a row of the student gets
    the mean of what it said about the raw points in that row, be they moved, cropped or mixed with
    points of another scan. Where the training pipeline ends with ``ReplayViews``, it saw the very
    cloud that the student sees.

    Args:
        config: As for :class:`Teacher`.
        checkpoint: As for :class:`Teacher`; only its checksum is used.
        taps: Module paths; the cache must hold them.
        convert: As for :class:`Teacher`; the cache holds what the network said.
        cache: Folder that ``tools/cache_teacher.py`` wrote.

    Raises:
        UsageError: If no checkpoint is named for a config that is no file.
    """

    has_own_rows = True

    def __init__(
        self,
        config: str | Path | Mapping,
        checkpoint: str | Path | None = None,
        taps: Iterable[str] = (),
        convert: str | Mapping | None = None,
        *,
        cache: str | Path,
    ) -> None:
        self.cache = TeacherCache(cache)
        self._checked = False
        super().__init__(config, checkpoint, taps, convert)

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
        pieces, coors, samples = [], [], []
        for i, (cloud, sample) in enumerate(zip(inputs['points'], data_samples)):
            row, found = self.cache.pieces_of(sample, cloud)
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

    @torch.no_grad()
    def __call__(self, inputs: dict, data_samples: list) -> dict[str, Features]:
        """Read what the taps said about the rows that :meth:`prepare` found."""
        coors = inputs['voxels']['coors']
        pieces = [piece for found in inputs['pieces'] for piece in found]
        taught = {}
        for tap in self.paths:
            values, known = self.cache.read_tap(tap, pieces)
            values = values.to(coors.device)
            at = None if known.all() else coors[torch.from_numpy(known).to(coors.device)]
            taught[tap] = Features(values, at)
        return taught

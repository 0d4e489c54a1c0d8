"""Point matching: rows of two networks that describe the same place.

Teacher and student may voxelize differently, so rows are matched through raw points: raw point ->
finest row -> stage row, each network in its own grid.

Shape letters: P raw points of the batch, N finest rows (voxels) of one network, S rows at a
student's tap, R rows at a teacher's, M matched rows, C channels.
"""

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import UsageError
from ..ops.lookup import find_rows
from ..ops.pooling import points_per_voxel
from .features import Features
from .matched_points import MatchedPoints, Matcher


class VoxelView:
    """One network's view of a batch: its finest rows and the raw points in each.

    Args:
        inputs: ``points``, a list of ``(n, >= 3)`` clouds, and ``voxels['coors']``, ``(N, 4)``.
        data_samples: Samples with ``point2voxel_map`` (row within the sample, -1 for none) and,
            where labeled, ``gt_pts_seg.voxel_semantic_mask``.
        ignore_index: Label value that means "no label".
    """

    def __init__(self, inputs: dict, data_samples: list, ignore_index: int | None = None) -> None:
        self.points: list[Tensor] = inputs['points']
        self.coors: Tensor = inputs['voxels']['coors'].long()  # (N, 4)
        self.samples = data_samples
        self.ignore_index = ignore_index

    @cached_property
    def spatial_shape(self) -> tuple[int, ...]:
        """Extent of the grid in x, y, z."""
        return tuple((self.coors[:, 1:].amax(0) + 1).tolist())

    @cached_property
    def point_row(self) -> Tensor:
        """Row of each raw point in the batch, ``(P,)`` int64; -1 where its voxel was dropped."""
        rows, start = [], 0
        for sample in self.samples:
            row = sample.point2voxel_map.long()
            rows.append(torch.where(row >= 0, row + start, row))
            start += len(sample.batch_idx)
        return torch.cat(rows)

    @cached_property
    def point_coord(self) -> Tensor:
        """Metric coordinates of the raw points, ``(P, 3)``."""
        return torch.cat([cloud[:, :3] for cloud in self.points])

    @cached_property
    def label(self) -> Tensor | None:
        """Label of each finest row, ``(N,)`` int64, -1 where ignored; None without labels."""
        truths = [getattr(sample, 'gt_pts_seg', None) for sample in self.samples]
        if any(truth is None or 'voxel_semantic_mask' not in truth for truth in truths):
            return None
        label = torch.cat([truth.voxel_semantic_mask for truth in truths]).long()
        return label if self.ignore_index is None else label.masked_fill(
            label == self.ignore_index, -1
        )  # fmt: skip

    def stage_of(self, features: Features) -> int:
        """How often the grid was halved, rounding down, to give that of ``features``."""
        if features.stage is not None:
            return features.stage
        stage, extent = 0, max(self.spatial_shape)
        while extent > max(features.spatial_shape):
            extent, stage = extent // 2, stage + 1
        return stage

    def rows_at(self, features: Features) -> Tensor:
        """Stage row in which each finest row lies.

        Args:
            features: What a tap of this network saw.

        Returns:
            ``(N,)`` int64; -1 where the stage has no such row (strided sparse convolutions drop
            voxels at an odd border).

        Raises:
            UsageError: If features without coordinates are not the finest rows.
        """
        if features.coors is None:
            if len(features.feat) != len(self.coors):
                raise UsageError(
                    f'a tap without coordinates has {len(features.feat)} rows where the network '
                    f'has {len(self.coors)} voxels: tap a module that keeps the input rows, or '
                    'one that gives a PointCloud or SparseConvTensor'
                )
            return torch.arange(len(self.coors), device=self.coors.device)
        stage = self.stage_of(features)
        here = self._key(features.coors.long(), stage)  # (S,)
        wanted = self._key(torch.cat([self.coors[:, :1], self.coors[:, 1:] >> stage], 1), stage)
        return find_rows(here, wanted)

    def _key(self, coors: Tensor, stage: int) -> Tensor:
        x, y, z = ((size - 1 >> stage) + 1 for size in self.spatial_shape)
        inside = (coors[:, 1:] < coors.new_tensor([x, y, z])).all(1)
        key = ((coors[:, 0] * x + coors[:, 1]) * y + coors[:, 2]) * z + coors[:, 3]
        return torch.where(inside, key, -1)


class PointMatcher(Matcher[VoxelView]):
    """Match voxels through raw points, see :class:`Matcher`.

    The teacher's value at a student row is the mean of its features (logits before softmax) over
    the raw points in that row. With one voxelization for both, the teacher's view being the
    student's, and equal stages the mean is a plain look-up, at the finest stage the identity.

    Args:
        student: The student's view of the batch.
        teacher: The teacher's; the same object when it works on the student's voxels.
    """

    def pair(self, learned: Features, taught: Features) -> tuple[MatchedPoints, Tensor | None]:
        """Pair every row of the student's tap, see :meth:`Matcher.pair`."""
        view = self.student
        student_row, teacher_row = view.rows_at(learned), self.teacher.rows_at(taught)  # (N,)
        shared = self.teacher is view
        stage = view.stage_of(learned)
        if shared and learned.coors is None and taught.coors is None:
            teacher, matched = taught.feat, None
        elif shared and stage <= view.stage_of(taught):
            teacher, matched = self._look_up(student_row, teacher_row, learned, taught)
        else:
            teacher, matched = self._mean_over_points(student_row, teacher_row, learned, taught)
        pair = MatchedPoints(
            student=learned.feat,
            teacher=teacher,
            coord=self._coord(student_row, len(learned.feat)),
            batch=(view.coors if learned.coors is None else learned.coors)[:, 0].long(),
            label=self._label(student_row, len(learned.feat), learned.coors is None),
            stage=stage,
            count=points_per_voxel(_through(view.point_row, student_row), len(learned.feat)),
        )
        return pair, matched

    @staticmethod
    def _look_up(
        student_row: Tensor, teacher_row: Tensor, learned: Features, taught: Features
    ) -> tuple[Tensor, Tensor]:
        """Every finest voxel of a student row lies in one teacher row: take any."""
        valid = student_row >= 0
        row = student_row.new_full((len(learned.feat),), -1)
        row[student_row[valid]] = teacher_row[valid]  # (S,)
        return taught.feat[row.clamp(min=0)], row >= 0

    def _mean_over_points(
        self, student_row: Tensor, teacher_row: Tensor, learned: Features, taught: Features
    ) -> tuple[Tensor, Tensor]:
        into = _through(self.student.point_row, student_row)  # (P,)
        out_of = _through(self.teacher.point_row, teacher_row)  # (P,)
        valid = (into >= 0) & (out_of >= 0)
        # Many points share a (student row, teacher row) pair: gather features once per pair.
        pair, count = torch.unique(
            into[valid] * len(taught.feat) + out_of[valid], return_counts=True
        )
        into, out_of = pair // len(taught.feat), pair % len(taught.feat)
        feat = taught.feat.to(torch.promote_types(taught.feat.dtype, torch.float32))
        points = feat.new_zeros(len(learned.feat)).index_add_(0, into, count.to(feat.dtype))
        first = torch.searchsorted(into, torch.arange(len(points), device=into.device))
        mean = F.embedding_bag(
            out_of, feat, first, mode='sum', per_sample_weights=count / points[into]
        )
        return mean, points > 0

    def _coord(self, student_row: Tensor, size: int) -> Tensor:
        row = _through(self.student.point_row, student_row)  # (P,)
        coord = self.student.point_coord[row >= 0]
        row = row[row >= 0]
        points = torch.bincount(row, minlength=size).clamp(min=1)
        return coord.new_zeros(size, 3).index_add_(0, row, coord) / points[:, None]

    def _label(self, student_row: Tensor, size: int, finest: bool) -> Tensor | None:
        """Label of each student row: the voxel's, or the most frequent among its voxels."""
        label = self.student.label
        if label is None or finest:
            return label
        valid = (student_row >= 0) & (label >= 0)
        if not valid.any():
            return label.new_full((size,), -1)
        classes = int(label.max()) + 1
        votes = torch.bincount(
            student_row[valid] * classes + label[valid], minlength=size * classes
        ).view(size, classes)
        return torch.where(votes.sum(1) > 0, votes.argmax(1), -1)


def _through(first: Tensor, second: Tensor) -> Tensor:
    """Compose two row maps in which -1 means none."""
    return torch.where(first >= 0, second[first.clamp(min=0)], -1)

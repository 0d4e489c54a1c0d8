"""Matching for detectors: voxels of one grid, cells of a bird's eye view, points of a cloud.

Shape letters: B samples, N voxels of one network, S rows at a student's tap, R at a teacher's, M
matched rows, C channels, H x W cells (y, x) of a map, n points of each cloud.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import UsageError
from ..ops.grid import DetectionGrid
from ..ops.lookup import find_rows
from .features import Features
from .matched_points import MatchedPoints, Matcher


class DetectorView:
    """One detector's view of a batch.

    Attributes:
        boxes: Boxes of every sample, see :class:`MatchedPoints`; None without ground truth.
        classes: Class of every box, likewise.

    Args:
        inputs: ``points``, B clouds ``(n, >= 3)``, and, of voxel networks, ``voxels`` with
            ``coors`` ``(N, 4)`` batch, z, y, x and ``num_points`` ``(N,)``.
        data_samples: Samples with ``gt_instances_3d`` where there is ground truth.
        grid: Where the voxels lie; None without voxels.
    """

    def __init__(self, inputs: dict, data_samples: list, grid: DetectionGrid | None) -> None:
        self.points: list[Tensor] = inputs['points']
        self.voxels: dict = inputs.get('voxels') or {}
        self.grid = grid
        # At once: mmdet3d's anchor heads replace the boxes of the samples by bare tensors.
        self.boxes = self.classes = None
        truths = [getattr(sample, 'gt_instances_3d', None) for sample in data_samples]
        if all(truth is not None and 'bboxes_3d' in truth for truth in truths):
            device = self.points[0].device
            boxes = [truth.bboxes_3d.to(device) for truth in truths]
            self.boxes = [torch.cat([each.gravity_center, each.tensor[:, 3:]], 1) for each in boxes]
            self.classes = [truth.labels_3d.long().to(device) for truth in truths]


class DetectorMatcher(Matcher[DetectorView]):
    """Match what taps of two detectors saw by places, see :class:`Matcher`.

    Voxels are matched by their place in the grid, which must be one for both; cells of maps by
    their center, the teacher's map being interpolated bilinearly where it has another resolution or
    range; points by their place in the cloud.

    Args:
        student: The student's view of the batch.
        teacher: The teacher's.
    """

    def pair(self, learned: Features, taught: Features) -> tuple[MatchedPoints, Tensor | None]:
        """Pair every row of the student's tap, see :meth:`Matcher.pair`.

        Raises:
            UsageError: If the taps are of two kinds, or of grids or clouds that cannot be compared.
        """
        kinds = [_kind(features) for features in (learned, taught)]
        if kinds[0] != kinds[1]:
            raise UsageError(
                f'a term compares {kinds[0]} of the student with {kinds[1]} of the teacher: tap '
                'modules of one kind'
            )
        if kinds[0] == 'points':
            pair, matched = self._points(learned, taught), None
        elif kinds[0] == 'cells of a map':
            pair, matched = self._cells(learned, taught)
        else:
            pair, matched = self._voxels(learned, taught)
        return pair.replace(boxes=self.student.boxes, classes=self.student.classes), matched

    def _points(self, learned: Features, taught: Features) -> MatchedPoints:
        samples, size = learned.dense
        clouds = self.student.points
        if learned.dense != taught.dense or any(len(cloud) != size for cloud in clouds):
            raise UsageError(
                f'the student has {samples} x {size} points at a tap, the teacher '
                f'{" x ".join(map(str, taught.dense))} and the clouds '
                f'{[len(cloud) for cloud in clouds]}: tap a module that has a row for every input '
                'point in both'
            )
        coord = torch.cat([cloud[:, :3] for cloud in clouds])
        batch = torch.arange(samples, device=coord.device).repeat_interleave(size)
        return MatchedPoints(learned.feat, taught.feat, coord, batch)

    def _cells(self, learned: Features, taught: Features) -> tuple[MatchedPoints, Tensor | None]:
        (samples, height, width), grid = learned.dense, self._grid(self.student)
        center = grid.map_centers(height, width, learned.feat.device)  # (H W, 2)
        teacher, matched = taught.feat, None
        if learned.dense != taught.dense or not grid.spans(self._grid(self.teacher)):
            teacher, inside = _sampled(taught, self._grid(self.teacher), center)
            matched = inside.repeat(samples)
        pair = MatchedPoints(
            student=learned.feat,
            teacher=teacher,
            coord=F.pad(center, (0, 1)).repeat(samples, 1),
            batch=torch.arange(samples, device=center.device).repeat_interleave(len(center)),
            cell_size=grid.cell_size(height, width),
        )
        return pair, matched

    def _voxels(self, learned: Features, taught: Features) -> tuple[MatchedPoints, Tensor | None]:
        grid = self._grid(self.student)
        if grid != self._grid(self.teacher):
            raise UsageError(
                f'voxels can be compared on one grid only, but the student has {grid} and the '
                f'teacher {self._grid(self.teacher)}: give both one, or tap maps'
            )
        own, theirs = _coors(learned, self.student), _coors(taught, self.teacher)
        shape = learned.spatial_shape or grid.shape
        if shape != (taught.spatial_shape or grid.shape):
            raise UsageError(
                f'voxels can be compared on one grid only, but the student has '
                f'{shape} (z, y, x) at its tap and the teacher {taught.spatial_shape or grid.shape}'
            )
        teacher, matched = taught.feat, None
        if own.shape != theirs.shape or not torch.equal(own, theirs):
            row = _joined(own, theirs, shape)  # (S,)
            teacher, matched = taught.feat[row.clamp(min=0)], row >= 0
        pair = MatchedPoints(
            student=learned.feat,
            teacher=teacher,
            coord=grid.centers(own, shape),
            batch=own[:, 0],
            count=self._count(learned),
            cell_size=grid.cell_size(*shape[1:]),
        )
        return pair, matched

    def _count(self, learned: Features) -> Tensor | None:
        count = self.student.voxels.get('num_points')
        return None if count is None or learned.coors is not None else count.float()

    @staticmethod
    def _grid(view: DetectorView) -> DetectionGrid:
        if view.grid is None:
            raise UsageError(
                'maps and voxels are matched by their place, but a data_preprocessor without '
                'voxel_layer does not say where they lie'
            )
        return view.grid


def _kind(features: Features) -> str:
    if features.dense is None:
        return 'voxels'
    return 'points' if len(features.dense) == 2 else 'cells of a map'


def _coors(features: Features, view: DetectorView) -> Tensor:
    """Batch, z, y, x of the rows, ``(S, 4)`` int64."""
    coors = view.voxels.get('coors') if features.coors is None else features.coors
    if coors is None or len(coors) != len(features.feat):
        raise UsageError(
            f'a tap without coordinates has {len(features.feat)} rows where the network has '
            f'{0 if coors is None else len(coors)} voxels: tap a module that keeps the input rows'
        )
    return coors.long()


def _joined(own: Tensor, theirs: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Teacher's row at the place of every student row, ``(S,)``; -1 for none."""
    z, y, x = shape
    weight = own.new_tensor([z * y * x, y * x, x, 1])
    wanted, here = (own * weight).sum(1), (theirs * weight).sum(1)
    return find_rows(here, wanted)


def _sampled(taught: Features, grid: DetectionGrid, center: Tensor) -> tuple[Tensor, Tensor]:
    """Teacher's map at the centers of the student's cells, bilinearly.

    Args:
        taught: R = B H W rows.
        grid: Of the teacher.
        center: Metric x, y, ``(S, 2)``.

    Returns:
        ``(B S, C)`` values, sample by sample, and ``(S,)`` whether the teacher's range holds a
        center.
    """
    x0, y0, _, x1, y1, _ = grid.point_cloud_range
    low, extent = center.new_tensor([x0, y0]), center.new_tensor([x1 - x0, y1 - y0])
    place = 2 * (center - low) / extent - 1  # (S, 2), in [-1, 1] within the range
    maps = taught.feat.unflatten(0, taught.dense).movedim(-1, 1)  # (B, C, H, W)
    at = place.expand(len(maps), 1, -1, 2).to(maps)
    value = F.grid_sample(maps, at, padding_mode='border', align_corners=False)  # (B, C, 1, S)
    return value[:, :, 0].movedim(1, -1).flatten(0, 1), (place.abs() <= 1).all(1)

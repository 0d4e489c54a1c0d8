"""Distillation of 3D detectors."""

from collections.abc import Mapping

import torch
from mmdet3d.models.detectors import Base3DDetector
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from ..base import UsageError, UsageTypeError
from .detector_matching import DetectionGrid, DetectorMatcher, DetectorView
from .detector_teacher import DetectorTeacher
from .model import DistillModel
from .teacher import teacher_config


@MODELS.register_module()
class DistillDetector(DistillModel):
    """A student detector taught by a larger one.

    Works for every pair of LiDAR detectors of mmdet3d: ``VoxelNet`` (PointPillars, SECOND),
    ``MVXFasterRCNN``, ``CenterPoint``, ``PointRCNN``. A method is a dict of terms, as for
    segmentation.

    Args:
        student: Model config of the student.
        teacher: ``config`` and ``checkpoint`` of the teacher, see :class:`Teacher`.
        terms: Named terms, see :class:`DistillModel`; may be empty with ``teacher_boxes``.
        teacher_boxes: LabelKD (SparseKD, arXiv 2205.15156): ``dict(score_thr=0.6)`` adds what the
            teacher detects with at least this score to the ground truth of the student's target
            assignment; a list has one threshold per class. None: the ground truth alone.

    Raises:
        UsageError: If a term needs one grid of voxels and the networks have two, or the teacher is
            to come from a cache.
        UsageTypeError: If the student is no 3D detector.
    """

    teacher_class = DetectorTeacher

    def __init__(
        self,
        student: Mapping,
        teacher: Mapping,
        terms: Mapping[str, Mapping],
        teacher_boxes: Mapping | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if 'cache' in teacher:
            raise UsageError(
                'DistillDetector has no teacher cache, which segmentors alone have: remove cache= '
                'from teacher, the teacher then runs in every step'
            )
        self.teaches_by_targets = teacher_boxes is not None
        super().__init__(student, teacher, terms, init_cfg)
        if not isinstance(self.student, Base3DDetector):
            raise UsageTypeError(
                f'DistillDetector trains detectors, got a student of type '
                f'{type(self.student).__name__}: use DistillSegmentor for segmentors'
            )
        configs = teacher_config(student), self.teacher.config
        self.grids = [DetectionGrid.of(config.get('data_preprocessor') or {}) for config in configs]
        self._check_grids()
        self.score_thr = None if teacher_boxes is None else teacher_boxes['score_thr']
        self.teacher.predicts = self.teaches_by_targets

    def _check_grids(self) -> None:
        own, theirs = self.grids
        for name, term in self.terms.items():
            if getattr(term.loss, 'equal_rows', False) and own != theirs:
                raise UsageError(
                    f'{type(term.loss).__name__} of term {name!r} compares neighbours of the same '
                    f'places, but the student has {own} and the teacher {theirs}: give both one '
                    'grid'
                )

    def matcher(self, student: tuple[dict, list], teacher: tuple[dict, list]) -> DetectorMatcher:
        """Return a matcher over places; see :class:`DetectorMatcher`."""
        own, theirs = self.grids
        return DetectorMatcher(DetectorView(*student, own), DetectorView(*teacher, theirs))

    def loss(self, inputs: dict, data_samples: list) -> dict[str, Tensor]:
        """Return the student's task losses and one loss per term, see :class:`DistillModel`.

        Raises:
            UsageError: If a cloud is empty.
        """
        _check_points(inputs, data_samples)
        return super().loss(inputs, data_samples)

    def targets(self, data_samples: list) -> list:
        """Return samples with the teacher's confident boxes before the ground truth (LabelKD)."""
        if self.score_thr is None:
            return data_samples
        samples = []
        for sample, found in zip(data_samples, self.teacher.boxes):
            limit = found.scores_3d.new_tensor(self.score_thr)
            sure = found.scores_3d >= (limit[found.labels_3d] if limit.dim() else limit)
            truth = sample.gt_instances_3d
            taught = InstanceData(
                bboxes_3d=found.bboxes_3d[sure].to(truth.labels_3d.device),
                labels_3d=found.labels_3d[sure].to(truth.labels_3d),
            )
            own = InstanceData(bboxes_3d=truth.bboxes_3d, labels_3d=truth.labels_3d)
            sample = Det3DDataSample(metainfo=sample.metainfo)
            sample.gt_instances_3d = InstanceData.cat([taught, own])
            samples.append(sample)
        return samples


def _check_points(inputs: dict, data_samples: list) -> None:
    """Refuse empty clouds: mmdet3d counts the samples of a batch by its voxels."""
    filled = torch.tensor([len(cloud) for cloud in inputs['points']])
    coors = (inputs.get('voxels') or {}).get('coors')
    if coors is not None:
        filled = torch.bincount(coors[:, 0].long(), minlength=len(filled)).cpu()
    for index in (filled == 0).nonzero().flatten().tolist():
        name = data_samples[index].metainfo.get('lidar_path', f'number {index} of the batch')
        raise UsageError(
            f'cloud {name} has no point in the point_cloud_range, expected at least one: filter '
            'such frames out of the info file, or widen the range'
        )

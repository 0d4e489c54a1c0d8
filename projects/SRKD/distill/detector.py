"""Distillation of 3D detectors."""

from collections.abc import Mapping, Sequence

import torch
from mmdet3d.models.detectors import Base3DDetector
from mmdet3d.registry import MODELS
from mmdet3d.structures import BaseInstance3DBoxes, Det3DDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from ..base import UsageError, UsageTypeError
from ..models.geometry import check_geometry
from ..models.head_classes import class_count
from .detector_matching import DetectorMatcher, DetectorView
from .detector_teacher import DetectorTeacher
from .families import check_detector
from .labeled_frames import is_labeled, loss_of_labeled
from .model import DistillModel
from .teacher import check_teacher, teacher_config


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
            assignment; a list has one threshold per class of the student. Labels are mapped by
            name; boxes of classes that the student does not have are left out. None: the ground
            truth alone.
        balance: See :class:`DistillModel`.

    Raises:
        UsageError: If a term needs one grid of voxels and the networks have two, or the teacher is
            to come from a cache.
        UsageTypeError: If the student is no 3D detector, or a network reads images.
    """

    def __init__(
        self,
        student: Mapping,
        teacher: Mapping,
        terms: Mapping[str, Mapping],
        teacher_boxes: Mapping | None = None,
        init_cfg: dict | None = None,
        balance: str | Mapping | None = None,
    ) -> None:
        check_teacher(teacher)
        if 'convert' in teacher:
            raise UsageError(
                'teacher of a DistillDetector must be a network of mmdet3d, but got convert='
                f'{teacher["convert"]!r}: Pointcept has segmentors alone'
            )
        if 'cache' in teacher:
            raise UsageError(
                'DistillDetector has no teacher cache, which segmentors alone have: remove cache= '
                'from teacher, the teacher then runs in every step'
            )
        check_detector(teacher_config(student), 'student')
        check_detector(teacher_config(teacher['config']), 'teacher')
        self.teaches_by_targets = teacher_boxes is not None
        super().__init__(student, teacher, terms, init_cfg=init_cfg, balance=balance)
        if not isinstance(self.student, Base3DDetector):
            raise UsageTypeError(
                f'the student of DistillDetector must be a detector, but got a '
                f'{type(self.student).__name__}: use DistillSegmentor for segmentors'
            )
        own = teacher_config(student)
        self.grids = [
            check_geometry(own, 'student'), check_geometry(self.teacher.config, 'teacher')
        ]  # fmt: skip
        self._check_grids()
        self.score_thr = None
        if teacher_boxes is not None:
            self.score_thr = _score_threshold(teacher_boxes, class_count(own))

    def build_teacher(self, **teacher) -> DetectorTeacher:
        """Return a teacher that predicts boxes where the student learns from them."""
        return DetectorTeacher(**teacher, predicts=self.teaches_by_targets)

    def _check_grids(self) -> None:
        own, theirs = self.grids
        for name, term in self.terms.items():
            if getattr(term.loss, 'equal_rows', False) and own != theirs:
                raise UsageError(
                    f'{type(term.loss).__name__} of term {name!r} compares neighbors of the same '
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

    def task_losses(self, inputs: dict, data_samples: list) -> dict[str, Tensor]:
        """Return the losses of the student's own task over the frames that are labeled."""
        labeled = [is_labeled(sample) for sample in data_samples]
        if all(labeled):
            return super().task_losses(inputs, data_samples)
        with loss_of_labeled(self.student, labeled):
            return super().task_losses(inputs, data_samples)

    def targets(self, data_samples: list) -> list:
        """Return samples with the teacher's confident boxes before the ground truth (LabelKD)."""
        if self.score_thr is None:
            return data_samples
        self._read_classes(data_samples)
        samples = []
        for sample, found in zip(data_samples, self.teacher.boxes):
            limit = found.scores_3d.new_tensor(self.score_thr)
            labels = self.class_agreement.labels(found.labels_3d)
            sure = found.scores_3d >= (limit[labels] if limit.dim() else limit)
            sure &= labels >= 0  # those of a class that the student does not have are left out
            truth = sample.gt_instances_3d
            taught = InstanceData(
                bboxes_3d=_like(found.bboxes_3d[sure], truth.bboxes_3d),
                labels_3d=labels[sure].to(truth.labels_3d),
            )
            own = InstanceData(bboxes_3d=truth.bboxes_3d, labels_3d=truth.labels_3d)
            known = dict(sample.metainfo, unlabeled=False)  # by the teacher
            sample = Det3DDataSample(metainfo=known)
            sample.gt_instances_3d = InstanceData.cat([taught, own])
            samples.append(sample)
        return samples


def _like(boxes: BaseInstance3DBoxes, truth: BaseInstance3DBoxes) -> BaseInstance3DBoxes:
    """Boxes with as many numbers as those of the ground truth, on its device."""
    wanted = truth.tensor.shape[1]
    if boxes.tensor.shape[1] < wanted:
        raise UsageError(
            f'teacher_boxes: the boxes of the teacher have {boxes.tensor.shape[1]} numbers, those '
            f'of the ground truth {wanted}, with velocities that it does not predict: take a '
            'teacher that does'
        )
    return type(truth)(boxes.tensor[:, :wanted].to(truth.device), box_dim=wanted)


def _score_threshold(teacher_boxes: Mapping, count: int | None) -> float | list[float]:
    """The one argument of ``teacher_boxes``, with all that is wrong with it said."""
    if not isinstance(teacher_boxes, Mapping) or set(teacher_boxes) != {'score_thr'}:
        written = sorted(teacher_boxes) if isinstance(teacher_boxes, Mapping) else teacher_boxes
        raise UsageError(
            f'teacher_boxes must be dict(score_thr=...) and nothing else, for example '
            f'dict(score_thr=0.6), but got {written}'
        )
    value = teacher_boxes['score_thr']
    several = isinstance(value, Sequence) and not isinstance(value, str)
    for each in value if several else [value]:
        number = isinstance(each, (int, float)) and not isinstance(each, bool)
        if not number or not 0 <= each <= 1:
            raise UsageError(
                'teacher_boxes.score_thr must be a number in [0, 1], or one for each class of the '
                f'student, but got {value!r}'
            )
    if several and count is not None and len(value) != count:
        raise UsageError(
            f'teacher_boxes.score_thr has {len(value)} numbers, expected one, or one for each of '
            f'the {count} classes of the student'
        )
    return list(value) if several else value


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

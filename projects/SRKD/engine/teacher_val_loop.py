"""Validation that scores the teacher beside the student."""

import copy
from collections.abc import Sequence

import torch
from mmdet3d.registry import LOOPS
from mmengine.evaluator import Evaluator
from mmengine.runner import ValLoop

from ..base import UsageError, UsageTypeError
from ..distill.teacher import Teacher
from .distill_checkpoint_hook import unwrap


@LOOPS.register_module()
class TeacherValLoop(ValLoop):
    """mmengine's ``ValLoop``, with the teacher's scores as ``teacher/...`` in the same metrics.

    The teacher is frozen and nothing in it is random, so it is run in the first validation only
    and its scores repeated afterwards.

    A detector with another list of classes is scored under its own names.

    Args:
        dataloader: As for ``ValLoop``.
        evaluator: A metric config or a list of them (the teacher gets metrics of its own).
        kwargs: As for ``ValLoop``.

    Raises:
        UsageTypeError: If the evaluator is an object, of which no second one can be built.
        UsageError: If the teacher of a segmentation numbers other classes than the data set.
    """

    def __init__(self, runner, dataloader, evaluator: dict | Sequence[dict], **kwargs) -> None:
        if not isinstance(evaluator, (dict, Sequence)):
            raise UsageTypeError(
                'TeacherValLoop builds metrics twice and so needs their configs in val_evaluator, '
                f'but got {type(evaluator).__name__}'
            )
        beside = copy.deepcopy(evaluator)
        super().__init__(runner, dataloader, evaluator, **kwargs)
        self.evaluator = _WithTeacher(self.evaluator, runner.build_evaluator(beside))
        self.evaluator.teacher.dataset_meta = self.evaluator.dataset_meta

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict | Sequence[dict]) -> None:
        """Score the student on a batch and, the first time, the teacher on a copy of it."""
        if self.evaluator.teacher_scores is None:
            model = unwrap(self.runner.model)
            teacher = model.teacher.to(next(model.parameters()).device)
            self._name_classes(model.teacher)
            teacher.data_preprocessor.eval()
            beside = copy.deepcopy(data_batch)  # predictions are written on the data samples
            self.evaluator.teacher.process(teacher.val_step(beside), beside)
        super().run_iter(idx, data_batch)

    def _name_classes(self, teacher: Teacher) -> None:
        meta = self.evaluator.dataset_meta or {}
        names, own = teacher.classes, tuple(meta.get('classes') or ())
        if names is None or not own or names == own:
            return
        if 'label2cat' in meta:
            raise UsageError(
                f'TeacherValLoop compares labels point by point, but {teacher.checkpoint} numbers '
                f'the classes {", ".join(names)} and the data set {", ".join(own)}: validate the '
                'student alone (val_cfg without a type)'
            )
        self.evaluator.teacher.dataset_meta = {**meta, 'classes': names}


class _WithTeacher(Evaluator):
    """The student's evaluator; adds the teacher's scores to what it returns."""

    def __init__(self, student: Evaluator, teacher: Evaluator) -> None:
        super().__init__(student.metrics)
        self.dataset_meta = student.dataset_meta
        self.teacher = teacher
        self.teacher_scores: dict[str, float] | None = None

    def evaluate(self, size: int) -> dict[str, float]:
        if self.teacher_scores is None:
            scores = self.teacher.evaluate(size)
            self.teacher_scores = {f'teacher/{name}': score for name, score in scores.items()}
        return super().evaluate(size) | self.teacher_scores

"""Starts a student by rule from its teacher's filters."""

from __future__ import annotations

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..base import UsageError
from ..distill.teacher import read_weights
from ..models.compression import inherit
from .distill_checkpoint_hook import unwrap


@HOOKS.register_module()
class TeacherGuidedInitHook(Hook):
    """Copy the strongest filters of a wider detector before training begins.

    Source: SparseKD's teacher-guided initialisation, see :func:`inherit`. Nothing is copied when
    the runner has loaded or resumed a checkpoint. Works on a plain detector and on the student of a
    distillation model.

    Args:
        checkpoint: The teacher's; None takes that of the distillation model's teacher.
        keep: ``'norm'``: filters of the largest L1 norm; ``'first'``: the leading ones.

    Example config::

        custom_hooks = [dict(type='TeacherGuidedInitHook', checkpoint='work_dirs/teacher.pth')]
    """

    def __init__(self, checkpoint: str | None = None, keep: str = 'norm') -> None:
        self.checkpoint, self.keep = checkpoint, keep
        self._loaded = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note that the student has weights already."""
        self._loaded = True

    def before_train(self, runner: Runner) -> None:
        """Copy, unless there was a checkpoint.

        Raises:
            UsageError: If no checkpoint is named or it does not fit.
        """
        if self._loaded:
            return
        model = unwrap(runner.model)
        source = self.checkpoint or getattr(getattr(model, 'teacher', None), 'checkpoint', None)
        if source is None:
            raise UsageError(
                f'TeacherGuidedInitHook has no checkpoint and {type(model).__name__} no teacher, '
                "expected the path of a teacher's weights, for example "
                "checkpoint='work_dirs/teacher.pth'"
            )
        inherit(getattr(model, 'student', model), read_weights(source), self.keep)
        runner.logger.info(f'the student starts from filters of {source} (keep={self.keep!r})')

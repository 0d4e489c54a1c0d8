"""Starts a student by rule from its teacher's filters."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from ..base import UsageError
from ..datasets.class_names import stored_classes
from ..distill.teacher import teacher_config
from ..models.compression import inherit
from ..models.compression.inheritance import Order
from ..models.head_classes import channel_meaning, channel_order
from ..models.weights import read_checkpoint
from .distill_checkpoint_hook import unwrap


@HOOKS.register_module()
class TeacherGuidedInitHook(Hook):
    """Copy the strongest filters of a wider network before training begins.

    Source: SparseKD's teacher-guided initialization, see :func:`inherit`. Layers of predictions are
    copied row by row, by the names of the classes where the checkpoint has them, and stay as
    initialized where the teacher predicts something else. Nothing is copied when
    the runner has loaded or resumed a checkpoint. Works on a plain network and on the student of a
    distillation model. Every n-th channel instead of the strongest, and a teacher that is deeper,
    too: ``init_cfg=dict(type='FromTeacher')``.

    Args:
        checkpoint: The teacher's; None takes that of the distillation model's teacher.
        keep: ``'norm'``: filters of the largest L1 norm; ``'first'``: the leading ones; ``'even'``:
            every n-th.

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
        weights, meta = read_checkpoint(source)
        order = self._order(runner, stored_classes(meta), source)
        left = inherit(getattr(model, 'student', model), weights, self.keep, order)
        runner.logger.info(f'the student starts from filters of {source} (keep={self.keep!r})')
        if left:
            runner.logger.info(f'{", ".join(left)} predict other things there: initialized anew')

    def _order(self, runner: Runner, theirs: tuple[str, ...] | None, source: str) -> Order | None:
        """Rows of the student's predictions in a teacher that numbers its classes as ``theirs``."""
        own = getattr(runner.train_dataloader.dataset, 'metainfo', {}).get('classes')
        config = runner.cfg.get('model')
        if theirs is None or not own or not isinstance(config, Mapping):
            runner.logger.info(f'{source} names no classes: its predictions are copied in order')
            return None
        config = teacher_config(config)

        def rows(path: str, count: int) -> Tensor | None:
            if len(own) != len(theirs):
                return None
            ours, other = (channel_meaning(config, path, names) for names in (own, theirs))
            return torch.arange(count) if ours is None else channel_order(ours, other)

        return rows

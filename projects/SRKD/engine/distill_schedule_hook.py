"""When distillation acts, and how strongly."""

from __future__ import annotations

import warnings

from mmdet3d.registry import HOOKS
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from ..base import UsageError, UsageTypeError
from .distill_checkpoint_hook import unwrap


@HOOKS.register_module()
class DistillScheduleHook(Hook):
    r"""Scales all distillation terms by epoch: begins, ends or fades them.

    Tells the model the factor of all distillation terms before each training step, by
    ``model.set_distill_scale``. At 0 the model does not run its teacher, so epochs without
    distillation cost what the student alone costs. With the epoch e counted from 0 (the first
    epoch is e = 0):

    .. math::
        s(e) = \begin{cases}
            0 & e < begin \\
            1 & begin \le e < end \\
            1 - \frac{e - end + 1}{fade + 1} & end \le e < end + fade \\
            0 & e \ge end + fade
        \end{cases}

    The scale follows from the epoch alone, so a resumed run has the right one; it is logged as
    ``distill_scale``. In an iteration-based loop an epoch is a pass over the data: as many
    iterations as all processes together need to show every sample once.

    Args:
        begin_epoch: First epoch with distillation.
        end_epoch: First epoch without full distillation; None: never.
        fade_epochs: Epochs from ``end_epoch`` on during which the scale falls linearly.

    Raises:
        UsageError: If the epochs are negative, out of order, or a fade has no end to follow.

    Example:
        >>> hook = DistillScheduleHook(begin_epoch=1, end_epoch=3, fade_epochs=3)
        >>> [hook.scale(epoch) for epoch in range(7)]
        [0.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """

    def __init__(
        self, begin_epoch: int = 0, end_epoch: int | None = None, fade_epochs: int = 0
    ) -> None:
        if begin_epoch < 0 or fade_epochs < 0:
            raise UsageError(
                'begin_epoch and fade_epochs must be at least 0, but got '
                f'begin_epoch={begin_epoch}, fade_epochs={fade_epochs}'
            )
        if end_epoch is None and fade_epochs:
            raise UsageError(
                f'end_epoch must be an epoch for fade_epochs={fade_epochs} to follow, but got None'
            )
        if end_epoch is not None and end_epoch < begin_epoch:
            raise UsageError(
                f'end_epoch must be at least begin_epoch={begin_epoch}, '
                f'but got end_epoch={end_epoch}'
            )
        self.begin_epoch = begin_epoch
        self.end_epoch = end_epoch
        self.fade_epochs = fade_epochs

    def scale(self, epoch: int) -> float:
        """Factor of the distillation terms in ``epoch``, counted from 0."""
        if epoch < self.begin_epoch:
            return 0.0
        if self.end_epoch is None or epoch < self.end_epoch:
            return 1.0
        return max(0.0, 1 - (epoch - self.end_epoch + 1) / (self.fade_epochs + 1))

    def before_train(self, runner: Runner) -> None:
        """Refuse what cannot be scheduled.

        Raises:
            UsageTypeError: If the model has no ``set_distill_scale``.
        """
        model = unwrap(runner.model)
        if hasattr(model, 'set_distill_scale'):
            return
        if not hasattr(model, 'distill_scale'):
            raise UsageTypeError(
                'the model of DistillScheduleHook must have set_distill_scale, as DistillSegmentor '
                f'has, but got {type(model).__name__}'
            )
        warnings.warn(
            f'DistillScheduleHook calls set_distill_scale(scale) now, which {type(model).__name__} '
            'does not have; that its attribute distill_scale is set goes with 0.3',
            FutureWarning,
            stacklevel=2,
        )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Set and log the scale of this epoch."""
        scale = self.scale(_epoch(runner))
        model = unwrap(runner.model)
        if hasattr(model, 'set_distill_scale'):
            model.set_distill_scale(scale)
        else:
            model.distill_scale = scale
        runner.message_hub.update_scalar('train/distill_scale', scale)


def _epoch(runner: Runner) -> int:
    if not isinstance(runner.train_loop, IterBasedTrainLoop):
        return runner.epoch
    loader = runner.train_dataloader
    size = loader.batch_size or loader.batch_sampler.batch_size
    return runner.iter * size * get_world_size() // len(loader.dataset)

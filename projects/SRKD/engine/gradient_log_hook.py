"""Logs how strongly each term pulls at the student, and whether it pulls where the labels do."""

from __future__ import annotations

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from ..base import UsageError, UsageTypeError
from ..distill import DistillModel
from ..ops import gradient_dot, gradient_norm, gradients
from .distill_checkpoint_hook import unwrap


@HOOKS.register_module()
class GradientLogHook(Hook):
    r"""Every N steps, the gradient of each term beside that of the task losses' sum.

    With g_k the gradient of term k as it enters the total (weight, balance and schedule included)
    and g that of the task, both on all trainable parameters of the student, it logs

    * ``task_grad_norm``, \|g\|, and ``<term>_grad_norm``, \|g_k\|;
    * ``<term>_grad_cosine``, g . g_k / (\|g\| \|g_k\|): 1 where the term pulls as the labels do, 0
      where it pulls elsewhere, below 0 against them; 0 where one of them is zero.

    The training is not changed by a bit. The numbers are those of rank 0's batch, before gradients
    are clipped; where the log averages (``log_processor.window_size``), it does so over the last
    measured steps. Steps in which the schedule has no term act are passed over.

    Cost: one backward pass for each term and one for the task in every N-th step. With the five
    terms of the mini pair ``srkd_ptv3-mini-t_ptv3-mini-s`` a measured step took 2.2 times the next
    one that was not measured, so N = 1 takes 2.2 times the time of a training (median of 19 pairs
    of steps in one run, 1.6 to 2.9; one thread of a busy Intel Xeon), and N = 50 takes 2 % more.

    Off by default. As one line of a config::

        default_hooks = dict(gradients=dict(type='GradientLogHook', interval=50))

    Args:
        interval: N.

    Raises:
        UsageError: If ``interval`` is below 1.
    """

    def __init__(self, interval: int = 50) -> None:
        if interval < 1:
            raise UsageError(
                f'interval of GradientLogHook must be at least 1 step, but got {interval}'
            )
        self.interval = interval

    def before_train(self, runner: Runner) -> None:
        """Listen to the model's losses.

        Raises:
            UsageTypeError: If the model has no terms.
        """
        model = unwrap(runner.model)
        if not isinstance(model, DistillModel):
            raise UsageTypeError(
                'the model of GradientLogHook must distill (DistillSegmentor, ...), but got '
                f'{type(model).__name__}: remove the hook or wrap the model'
            )
        self._runner = runner
        self._handle = model.register_forward_hook(self._after_forward)

    def after_train(self, runner: Runner) -> None:
        """Stop listening."""
        self._handle.remove()

    def _after_forward(self, model: nn.Module, inputs: tuple, losses) -> None:
        if not (model.training and isinstance(losses, dict)):
            return
        if self._runner.iter % self.interval or not model.distill_scale:
            return
        terms = {name: losses[f'loss_{name}'] for name in model.terms}
        theirs = {f'loss_{name}' for name in terms}
        own = {key: value for key, value in losses.items() if key not in theirs}
        parameters = [each for each in model.student.parameters() if each.requires_grad]
        task = gradients(model.parse_losses(own)[0], parameters)
        norm = gradient_norm(task)
        log = dict(task_grad_norm=norm)
        for name, value in terms.items():
            found = gradients(value, parameters)
            log[f'{name}_grad_norm'] = gradient_norm(found)
            both = norm * log[f'{name}_grad_norm']
            log[f'{name}_grad_cosine'] = gradient_dot(task, found) / both if both else 0.0
        for name, value in log.items():
            self._runner.message_hub.update_scalar(f'train/{name}', value)

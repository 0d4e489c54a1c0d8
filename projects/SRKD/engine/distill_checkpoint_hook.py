"""Keeps connectors across a resume, outside the student's weights."""

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from ..base import UsageError, UsageTypeError
from .every_weight_hook import EveryWeightHook, check_every_weight


def unwrap(model: nn.Module) -> nn.Module:
    """Return the model inside a distributed wrapper, or the model itself."""
    return model.module if is_model_wrapper(model) else model


@HOOKS.register_module()
class DistillCheckpointHook(Hook):
    """Write ``checkpoint['distill'] = dict(connectors=...)`` and read it at a resume.

    ``checkpoint['state_dict']`` stays the plain student's.
    """

    def before_run(self, runner) -> None:
        """Tell the model that its connectors are kept; it refuses to train otherwise."""
        model = unwrap(runner.model)
        if not hasattr(model, 'tell_connectors_are_kept'):
            raise UsageTypeError(
                'the model of DistillCheckpointHook must distill (DistillSegmentor, ...), but got '
                f'{type(model).__name__}: remove the hook or wrap the model'
            )
        model.tell_connectors_are_kept()

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Add the connectors to a checkpoint."""
        terms = unwrap(runner.model).terms.state_dict()
        checkpoint['distill'] = dict(
            connectors={name: value.detach().cpu() for name, value in terms.items()}
        )

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Restore the connectors at a resume; ``load_from`` starts them anew.

        Raises:
            UsageError: If the file does not fill the student or holds no connectors.
        """
        if not any(isinstance(hook, EveryWeightHook) for hook in runner.hooks):
            check_every_weight(runner, checkpoint)  # under mmdet3d's own tools
        terms = unwrap(runner.model).terms
        if not runner._resume or not terms.state_dict():
            return
        if 'distill' not in checkpoint:
            raise UsageError(
                'the checkpoint to resume from holds no connectors (key "distill"), expected one '
                'written with DistillCheckpointHook: use load_from instead of resume to start '
                'them anew from this student'
            )
        terms.load_state_dict(checkpoint['distill']['connectors'], strict=True)

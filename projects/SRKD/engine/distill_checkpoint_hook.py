"""Keeps connectors across a resume, outside the student's weights."""

from pathlib import Path

from mmdet3d.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from ..base import UsageError, UsageTypeError
from ..distill import FirstStepsBalance
from .every_weight_hook import EveryWeightHook, check_every_weight


def unwrap(model: nn.Module) -> nn.Module:
    """Return the model inside a distributed wrapper, or the model itself."""
    return model.module if is_model_wrapper(model) else model


@HOOKS.register_module()
class DistillCheckpointHook(Hook):
    """Write ``checkpoint['distill'] = dict(connectors=...)`` and read it at a resume.

    ``checkpoint['state_dict']`` stays the plain student's. With ``model.balance`` its measurements
    are kept there, too, and once it is settled, ``balanced.py`` in the work dir is the run's config
    with the ``loss_weight`` of every term in the place of the balance.
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
        balance = _balance(runner)
        if balance is not None:
            checkpoint['distill']['balance'] = balance.state_dict()

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Restore the connectors at a resume; ``load_from`` starts them anew.

        Raises:
            UsageError: If the file does not fill the student or holds no connectors.
        """
        if not any(isinstance(hook, EveryWeightHook) for hook in runner.hooks):
            check_every_weight(runner, checkpoint)  # under mmdet3d's own tools
        terms, balance = unwrap(runner.model).terms, _balance(runner)
        if not runner._resume or not (terms.state_dict() or balance):
            return
        if 'distill' not in checkpoint:
            raise UsageError(
                'the checkpoint to resume from holds no connectors (key "distill"), expected one '
                'written with DistillCheckpointHook: use load_from instead of resume to start '
                'them anew from this student'
            )
        terms.load_state_dict(checkpoint['distill']['connectors'], strict=True)
        if (balance is not None) != ('balance' in checkpoint['distill']):
            raise UsageError(
                'model.balance must be that of the run to resume, but got '
                f'{"one" if balance else "none"} where the checkpoint has '
                f'{"none" if balance else "one"}: resume with the config it was written with'
            )
        if balance is not None:
            balance.load_state_dict(checkpoint['distill']['balance'])

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Note whether the balance is settled already."""
        balance = _balance(runner)
        self._measures = balance is not None and not balance.settled

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Write the config with fixed weights in the step that settles them."""
        balance = _balance(runner)
        if self._measures and balance.settled and is_main_process():
            _write_fixed(runner, balance.weights)


def _balance(runner) -> FirstStepsBalance | None:
    return getattr(unwrap(runner.model), 'balance', None)


def _write_fixed(runner, weights: dict[str, float]) -> None:
    config = runner.cfg.copy()
    if 'terms' not in (config.get('model') or {}):
        return  # a runner that was made without a config
    for name, weight in weights.items():
        config.model.terms[name].loss.loss_weight = weight
    config.model.balance = None
    config.resume = False
    config.load_from = None if runner._resume else config.get('load_from')
    path = Path(runner.work_dir) / 'balanced.py'
    config.dump(str(path))
    runner.logger.info(f'{path} is this config with the weights that were measured')

"""A validation that a run has not lived to see comes first when it is resumed."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

from mmdet3d.registry import HOOKS
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import CheckpointHook, EarlyStoppingHook, Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from ..base import write_text
from ..compat.mmengine_checkpoints import VALIDATED

_DONE = 'iter_validated'  # in the message hub; names that begin with "val" are logged
_EARLY = 'early_stopping'
_EARLY_STATE = ('wait_count', 'best_score')


@HOOKS.register_module()
class OwedValidationHook(Hook):
    """Make up for a validation that was due where the checkpoint to resume from stands.

    mmengine writes a checkpoint before it validates, and a run resumed from it begins with the next
    step: if it was ended in between, the scores are never known, the best checkpoint may be missed,
    and what follows scores (``ReduceOnPlateauLR``, ``EarlyStoppingHook``) goes another way. Here
    the resumed run validates first, unless it has done so: the file ``last_validation`` of the work
    dir has the iteration.

    Where something follows the scores, the checkpoint is written once more behind the validation,
    and holds the state of early stopping, too. One that is written amid a validation (a better one)
    holds schedules as they were before, so that no score is followed twice.

    ``tools/train.py`` adds it to every run.
    """

    # behind EarlyStoppingHook, which is added before it
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._before: tuple | None = None  # states of schedules; None outside a validation

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Give early stopping its state back, if it is the run's own."""
        if not runner._resume or _EARLY not in checkpoint:
            return
        kept = checkpoint[_EARLY]
        for hook, state in zip(_early_hooks(runner), kept['hooks']):
            vars(hook).update(state)
        runner.train_loop.stop_training = kept['stop']

    def before_train(self, runner: Runner) -> None:
        """Validate, if that is owed."""
        told = [runner._resume and self._is_owed(runner)]
        broadcast_object_list(told, src=0)  # the note is a file of the first rank
        if told[0]:
            runner.logger.info(f'the validation of iteration {runner.iter} comes first')
            runner.val_loop.run()

    def before_val(self, runner: Runner) -> None:
        """Keep what scores change, as it is."""
        if _follows_scores(runner):
            groups = runner.optim_wrapper.state_dict().get('param_groups')
            self._before = deepcopy((_states(runner.param_schedulers), groups))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add early stopping, and take from a validation that is not over what it has changed."""
        hooks = _early_hooks(runner)
        if hooks:
            states = [{name: vars(hook)[name] for name in _EARLY_STATE} for hook in hooks]
            checkpoint[_EARLY] = dict(hooks=states, stop=runner.train_loop.stop_training)
        if self._before is not None and 'param_schedulers' in checkpoint:
            checkpoint['param_schedulers'], groups = self._before
            if groups is not None:
                checkpoint['optimizer']['param_groups'] = groups

    def after_val_epoch(self, runner: Runner, metrics=None) -> None:
        """Note that the validation is over."""
        self._before = None
        runner.message_hub.update_info(_DONE, runner.iter)
        if _follows_scores(runner):
            _write_again(runner)
        if is_main_process():
            write_text(Path(runner.work_dir) / VALIDATED, f'iteration {runner.iter}\n')

    def _is_owed(self, runner: Runner) -> bool:
        if not _is_due(runner) or runner.message_hub.runtime_info.get(_DONE) == runner.iter:
            return False
        note = Path(runner.work_dir) / VALIDATED
        noted = note.is_file() and note.read_text().split()[-1:] == [str(runner.iter)]
        return not noted or _follows_scores(runner)


def _is_due(runner: Runner) -> bool:
    """Whether the uninterrupted run validates between the last step and the next."""
    loop = runner.train_loop
    if runner.val_loop is None or not loop.iter or getattr(loop, 'first_batch', 0):
        return False
    loop._decide_current_val_interval()
    by_iter = isinstance(loop, IterBasedTrainLoop)
    place, last = (loop.iter, loop.max_iters) if by_iter else (loop.epoch, loop.max_epochs)
    return place >= loop.val_begin and (place % loop.val_interval == 0 or place == last)


def _follows_scores(runner: Runner) -> bool:
    schedulers = _flat(runner.param_schedulers)
    return bool(_early_hooks(runner)) or any(
        getattr(each, 'need_val_args', False) for each in schedulers
    )


def _early_hooks(runner: Runner) -> list[EarlyStoppingHook]:
    return [hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook)]


def _flat(schedulers) -> list:
    if isinstance(schedulers, dict):
        return [each for some in schedulers.values() for each in some]
    return schedulers or []


def _states(schedulers):
    """States in the order in which mmengine writes them."""
    if isinstance(schedulers, dict):
        return {name: [each.state_dict() for each in some] for name, some in schedulers.items()}
    return [each.state_dict() for each in schedulers or []]


def _write_again(runner: Runner) -> None:
    """Write the checkpoint of this place once more, if there is one."""
    keeper = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
    if keeper is None or keeper.last_ckpt is None:
        return
    step = runner.epoch if keeper.by_epoch else runner.iter
    if Path(keeper.last_ckpt).name == keeper.filename_tmpl.format(step):
        meta = dict(epoch=runner.epoch, iter=runner.iter)
        keeper._save_checkpoint_with_step(runner, step, meta=meta)

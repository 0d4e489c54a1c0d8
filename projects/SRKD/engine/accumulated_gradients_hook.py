"""Keeps gradients that wait for their step across a resume."""

from __future__ import annotations

from mmdet3d.registry import HOOKS
from mmengine.dist import all_gather_object, gather, get_rank, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor, nn

from ..base import UsageError
from .distill_checkpoint_hook import unwrap

KEY = 'accumulated_gradients'


@HOOKS.register_module()
class AccumulatedGradientsHook(Hook):
    """Write ``checkpoint['accumulated_gradients']`` between two steps of the optimizer.

    With ``optim_wrapper.accumulative_counts=N`` the optimizer steps once in N iterations, and a
    checkpoint may be written in between: by iterations, at the end of an epoch whose length N does
    not divide, or because the run is stopped. What has been gathered by then is kept, each rank's
    own, so that the resumed run takes the step of the uninterrupted one. Right behind a step there
    is nothing to keep, and the key is not there.

    ``tools/train.py`` adds it to every run.
    """

    def __init__(self) -> None:
        self._of_ranks: list[dict[str, Tensor]] | None = None

    def before_save_on_all_ranks(self, runner: Runner) -> None:
        """Bring the gradients of all ranks to the one that writes.

        Called by :mod:`~projects.SRKD.compat.mmengine_checkpoints` on every rank; hooks of mmengine
        hear of a checkpoint on the first one alone.
        """
        if get_world_size() > 1 and _waits(runner):
            self._of_ranks = _gathered(unwrap(runner.model))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the gradients, on the CPU, by parameter, one dict for each rank."""
        of_ranks, self._of_ranks = self._of_ranks, None
        if not _waits(runner):
            return
        if of_ranks is None:
            own = _gradients(unwrap(runner.model))
            of_ranks = [{name: grad.cpu().clone() for name, grad in own.items()}]
        checkpoint[KEY] = of_ranks

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Give this rank its gradients back.

        Raises:
            UsageError: If they are those of another number of processes.
        """
        of_ranks = checkpoint.get(KEY)
        if not runner._resume or of_ranks is None:
            return
        if len(of_ranks) != get_world_size():
            raise UsageError(
                'the checkpoint to resume from holds accumulated gradients of '
                f'{len(of_ranks)} processes, but got {get_world_size()}: resume with as many, or '
                'from a checkpoint behind a step of the optimizer'
            )
        parameters = dict(unwrap(runner.model).named_parameters())
        for name, grad in of_ranks[get_rank()].items():
            parameters[name].grad = grad.to(parameters[name], copy=True)

    def before_train(self, runner: Runner) -> None:
        """Say so if a checkpoint between two steps, written without this hook, lacks them."""
        if _waits(runner) and not _gradients(unwrap(runner.model)):
            runner.logger.warning(
                f'the checkpoint to resume from stands at iteration {runner.iter}, between two '
                f'steps of the optimizer, and holds no gradients: the first step takes fewer '
                'batches than optim_wrapper.accumulative_counts'
            )


def _waits(runner: Runner) -> bool:
    """Whether gradients have been gathered that the optimizer has not used."""
    wrapper = runner.optim_wrapper
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    return any(not each.should_update() for each in wrappers)


def _gradients(model: nn.Module) -> dict[str, Tensor]:
    named = model.named_parameters()
    return {name: parameter.grad for name, parameter in named if parameter.grad is not None}


def _gathered(model: nn.Module) -> list[dict[str, Tensor]] | None:
    """Gradients of all ranks on the first one, parameter by parameter; None on the others."""
    own = _gradients(model)
    holders = all_gather_object(sorted(own))
    of_ranks: list[dict[str, Tensor]] = [{} for _ in holders]
    for name, parameter in model.named_parameters():
        if not any(name in names for names in holders):
            continue
        parts = gather(own.get(name, parameter.new_zeros(parameter.shape)).detach())
        for kept, names, part in zip(of_ranks, holders, parts):
            if name in names:
                kept[name] = part.cpu()
    return of_ranks if is_main_process() else None

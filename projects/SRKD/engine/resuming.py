"""What every training of ``tools/train.py`` has so that it can be ended anywhere and resumed."""

from __future__ import annotations

from pathlib import Path

from mmengine.runner import Runner

from ..compat.mmengine_checkpoints import RECORD
from .accumulated_gradients_hook import AccumulatedGradientsHook
from .owed_validation_hook import OwedValidationHook
from .same_network_hook import SameNetworkHook
from .stop_hook import Listening, StopHook


def register_resuming(runner: Runner, listening: Listening) -> None:
    """Add the hooks, in their order, behind all others.

    Args:
        runner: Before the training.
        listening: What notes signals.
    """
    runner.register_hook(AccumulatedGradientsHook())
    runner.register_hook(SameNetworkHook())
    runner.register_hook(OwedValidationHook())  # its note is written before a stop
    runner.register_hook(StopHook(listening))


def last_whole(work_dir: str | Path) -> str:
    """What is left of a training that cannot write, as part of a sentence."""
    record = Path(work_dir) / RECORD
    named = record.read_text().strip() if record.is_file() else ''
    if not named:
        return 'there is no checkpoint yet'
    return f'the last whole checkpoint is {named}: make room, and go on with --resume'

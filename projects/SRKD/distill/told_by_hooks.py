"""What a distiller is told while it trains: how strongly to distill, who saves its connectors."""

import math
import warnings
from collections.abc import Callable
from typing import Any

from ..base import UsageError
from .features import Features


class ToldByHooks:
    """The part of a :class:`DistillModel` that hooks talk to; each thing is told by a method."""

    _distill_scale = 1.0
    _keeps_connectors = False
    _listener: Callable[[dict, list, dict], None] | None = None

    @property
    def distill_scale(self) -> float:
        """Factor of all terms, see :meth:`set_distill_scale`."""
        return self._distill_scale

    @distill_scale.setter
    def distill_scale(self, scale: float) -> None:
        _tell_successor('distill_scale = scale', 'set_distill_scale(scale)')
        self.set_distill_scale(scale)

    def set_distill_scale(self, scale: float) -> None:
        """Multiply all terms by a factor in every step from now on, until it is set again.

        At 0 the teacher is not run, so that a step costs what the student alone costs. The factor
        is no part of a checkpoint: who schedules it (``DistillScheduleHook``) sets it before each
        step. Without a schedule it is 1.

        Raises:
            UsageError: If it is negative or not finite.
        """
        if not (math.isfinite(scale) and scale >= 0):
            raise UsageError(
                f'the scale of distillation must be finite and at least 0, but got {scale}'
            )
        self._distill_scale = float(scale)

    @property
    def keeps_connectors(self) -> bool:
        """Whether somebody saves the connectors, see :meth:`tell_connectors_are_kept`."""
        return self._keeps_connectors

    @keeps_connectors.setter
    def keeps_connectors(self, kept: bool) -> None:
        _tell_successor('keeps_connectors = True', 'tell_connectors_are_kept()')
        self._keeps_connectors = kept

    def tell_connectors_are_kept(self) -> None:
        """Allow training in a runner: who calls this saves :attr:`terms` and restores them.

        The student's checkpoint does not hold them. ``DistillCheckpointHook`` does both and calls
        this before a run; :meth:`forward` refuses to train before.
        """
        self._keeps_connectors = True

    def tell_what_is_taught(
        self, listener: Callable[[dict[str, Any], list, dict[str, Features]], None] | None
    ) -> None:
        """Let somebody see in every step what the teacher was asked and what its taps said.

        Args:
            listener: Called with the teacher's inputs, its data samples and its taps, before the
                student runs; None: nobody.
        """
        self._listener = listener

    def _tell_listener(self, inputs: dict, data_samples: list, taught: dict) -> None:
        if self._listener is not None:
            self._listener(inputs, data_samples, taught)


def _tell_successor(old: str, new: str) -> None:
    # Between an assignment and its setter stands the __setattr__ of a module.
    warnings.warn(
        f'model.{old} is model.{new} now; assigning goes with 0.3', FutureWarning, stacklevel=4
    )

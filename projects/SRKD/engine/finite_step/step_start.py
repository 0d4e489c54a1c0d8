"""What a step began with: kept while it runs, because a network changes some of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from ...base.random_numbers import random_state
from ...distill import DistillModel
from ...models.weights import wrong_weights
from .packing import LARGE, pack, tensors_in
from .watched_steps import scaler_of


class StepStart:
    """Batch, random numbers and buffers of the step under way, and what the teacher said in it.

    One object for all steps of a run; only the newest is kept.

    Args:
        model: The network, without a distributed wrapper.

    Attributes:
        batch: What the loader gave, packed; None before the first step.
        random: State of the random numbers before the forward pass.
        buffers: Values before the forward pass, by name.
        by_design: Names of those that were not finite from the first, such as masks.
        counts: Backward passes before this one and in all, as the optimizer wrapper counts them.
        scaler: State of the gradient scaler; None without one.
        distill: Scale and balance of a distillation, {} without one.
        lesson: What the teacher said, None where it did not run.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._places = [
            (f'{path}.{name}' if path else name, module, name)
            for path, module in model.named_modules()
            for name, buffer in module.named_buffers(recurse=False)
        ]
        self.by_design = set(wrong_weights(dict(model.named_buffers())))
        self.batch: Any = None
        self.random: dict = {}
        self.buffers: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.scaler: dict | None = None
        self.distill: dict = {}
        self.lesson: Lesson | None = None
        self._versions: list[tuple[Tensor, int]] = []

    def __deepcopy__(self, memo: dict) -> StepStart:
        return self  # a copy of the network that tells it what is taught is not in the run

    def take(self, batch: Any, wrapper: OptimWrapper) -> None:
        """Keep what the step begins with."""
        self.batch = pack(batch)
        large = (each for _, each in tensors_in(self.batch) if each.nbytes >= LARGE)
        self._versions = [(each, each._version) for each in large]
        self.random = random_state()
        self._copy_buffers()
        self.counts = dict(init_counts=wrapper._inner_count, max_counts=wrapper._max_counts)
        scaler = scaler_of(wrapper)
        self.scaler = None if scaler is None else scaler.state_dict()
        self.lesson = None
        if isinstance(self._model, DistillModel):
            balance = self._model.balance
            self.distill = dict(
                scale=self._model.distill_scale,
                balance=None if balance is None else balance.state_dict(),
            )

    def take_lesson(self, inputs: dict, data_samples: list, taught: Mapping) -> None:
        """Keep what the teacher was asked and what it said."""
        self.lesson = Lesson(self._model, inputs, data_samples, taught)

    def forget(self) -> None:
        """Let go of what a step that went well has held: the batch and the teacher's features."""
        self.batch = self.lesson = None
        self._versions = []

    @property
    def batch_is_as_loaded(self) -> bool:
        """Whether no large tensor of the batch, which is shared, was written to since."""
        return all(each._version == version for each, version in self._versions)

    def _copy_buffers(self) -> None:
        now = {name: module._buffers[key] for name, module, key in self._places}
        now = {name: value.detach() for name, value in now.items() if value is not None}
        same = now.keys() == self.buffers.keys() and all(
            value.shape == self.buffers[name].shape and value.device == self.buffers[name].device
            for name, value in now.items()
        )
        if same and now:
            torch._foreach_copy_(list(self.buffers.values()), list(now.values()))
        else:
            self.buffers = {name: value.clone() for name, value in now.items()}


class Lesson:
    """What a teacher said of one batch.

    Args:
        model: The distillation model.
        inputs: What the teacher was given.
        data_samples: Likewise.
        taught: Its taps by path.
    """

    def __init__(
        self, model: DistillModel, inputs: dict, data_samples: list, taught: Mapping
    ) -> None:
        self._model, self._asked = model, (inputs, data_samples)
        self.taught = taught
        self.boxes = getattr(model.teacher, 'boxes', None)
        self.random = random_state()

    def packed(self) -> dict:
        """All of it as plain data; rows of the student's own are in the batch already."""
        model = self._model
        return dict(
            asked=None if model.shares_voxels else pack(self._asked),
            taught=pack(self.taught),
            boxes=pack(self.boxes),
            random=self.random,
            classes=pack(model.teacher.classes),
        )

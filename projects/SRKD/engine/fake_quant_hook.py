"""Trains a student as it will be in 8 bits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from ..base import UsageError, UsageTypeError
from ..ops.fake_quant import rounded_by_channel, rounded_in_range
from .distill_checkpoint_hook import unwrap

KEY = 'fake_quant'
"""Under which a checkpoint keeps the ranges, beside weights that are those of the plain student."""


class RoundedConv:
    """Stands for the ``forward`` of a 2D convolution: weights and input rounded to 8 bits.

    Args:
        conv: ``Conv2d`` or ``ConvTranspose2d``; left as it is.
        momentum: Share of a batch in the moving range of the input, in training.

    Attributes:
        range: Least and greatest value of the input so far; None before the first batch.
    """

    def __init__(self, conv: nn.Module, momentum: float) -> None:
        self.conv, self.momentum = conv, momentum
        self.range: tuple[float, float] | None = None

    def __call__(self, value: Tensor) -> Tensor:
        """Convolve; see :meth:`torch.nn.Conv2d.forward`."""
        conv = self.conv
        if conv.training or self.range is None:
            self._observe(value)
        value = rounded_in_range(value, *self.range)
        if not isinstance(conv, nn.ConvTranspose2d):
            return conv._conv_forward(value, rounded_by_channel(conv.weight, 0), conv.bias)
        return F.conv_transpose2d(
            value,
            rounded_by_channel(conv.weight, 1),
            conv.bias,
            conv.stride,
            conv.padding,
            conv.output_padding,
            conv.groups,
            conv.dilation,
        )

    def _observe(self, value: Tensor) -> None:
        low, high = torch.stack(value.detach().aminmax()).tolist()
        if self.range is not None:
            share = self.momentum
            low = (1 - share) * self.range[0] + share * low
            high = (1 - share) * self.range[1] + share * high
        self.range = low, high


@HOOKS.register_module()
class FakeQuantHook(Hook):
    """Round weights and inputs of the student's 2D convolutions to 8 bits while it trains.

    Task and terms then train the student that :mod:`projects.SRKD.export.int8` will write: weights
    by channel, inputs by tensor. Values are rounded, weights stay float32, so that a checkpoint is
    the plain student's, key for key. Validation sees the rounded student, too; ``tools/test.py``
    the plain one. Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference" (CVPR 2018), with batch norms left in place.

    Args:
        begin: First epoch, counted from 0, that is rounded.
        momentum: Share of a batch in the moving ranges of the inputs.

    Raises:
        UsageError: If ``begin`` is negative or ``momentum`` not in (0, 1].
    """

    def __init__(self, begin: int = 0, momentum: float = 0.01) -> None:
        if begin < 0:
            raise UsageError(f'begin of FakeQuantHook must be an epoch from 0 on, but got {begin}')
        if not 0 < momentum <= 1:
            raise UsageError(f'momentum of FakeQuantHook must lie in (0, 1], but got {momentum}')
        self.begin, self.momentum = begin, momentum
        self.rounded: dict[str, RoundedConv] = {}
        self._loaded: dict[str, tuple[float, float]] = {}

    def before_train(self, runner: Runner) -> None:
        """Prepare the convolutions; after a resumption, with their ranges.

        Raises:
            UsageTypeError: If the student has none that 8 bits are exported for.
        """
        self.rounded = {n: RoundedConv(conv, self.momentum) for n, conv in _convolutions(runner)}
        if not self.rounded:
            raise UsageTypeError(
                'the student of FakeQuantHook must have 2D convolutions, but got '
                f'{type(_student(runner)).__name__} without any: leave the hook out'
            )
        for name, one in self.rounded.items():
            one.range = self._loaded.get(name)

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin to round."""
        if runner.epoch >= self.begin:
            for one in self.rounded.values():
                one.conv.forward = one

    def after_train(self, runner: Runner) -> None:
        """Leave the plain student behind."""
        for one in self.rounded.values():
            vars(one.conv).pop('forward', None)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the ranges beside the weights."""
        seen = {name: one.range for name, one in self.rounded.items() if one.range is not None}
        checkpoint[KEY] = {name: list(ends) for name, ends in seen.items()}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take the ranges up again."""
        self._loaded = {name: tuple(ends) for name, ends in checkpoint.get(KEY, {}).items()}


def _student(runner: Runner) -> nn.Module:
    model = unwrap(runner.model)
    return getattr(model, 'student', model)


def _convolutions(runner: Runner) -> list[tuple[str, nn.Module]]:
    kinds = nn.Conv2d, nn.ConvTranspose2d
    return [
        (name, module)
        for name, module in _student(runner).named_modules()
        if isinstance(module, kinds) and module.groups == 1
    ]

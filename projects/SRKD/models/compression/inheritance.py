"""Starting a narrow network from some filters of a wide one.

A filter that is dropped takes one input of the next layer with it, so the channels kept are handed
from layer to layer in the order of the data flow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from mmdet3d.models.layers.spconv import IS_SPCONV2_AVAILABLE
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from ...base import UsageError
from ...ops.sparse_conv import SubMConv3d
from ...ops.spconv_layout import to_spconv2
from .choices import CHOICES

Order = Callable[[str, int], Tensor | None]
"""Path of a layer of predictions and its rows C -> the teacher's row for each of them, (C,) int64;
None: the teacher's do not say the same things."""


class Kept(NamedTuple):
    """Channels of a feature map that the student has.

    Attributes:
        index: The teacher's numbers of them, ascending, (C_s,) int64.
        of: Channels of the teacher's map, C_t.
    """

    index: Tensor
    of: int


def everything(channels: int) -> Kept:
    """All channels of a map."""
    return Kept(torch.arange(channels), channels)


def joined(maps: Sequence[Kept]) -> Kept:
    """Channels kept of a concatenation."""
    starts = [0, *torch.tensor([each.of for each in maps]).cumsum(0).tolist()]
    return Kept(torch.cat([each.index + s for each, s in zip(maps, starts)]), starts[-1])


def stacked(each: Kept, levels: int) -> Kept:
    """Channels kept once levels of height are folded into them, (C, D, H, W) to (C D, H, W)."""
    index = each.index[:, None] * levels + torch.arange(levels)
    return Kept(index.flatten(), each.of * levels)


class Inheritance:
    """Copies a teacher's weights into a narrower student of the same layers.

    Args:
        student: Receives the weights.
        weights: The teacher's state dict, with the student's keys.
        keep: Which filters of a layer: ``'norm'`` the largest by L1 norm, ``'first'`` the leading,
            ``'even'`` every n-th.
        order: Rows of the layers of predictions where they are not the student's one by one.
        heads: Path of an attention in the student -> heads that the teacher has there; where it is
            missing as many as the student.

    Attributes:
        left: Layers of predictions that stay as initialized.

    Raises:
        UsageError: If ``keep`` is unknown, or the keys differ.
    """

    def __init__(
        self,
        student: nn.Module,
        weights: Mapping[str, Tensor],
        keep: str,
        order: Order | None = None,
        heads: Mapping[str, int] | None = None,
    ) -> None:
        if keep not in CHOICES:
            raise UsageError(
                f'keep must be one of {", ".join(map(repr, CHOICES))}, but got {keep!r}'
            )
        self.own, self.choice = student.state_dict(), CHOICES[keep]
        differ = sorted(self.own.keys() ^ weights.keys())
        if differ:
            raise UsageError(
                f'teacher and student must have the same layers, but {len(differ)} keys of their '
                f'state dicts differ, for example {differ[0]} of the '
                f'{"student" if differ[0] in self.own else "teacher"}'
            )
        self.weights = dict(weights)
        self.names = {module: name for name, module in student.named_modules()}
        self.waiting = set(self.own)
        self.order, self.heads = order, heads or {}
        self.left: list[str] = []

    def chain(self, module: nn.Module, entering: Kept, leaving: Kept | None = None) -> Kept:
        """Copy layers that follow one another.

        Args:
            module: A layer, or a container that runs its children in order.
            entering: Channels kept of its input.
            leaving: Those to keep of its output, for a single layer; None chooses.

        Returns:
            Channels kept of its output.
        """
        if hasattr(module, 'conv1') and hasattr(module, 'norm1'):  # a residual block
            inner = self.norm(module.norm1, self.layer(module.conv1, entering))
            leaving = entering
            if module.downsample is not None:
                leaving = self.choose([module.conv2, module.downsample[0]])
                self.chain(module.downsample, entering, leaving)
            return self.norm(module.norm2, self.layer(module.conv2, inner, leaving))
        if isinstance(module, (_NormBase, nn.GroupNorm, nn.LayerNorm)):
            return self.norm(module, entering)
        if isinstance(getattr(module, 'weight', None), Tensor):
            return self.layer(module, entering, leaving)
        for child in module.children():
            entering = self.chain(child, entering, leaving)
        return entering

    def layer(self, module: nn.Module, entering: Kept, leaving: Kept | None = None) -> Kept:
        """Copy a linear layer or convolution; see :meth:`chain`."""
        weight = self.weight(module)
        out, into = axes_of(module)
        if weight.shape[into] != entering.of:
            raise UsageError(
                f'{self.names[module]} of the teacher takes {weight.shape[into]} channels, but '
                f'{entering.of} enter'
            )
        kept = leaving or self.choose([module])
        weight = weight.index_select(out, kept.index).index_select(into, entering.index)
        self._copy(module, 'weight', weight)
        if module.bias is not None:
            self._copy(module, 'bias', self._teacher(module, 'bias')[kept.index])
        return kept

    def output(self, module: nn.Module, entering: Kept) -> None:
        """Copy a layer of predictions whole: its rows are classes, anchors and numbers of a box.

        No norm may choose among those. Where the networks have different ones the student's layer
        stays as initialized.
        """
        name, axis = self.names[module], axes_of(module)[0]
        count, of = module.weight.shape[axis], self.weight(module).shape[axis]
        rows = torch.arange(of) if self.order is None else self.order(name, count)
        if count == of and rows is not None:
            self.layer(module, entering, Kept(rows, of))
            return
        self.left.append(name)
        self.waiting -= {f'{name}.weight', f'{name}.bias'}

    def branch(self, layers: nn.Sequential, entering: Kept) -> None:
        """Copy layers of which the last predicts."""
        *hidden, last = layers
        for layer in hidden:
            entering = self.chain(layer, entering)
        self.output(last, entering)

    def norm(self, module: nn.Module, kept: Kept) -> Kept:
        """Copy a normalization with its statistics."""
        for name in module.state_dict():
            value = self._teacher(module, name)
            self._copy(module, name, value[kept.index] if value.dim() else value)
        return kept

    def choose(self, modules: Sequence[nn.Module]) -> Kept:
        """Choose the filters that layers keep in common: their outputs are added, or shared."""
        weights = [self.weight(module).movedim(axes_of(module)[0], 0) for module in modules]
        norms = sum(weight.flatten(1).abs().sum(dim=1) for weight in weights)  # (C_t,)
        count = modules[0].weight.shape[axes_of(modules[0])[0]]
        return Kept(self.pick(modules[0], norms, count), len(norms))

    def pick(self, module: nn.Module, norms: Tensor, count: int) -> Tensor:
        """Numbers of the channels to keep of a layer.

        Args:
            module: The layer, for messages.
            norms: Of the teacher's filters, (C_t,).
            count: C_s.
        """
        of = len(norms)
        if count > of:
            raise UsageError(
                f'{self.names[module]} of the student has {count} filters, of the teacher {of}, '
                'expected a student no wider than its teacher'
            )
        if count == of:
            return torch.arange(of)
        try:
            return self.choice(norms, count)
        except UsageError as error:
            raise UsageError(f'{self.names[module]}: {error}') from None

    def finish(self) -> None:
        """Refuse a student of which some weights have not been copied."""
        if self.waiting:
            raise UsageError(
                f'{len(self.waiting)} weights of the student have not been inherited, for example '
                f'{min(self.waiting)}: its layers are wired in a way not known here'
            )

    def weight(self, module: nn.Module) -> Tensor:
        """The teacher's weight of a layer, kernels in the layout of spconv 2.x."""
        weight = self._teacher(module, 'weight')
        if isinstance(module, (nn.Linear, _ConvNd)) or weight.dim() < 4:
            return weight
        # spconv 1.x wrote (*k, C_in, C_out); of kernels that read either way 2.x is taken
        kernel = tuple(module.weight.shape[1:-1])
        if tuple(weight.shape[1:-1]) == kernel:
            return weight
        return to_spconv2(weight, torch.Size((weight.shape[-1], *kernel, weight.shape[-2])))

    def _teacher(self, module: nn.Module, name: str) -> Tensor:
        return self.weights[f'{self.names[module]}.{name}']

    def _copy(self, module: nn.Module, name: str, value: Tensor) -> None:
        key = f'{self.names[module]}.{name}'
        if self.own[key].shape != value.shape:
            raise UsageError(
                f'{key} of the student has shape {tuple(self.own[key].shape)}, but what it keeps '
                f'of its teacher {tuple(value.shape)}'
            )
        self.own[key].copy_(value)
        self.waiting.discard(key)


def axes_of(module: nn.Module) -> tuple[int, int]:
    """Axes of filters and of their inputs in a layer's weight."""
    if isinstance(module, _ConvTransposeNd):
        return 1, 0
    if isinstance(module, (nn.Linear, _ConvNd)):
        return 0, 1
    if isinstance(module, SubMConv3d):
        return 0, -1
    return (0, -1) if IS_SPCONV2_AVAILABLE else (-1, -2)  # sparse convolutions


Rule = Callable[[Inheritance, nn.Module, list[Kept]], list[Kept]]
"""Copies a module, given the channels kept of what enters; returns those of what leaves."""

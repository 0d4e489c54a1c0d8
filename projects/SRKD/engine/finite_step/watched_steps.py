"""An optimizer wrapper that says what it is about to do, whatever its class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer


class StepWatcher(Protocol):
    """What is told of a step, in this order; what it raises ends the step there."""

    def begin(self, wrapper: OptimWrapper) -> None:
        """Called before the network runs."""

    def before_backward(self, wrapper: OptimWrapper, loss: Tensor) -> None:
        """Called with the loss before it is differentiated."""

    def after_backward(self, wrapper: OptimWrapper) -> None:
        """Called when the gradients are there."""

    def before_clip(self, wrapper: OptimWrapper) -> None:
        """Called before gradients are clipped, if they are."""

    def after_step(self, wrapper: OptimWrapper) -> None:
        """Called after the optimizer's step, or after a gradient scaler has skipped it."""


class WatchedSteps:
    """Mixed into the class of an optimizer wrapper by :func:`watch`."""

    watcher: StepWatcher

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Tell that a step begins, then do what the wrapper does."""
        self.watcher.begin(self)
        with super().optim_context(model):
            yield

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Show the loss, differentiate it, tell that the gradients are there."""
        self.watcher.before_backward(self, loss)
        super().backward(loss, **kwargs)
        self.watcher.after_backward(self)

    def step(self, **kwargs) -> None:
        """Take the step and tell."""
        super().step(**kwargs)
        self.watcher.after_step(self)

    def _clip_grad(self) -> None:
        self.watcher.before_clip(self)
        super()._clip_grad()


def watch(wrapper: OptimWrapper, watcher: StepWatcher) -> None:
    """Have a wrapper tell ``watcher`` of its steps until :func:`unwatch`.

    mmengine calls no hook between forward, backward and step, and a run's wrapper may be of any
    class; so the object gets a class that is its own with :class:`WatchedSteps` before it.
    """
    own = type(wrapper)
    wrapper.__class__ = type(f'Watched{own.__name__}', (WatchedSteps, own), {})
    wrapper.watcher = watcher


def unwatch(wrapper: OptimWrapper) -> None:
    """Give a wrapper its own class back."""
    wrapper.__class__ = type(wrapper).__mro__[2]
    del wrapper.watcher


def wrappers_in(wrapper: OptimWrapper | OptimWrapperDict) -> Mapping[str, OptimWrapper]:
    """The wrappers of a run by name; the only one's name is ''.

    Those that do not inherit ``OptimWrapper`` (DeepSpeed's) are left out.
    """
    several = isinstance(wrapper, OptimWrapperDict)
    named = dict(wrapper.items()) if several else {'': wrapper}
    return {name: each for name, each in named.items() if isinstance(each, OptimWrapper)}


def scaler_of(wrapper: OptimWrapper):
    """The gradient scaler that may skip steps of this wrapper, or None."""
    scaler = getattr(wrapper, 'loss_scaler', None)
    return scaler if scaler is not None and scaler.is_enabled() else None


def gradients_of(wrapper: OptimWrapper) -> list[Tensor]:
    """The gradients that its optimizer would step along."""
    groups = wrapper.optimizer.param_groups
    params = (param for group in groups for param in group['params'])
    return [param.grad for param in params if param.grad is not None]


def gradient_norm_of(wrapper: OptimWrapper) -> Tensor:
    """Their Euclidean norm, 0-d, on their device."""
    grads = gradients_of(wrapper)
    return get_total_norm(grads) if grads else torch.zeros(())


def is_skipped(optimizer: Optimizer) -> bool:
    """Whether a fused optimizer skips by itself what a scaler has found infinite."""
    found = getattr(optimizer, 'found_inf', None)
    return found is not None and bool(found.item())

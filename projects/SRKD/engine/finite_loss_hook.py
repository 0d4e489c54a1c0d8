"""The name that :class:`FiniteStepHook` had before 0.2; goes with 0.3."""

from mmdet3d.registry import HOOKS

from ..base.renamed import renamed
from .finite_step.hook import PATIENCE, FiniteStepHook, NonFiniteLossError

__all__ = ['PATIENCE', 'FiniteLossHook', 'NonFiniteLossError']

FiniteLossHook = HOOKS.register_module(module=renamed('FiniteLossHook', FiniteStepHook))

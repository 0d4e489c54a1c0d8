"""An optimizer wrapper that tells of its steps, and is its old self afterwards."""

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn
from toy_faults import ScaledOptimWrapper

from projects.SRKD.engine.finite_step.watched_steps import (
    gradients_of,
    scaler_of,
    unwatch,
    watch,
    wrappers_in,
)


class Log(list):
    """Every call by name."""

    def __getattr__(self, name):
        if name.startswith('_'):
            raise AttributeError(name)
        return lambda wrapper, *loss: self.append(name)


def made(kind=OptimWrapper, **more):
    layer = nn.Linear(2, 1)
    return layer, kind(optimizer=torch.optim.SGD(layer.parameters(), lr=0.1), **more)


def test_a_step_is_told_in_its_order():
    layer, wrapper = made(accumulative_counts=2, clip_grad=dict(max_norm=1.0))
    watch(wrapper, log := Log())
    assert isinstance(wrapper, OptimWrapper)
    for _ in range(2):
        with wrapper.optim_context(layer):
            loss = layer(torch.ones(3, 2)).sum()
        wrapper.update_params(loss)
    passes = ['begin', 'before_backward', 'after_backward']
    assert log == [*passes, *passes, 'before_clip', 'after_step']


def test_a_wrapper_gets_its_own_class_back():
    _, wrapper = made()
    watch(wrapper, Log())
    unwatch(wrapper)
    assert type(wrapper) is OptimWrapper and 'watcher' not in vars(wrapper)


def test_the_wrappers_of_a_run_have_names():
    one, two = made()[1], made()[1]
    assert wrappers_in(one) == {'': one}
    assert wrappers_in(OptimWrapperDict(a=one, b=two)) == dict(a=one, b=two)


def test_a_disabled_scaler_is_none():
    _, wrapper = made(ScaledOptimWrapper)
    assert scaler_of(wrapper) is wrapper.loss_scaler
    wrapper.loss_scaler = torch.amp.GradScaler(enabled=False)
    assert scaler_of(wrapper) is None and scaler_of(made()[1]) is None


def test_gradients_are_those_that_the_optimizer_steps_along():
    layer, wrapper = made()
    assert gradients_of(wrapper) == []
    layer(torch.ones(3, 2)).sum().backward()
    assert [grad.shape for grad in gradients_of(wrapper)] == [(1, 2), (1,)]

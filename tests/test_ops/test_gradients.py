"""Gradients of several losses of one graph against backward passes of their own."""

import math

import pytest
import torch

from projects.SRKD.ops import gradient_dot, gradient_norm, gradients


def test_they_are_those_of_separate_backward_passes_and_leave_grad_alone():
    generator = torch.Generator().manual_seed(0)
    make = lambda *size: torch.randn(size, generator=generator)  # noqa: E731
    one, two = make(3, 4).requires_grad_(), make(4).requires_grad_()
    rows = make(5, 3)
    losses = [(rows @ one @ two).square().mean(), (rows @ one).abs().sum()]
    found = [gradients(loss, [one, two]) for loss in losses]
    assert one.grad is None and two.grad is None
    assert found[1][1] is None  # the second loss does not read it
    flat = []
    for loss in losses:
        one.grad, two.grad = None, torch.zeros(4)
        loss.backward(retain_graph=True)
        flat.append(torch.cat([one.grad.flatten(), two.grad]).double())
    for grads, expected in zip(found, flat):
        assert gradient_norm(grads) == pytest.approx(float(expected.norm()))
    assert gradient_dot(*found) == pytest.approx(float(flat[0] @ flat[1]))


def test_what_depends_on_nothing_has_no_gradient():
    weight = torch.ones(2, requires_grad=True)
    none = gradients(torch.zeros(()), [weight])
    assert none == [None]
    assert gradient_norm(none) == 0 and math.isfinite(gradient_dot(none, none))

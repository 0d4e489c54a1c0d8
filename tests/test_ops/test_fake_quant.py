"""Rounding by a loop in float64, and what its gradients let through."""

import pytest
import torch

from projects.SRKD.ops.fake_quant import rounded_by_channel, rounded_in_range


@pytest.mark.parametrize('axis', [0, 1])
@pytest.mark.parametrize('shape', [(3, 4, 2, 2), (1, 1, 1, 1), (5, 2, 3, 3)])
def test_weights_by_channel(shape, axis):
    weight = torch.randn(shape)
    weight.select(axis, 0).zero_()  # a dead channel
    wanted = torch.zeros(shape, dtype=torch.float64)
    for channel in range(shape[axis]):
        part = weight.select(axis, channel).double()
        step = part.abs().max().item() / 127
        for place in torch.cartesian_prod(*map(torch.arange, part.shape)).reshape(-1, 3).tolist():
            value = part[tuple(place)].item()
            rounded = round(value / step) * step if step else 0.0
            wanted.select(axis, channel)[tuple(place)] = rounded
    found = rounded_by_channel(weight, axis)
    step = weight.abs().max() / 127  # a tie may fall to either side in float32
    off = (found.double() - wanted).abs()
    assert (off > 1e-6).sum() <= 1 and off.max() <= step * 1.001
    assert not found.select(axis, 0).any()


def test_the_gradient_of_weights_passes_unchanged():
    weight = torch.randn(3, 2, 3, 3, requires_grad=True)
    rounded_by_channel(weight, 0).sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))


@pytest.mark.parametrize('ends', [(-1.0, 3.0), (0.5, 2.0), (-3.0, -1.0), (0.0, 0.0)])
def test_activations_in_a_range(ends):
    value = torch.cat([torch.linspace(-4, 4, 101), torch.zeros(1)])
    low, high = min(ends[0], 0.0), max(ends[1], 0.0)
    step = max((high - low) / 255, torch.finfo(torch.float32).eps)
    zero = round(-128 - low / step)
    found = rounded_in_range(value, *ends)
    for own, one in zip(found.tolist(), value.double().tolist()):
        wanted = (max(-128, min(127, round(one / step) + zero)) - zero) * step
        assert own == pytest.approx(wanted, abs=step * 1.001 if high > low else 1e-4)
    inside = (value >= low) & (value <= high)
    assert (found[inside] - value[inside]).abs().max() <= step * 0.51
    assert found[-1] == 0  # zero is a step of every range


def test_the_gradient_of_activations_is_that_of_the_clamp():
    value = torch.tensor([-1.0, 0.5, 1.5], requires_grad=True)
    rounded_in_range(value, 0.0, 1.0).sum().backward()
    assert value.grad.tolist() == [0, 1, 0]

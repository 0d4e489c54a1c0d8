import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from projects.SRKD.distill import Taps


class Stage(nn.Module):
    """A block whose output is overwritten in place by the next module."""

    def __init__(self, recompute: bool) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.ReLU(inplace=True)
        self.recompute = recompute

    def body(self, x):
        return self.second(self.first(x))

    def forward(self, x):
        return checkpoint(self.body, x, use_reentrant=False) if self.recompute else self.body(x)


def test_a_tap_keeps_its_value_when_the_next_module_works_in_place():
    network, x = Stage(False), torch.randn(5, 3)
    with Taps(network, ['first'], 'student') as seen:
        network(x)
    assert (seen['first'].feat < 0).any()
    torch.testing.assert_close(seen['first'].feat, network.first(x))


def test_a_tap_inside_a_checkpointed_stage_has_the_same_value_and_gradient():
    torch.manual_seed(0)
    plain, x = Stage(False), torch.randn(5, 3)
    recomputed = Stage(True)
    recomputed.load_state_dict(plain.state_dict())
    gradients = []
    for network in (plain, recomputed):
        with Taps(network, ['first'], 'student') as seen:
            out = network(x)
        (out.sum() + seen['first'].feat.square().sum()).backward()
        gradients.append((seen['first'].feat.detach(), network.first.weight.grad))
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other)


def test_hooks_are_gone_after_the_context_even_after_an_error():
    network = Stage(False)
    taps = Taps(network, ['first', 'second'], 'student')
    with pytest.raises(ZeroDivisionError), taps:
        _ = 1 / 0
    with taps:
        network(torch.ones(1, 3))
    assert not network.first._forward_hooks
    assert not network.second._forward_hooks


def test_a_tap_that_fires_twice_is_refused():
    network = Stage(False)
    with (
        pytest.raises(RuntimeError, match="'first' of the student fired twice"),
        Taps(network, ['first'], 'student'),
    ):
        network(torch.ones(1, 3))
        network(torch.ones(1, 3))


def test_a_network_is_left_when_all_taps_have_fired_but_not_the_first_time():
    network, calls = nn.Sequential(*(nn.Linear(3, 3) for _ in range(4))), []
    for number, layer in enumerate(network):
        layer.register_forward_hook(lambda *call, number=number: calls.append(number))
    taps = Taps(network, ['2', '0'], 'teacher', stops=True)
    x, found = torch.randn(5, 3), []
    for expected in ([0, 1, 2, 3], [0, 1, 2], [0, 1, 2]):
        calls.clear()
        with taps as seen:
            network(x)
        assert calls == expected
        found.append(seen['2'].feat)
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)
    with pytest.raises(ZeroDivisionError), taps:
        _ = 1 / 0


def test_an_output_without_features_is_refused():
    network = nn.Sequential(nn.Linear(3, 8), nn.Unflatten(1, (2, 2, 2, 1)))
    with (
        pytest.raises(TypeError, match=r"tap '1' of the teacher.*shape \(5, 2, 2, 2, 1\)"),
        Taps(network, ['1'], 'teacher'),
    ):
        network(torch.ones(5, 3))


def test_an_unknown_path_names_the_nearest():
    with pytest.raises(ValueError, match="no module 'frist' to tap; nearest paths: first"):
        Taps(Stage(False), ['frist'], 'student')

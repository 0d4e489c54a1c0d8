import pytest
import torch

from projects.SRKD.ops import l2_normalize, segment_mean, unit_spread


def test_normalized_rows_have_length_one_whatever_their_size():
    feat = torch.randn(6, 4) * torch.tensor([1e-25, 1e-6, 1, 1e3, 1e12, 1e25])[:, None]
    torch.testing.assert_close(l2_normalize(feat).norm(dim=1), torch.ones(6))


def test_zero_rows_stay_zero_and_receive_no_gradient():
    feat = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    unit = l2_normalize(feat)
    (unit * torch.tensor([5.0, 7.0])).sum().backward()
    assert unit[0].tolist() == [0.0, 0.0] and feat.grad[0].tolist() == [0.0, 0.0]
    assert feat.grad[1].abs().sum() > 0


@pytest.mark.parametrize('function', [l2_normalize, unit_spread])
def test_gradient_passes_gradcheck(function):
    feat = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, feat)


def test_unit_spread_makes_the_mean_squared_distance_one():
    feat = unit_spread(40 + 7 * torch.randn(30, 4, dtype=torch.float64))
    distance = (feat[:, None] - feat[None]).square().sum(dim=2)
    torch.testing.assert_close(distance.mean().item(), 1.0)


@pytest.mark.parametrize('rows', [0, 1, 3])
def test_rows_without_spread_become_zeros_with_a_finite_gradient(rows):
    feat = torch.ones(rows, 2, requires_grad=True)
    unit_spread(feat).sum().backward()
    assert (unit_spread(feat) == 0).all() and torch.isfinite(feat.grad).all()


def test_segment_means_equal_the_loop_and_empty_segments_are_zero():
    feat = torch.randn(9, 3, dtype=torch.float64, requires_grad=True)
    segment = torch.tensor([2, 0, 2, 5, 0, 0, 5, 5, 5])
    means = segment_mean(feat, segment, 7)
    for g in range(7):
        rows = feat[segment == g]
        torch.testing.assert_close(means[g], rows.mean(dim=0) if len(rows) else feat.new_zeros(3))
    assert torch.autograd.gradcheck(lambda f: segment_mean(f, segment, 7), feat)

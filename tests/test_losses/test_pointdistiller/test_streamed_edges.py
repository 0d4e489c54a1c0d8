import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from projects.SRKD.losses.pointdistiller import streamed_edges
from projects.SRKD.losses.pointdistiller.edge_graph import EdgeGraph
from projects.SRKD.losses.pointdistiller.streamed_edges import (
    edge_mean_square,
    edge_mse,
    edge_peaks,
    neighbor_sum,
)

SHAPES = [[(1, 1)], [(4, 6)], [(3, 2), (1, 9), (5, 4)]]


@pytest.fixture(params=[1, 24, 1 << 18])
def block(request, monkeypatch):
    monkeypatch.setattr(streamed_edges, 'MAX_VALUES', request.param)


def make(shapes, rows=7, width=3, seed=0):
    """Halves of the student and of the teacher, neighbors, weights."""
    gen = torch.Generator().manual_seed(seed)
    neighbors = [torch.randint(0, rows, shape, generator=gen) for shape in shapes]
    anchors = sum(len(each) for each in neighbors)
    halves = [
        torch.randn(size, width, generator=gen, dtype=torch.float64).requires_grad_()
        for size in (rows, anchors, rows, anchors)
    ]
    return halves, neighbors, torch.rand(anchors, generator=gen, dtype=torch.float64)


def features(around, center, neighbors, relu):
    """Of every anchor's edges, (K_b, c) each."""
    rows = [row for each in neighbors for row in each.tolist()]
    found = [around[row] + own for row, own in zip(rows, center)]
    return [each.relu() for each in found] if relu else found


@pytest.mark.usefixtures('block')
@pytest.mark.parametrize('shapes', SHAPES)
@pytest.mark.parametrize('relu', [True, False])
@pytest.mark.parametrize('trained', [(0, 1), (0, 1, 2, 3), (0,), (1,), (3,)])
def test_value_and_gradients_equal_autograd(shapes, relu, trained):
    halves, neighbors, weight = make(shapes)
    for i, half in enumerate(halves):
        half.requires_grad_(i in trained)
    value = edge_mse(halves[:2], halves[2:], neighbors, weight, relu)
    pairs = zip(*(features(*halves[i : i + 2], neighbors, relu) for i in (0, 2)))
    expected = sum(w * (own - other).square().mean() for w, (own, other) in zip(weight, pairs))
    torch.testing.assert_close(value, expected)
    learned = [halves[i] for i in trained]
    for gradients in zip(*(torch.autograd.grad(3 * each, learned) for each in (value, expected))):
        torch.testing.assert_close(*gradients)


@pytest.mark.usefixtures('block')
@pytest.mark.parametrize('relu', [True, False])
def test_gradients_equal_finite_differences(relu):
    halves, neighbors, weight = make(SHAPES[2])

    def loss(*halves):
        return edge_mse(halves[:2], halves[2:], neighbors, weight, relu)

    assert torch.autograd.gradcheck(loss, halves)


@pytest.mark.usefixtures('block')
@pytest.mark.parametrize('shapes', SHAPES)
def test_mean_squares_and_sums_equal_autograd(shapes):
    (around, center, *_), neighbors, _ = make(shapes)
    edges = features(around, center, neighbors, relu=False)
    sums = [around[row].sum(dim=0) for each in neighbors for row in each]
    for value, expected in (
        (edge_mean_square(around, center, neighbors), torch.cat(edges).square().mean(dim=0)),
        (neighbor_sum(around, neighbors) + center, torch.stack(sums) + center),
    ):
        torch.testing.assert_close(value, expected)
        slope = torch.rand(value.shape, dtype=torch.float64)
        grads = [
            torch.autograd.grad((each * slope).sum(), (around, center))
            for each in (value, expected)
        ]
        for gradients in zip(*grads):
            torch.testing.assert_close(*gradients)


def test_only_what_is_trained_gets_a_gradient():
    halves, neighbors, weight = make(SHAPES[1])
    halves = [halves[0], halves[1], halves[2].detach(), halves[3].detach()]
    weight.requires_grad_()
    edge_mse(halves[:2], halves[2:], neighbors, weight).backward()
    assert [half.grad is not None for half in halves] == [True, True, False, False]
    assert weight.grad is None


def test_differentiating_twice_is_refused():
    halves, neighbors, weight = make(SHAPES[1])
    for value in (
        edge_mse(halves[:2], halves[2:], neighbors, weight),
        edge_mean_square(*halves[:2], neighbors).sum(),
        neighbor_sum(halves[0], neighbors).sum(),
    ):
        with pytest.raises(RuntimeError, match='without create_graph=True'):
            value.backward(create_graph=True)


def test_backward_may_be_called_again():
    halves, neighbors, weight = make(SHAPES[1])
    value = edge_mse(halves[:2], halves[2:], neighbors, weight)
    first, second = (torch.autograd.grad(value, halves, retain_graph=True) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(first, second))


@pytest.mark.parametrize('shapes', SHAPES)
@pytest.mark.parametrize('relu', [True, False])
def test_peaks_are_the_largest_features(shapes, relu):
    (around, center, *_), neighbors, _ = make(shapes)
    peaks = edge_peaks(around, center, neighbors, relu)
    assert peaks.tolist() == [x.max().item() for x in features(around, center, neighbors, relu)]
    assert not peaks.requires_grad


class Largest(TorchDispatchMode):
    """Remember the most values any operation has returned."""

    values = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        own = [x.numel() for x in tree_leaves(result) if isinstance(x, torch.Tensor)]
        # An expanded tensor is large in name only.
        self.values = max(self.values, *own, 0) if 'expand' not in str(function) else self.values
        return result


@pytest.mark.parametrize('trained', [False, True])
def test_no_operation_holds_the_features_of_all_edges(monkeypatch, trained):
    monkeypatch.setattr(streamed_edges, 'MAX_VALUES', 1000)
    feat = torch.randn(200, 3, requires_grad=True)
    neighbors = [torch.randint(0, 200, (100, 50)), torch.randint(0, 200, (20, 30))]
    student, teacher = EdgeGraph(3, 4), EdgeGraph(3, 4).requires_grad_(trained)
    with Largest() as largest:
        nodes = [graph.on_nodes(x, neighbors) for graph, x in ((student, feat), (teacher, feat))]
        edge_mse(*nodes, neighbors, torch.ones(120)).backward()
    assert feat.grad.abs().max() > 0
    # The rows of the neighbors are the largest; the features would be four times that.
    assert largest.values == 100 * 50 + 20 * 30


def test_float32_loses_nothing_over_many_edges():
    halves, neighbors, weight = make([(1500, 100)], rows=1500, width=32)
    value = edge_mse(halves[:2], halves[2:], neighbors, weight)
    grads = torch.autograd.grad(value, halves)
    single = [half.detach().float().requires_grad_() for half in halves]
    low = edge_mse(single[:2], single[2:], neighbors, weight.float())
    torch.testing.assert_close(low.double(), value, rtol=1e-6, atol=0)
    for got, expected in zip(torch.autograd.grad(low, single), grads):
        assert (got - expected).norm() < 1e-6 * expected.norm()

import pytest
import torch
import torch.nn.functional as F

from projects.SRKD.losses.edge_graph import EdgeGraph
from projects.SRKD.losses.local_graph import edge_features


def make(rows=9, anchors=4, k=5, seed=0):
    gen = torch.Generator().manual_seed(seed)
    feat = torch.randn(rows, 3, generator=gen, dtype=torch.float64, requires_grad=True)
    return feat, torch.randint(0, rows, (anchors, k), generator=gen)


def graph(**options):
    torch.manual_seed(0)
    own = EdgeGraph(3, 6, **options).double()
    if own.scale is not None:
        with torch.no_grad():
            own.scale.uniform_(0.5, 2)
            own.shift.uniform_(-1, 1)
    return own


@pytest.mark.parametrize('edge', ['concat', 'sub'])
@pytest.mark.parametrize('affine', [False, True])
@pytest.mark.parametrize('relu', [False, True])
def test_a_layer_is_convolution_batch_norm_and_relu(edge, affine, relu):
    own = graph(edge=edge, affine=affine, relu=relu)
    edges = edge_features(*make(), edge)  # (Q, K, 2C)
    image = F.conv2d(edges.permute(2, 0, 1)[None], own.conv.weight[:, :, None, None])
    norm = torch.nn.BatchNorm2d(6, affine=False).double()(image)[0].permute(1, 2, 0)
    expected = norm * own.scale + own.shift if affine else norm
    torch.testing.assert_close(own(edges), expected.relu() if relu else expected)


@pytest.mark.parametrize('edge', ['concat', 'sub'])
@pytest.mark.parametrize(('rows', 'anchors', 'k'), [(1, 1, 1), (2, 1, 2), (9, 4, 5), (5, 5, 1)])
def test_nodes_give_what_edges_give_with_their_gradients(edge, rows, anchors, k):
    feat, neighbors = make(rows, anchors, k)
    own = graph(edge=edge)
    centre = neighbors[:, :1].expand_as(neighbors)
    value = own.on_nodes(feat, centre.flatten(), neighbors.flatten()).view(anchors, k, 6)
    expected = own(edge_features(feat, neighbors, edge))
    torch.testing.assert_close(value, expected)
    slope = torch.randn(value.shape, dtype=torch.float64)
    learned = [feat, *own.parameters()]
    for gradients in zip(
        *(torch.autograd.grad((each * slope).sum(), learned) for each in (value, expected))
    ):
        torch.testing.assert_close(*gradients)


def test_no_edge_is_built_from_nodes():
    feat, neighbors = make(rows=200, anchors=100, k=50)
    own = EdgeGraph(3, 2).double()
    centre = neighbors[:, :1].expand_as(neighbors).flatten()
    kept = []

    def keep(tensor):
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        own.on_nodes(feat, centre, neighbors.flatten())
    assert max(kept) == 100 * 50 * 2  # E c, not E 2C


def test_one_edge_gives_the_shift_and_finite_gradients():
    own = graph(relu=False)
    feat, _ = make(1, 1, 1)
    end = torch.zeros(1).long()
    value = own.on_nodes(feat, end, end)
    torch.testing.assert_close(value[0], own.shift)
    value.sum().backward()
    assert all(torch.isfinite(x.grad).all() for x in (feat, *own.parameters()))

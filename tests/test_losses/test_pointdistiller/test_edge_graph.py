import pytest
import torch
import torch.nn.functional as F

from projects.SRKD.losses.pointdistiller.edge_graph import EdgeGraph
from projects.SRKD.losses.pointdistiller.local_graph import edge_features


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
    own = graph(affine=affine, relu=relu)
    edges = edge_features(*make(), edge)  # (Q, K, 2C)
    image = F.conv2d(edges.permute(2, 0, 1)[None], own.conv.weight[:, :, None, None])
    norm = torch.nn.BatchNorm2d(6, affine=False).double()(image)[0].permute(1, 2, 0)
    expected = norm * own.scale + own.shift if affine else norm
    torch.testing.assert_close(own(edges), expected.relu() if relu else expected)


SAMPLES = [[(1, 1)], [(1, 2)], [(4, 5)], [(5, 1), (2, 3), (1, 9)]]


def edges_of(own, feat, neighbors, edge):
    """Graph features (E, c) from built edges, and from the two halves."""
    built = [edge_features(feat, rows, edge).flatten(0, 1) for rows in neighbors]
    around, center = own.on_nodes(feat, neighbors, edge)
    degree = torch.cat([torch.full((len(rows),), rows.shape[1]) for rows in neighbors])
    ends = torch.cat([rows.flatten() for rows in neighbors])
    summed = around[ends] + center.repeat_interleave(degree, dim=0)
    return own(torch.cat(built)), summed.relu() if own.relu else summed


@pytest.mark.parametrize('edge', ['concat', 'sub'])
@pytest.mark.parametrize(('affine', 'relu'), [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize('shapes', SAMPLES)
def test_nodes_give_what_edges_give_with_their_gradients(edge, affine, relu, shapes):
    feat, _ = make()
    neighbors = [make(9, *shape, seed=i)[1] for i, shape in enumerate(shapes)]
    own = graph(affine=affine, relu=relu)
    expected, value = edges_of(own, feat, neighbors, edge)
    torch.testing.assert_close(value, expected)
    slope = torch.randn(value.shape, dtype=torch.float64)
    learned = [feat, *own.parameters()]
    for gradients in zip(
        *(torch.autograd.grad((each * slope).sum(), learned) for each in (value, expected))
    ):
        torch.testing.assert_close(*gradients, atol=1e-9, rtol=1e-6)


def test_one_edge_gives_the_shift_and_finite_gradients():
    own = graph(relu=False)
    feat, _ = make(1, 1, 1)
    around, center = own.on_nodes(feat, [torch.zeros(1, 1).long()])
    value = around + center
    torch.testing.assert_close(value[0], own.shift)
    value.sum().backward()
    assert all(torch.isfinite(x.grad).all() for x in (feat, *own.parameters()))


@pytest.mark.parametrize('edge', ['concat', 'sub'])
def test_small_differences_of_far_features_keep_their_variance_in_float32(edge):
    # Neighbors a hundredth apart, around 10, by a convolution that has learned their difference:
    # sums over nodes instead of edges would lose two more digits.
    own = graph(affine=False, relu=False)
    gen = torch.Generator().manual_seed(0)
    center = torch.randn(60, 1, 3, generator=gen, dtype=torch.float64) * 3 + 10
    feat = center + 0.01 * torch.randn(60, 20, 3, generator=gen, dtype=torch.float64)
    feat = feat.flatten(0, 1)
    with torch.no_grad():
        first, second = own.conv.weight.chunk(2, dim=1)
        second.copy_(-first if edge == 'concat' else 1e-3 * first)
    neighbors = [torch.arange(1200).view(60, 20)]
    expected, _ = edges_of(own, feat, neighbors, edge)
    _, value = edges_of(own.float(), feat.float(), neighbors, edge)
    torch.testing.assert_close(value.std(dim=0).double(), expected.std(dim=0), rtol=1e-5, atol=0)
    torch.testing.assert_close(value.double(), expected, rtol=0, atol=1e-3)

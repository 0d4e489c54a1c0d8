import pytest
import torch
from torch import nn

from projects.SRKD.losses.pointdistiller.edge_graph import EdgeGraph
from projects.SRKD.losses.pointdistiller.local_graph import (
    edge_features,
    local_graph_mse,
    nearest_in_feature_space,
)


def reference(student, teacher, neighbors, weight=None, graphs=(None, None), edge='concat'):
    """The definition, edge by edge in float64."""
    total = student.sum() * 0
    terms = 0
    for q, row in enumerate(neighbors.tolist()):
        for neighbor in row:
            ends = []
            for feat, graph in zip((student, teacher), graphs):
                center = feat[row[0]]
                first = feat[neighbor] if edge == 'concat' else center - feat[neighbor]
                both = torch.cat([first, center])
                ends.append(both if graph is None else graph(both))
            for a, b in zip(*ends):
                total = total + (1 if weight is None else weight[q]) * (a - b) ** 2
                terms += 1
    return total / max(terms, 1)


def make(rows, shape, width_s=3, width_t=3, seed=0):
    gen = torch.Generator().manual_seed(seed)
    student = torch.randn(rows, width_s, generator=gen, dtype=torch.float64)
    teacher = torch.randn(rows, width_t, generator=gen, dtype=torch.float64)
    neighbors = torch.randint(0, max(rows, 1), shape, generator=gen)
    weight = torch.rand(shape[0], generator=gen, dtype=torch.float64)
    return student.requires_grad_(), teacher, neighbors, weight


SHAPES = [(1, (1, 1)), (4, (1, 4)), (5, (3, 2)), (6, (6, 1)), (9, (4, 7))]


@pytest.mark.parametrize(('rows', 'shape'), SHAPES)
@pytest.mark.parametrize('edge', ['concat', 'sub'])
@pytest.mark.parametrize('weighted', [False, True])
def test_value_and_gradient_equal_the_loop(rows, shape, edge, weighted):
    student, teacher, neighbors, weight = make(rows, shape)
    weight = weight if weighted else None
    value = local_graph_mse(student, teacher, neighbors, weight, edge=edge)
    expected = reference(student, teacher, neighbors, weight, edge=edge)
    torch.testing.assert_close(value, expected)
    gradients = [torch.autograd.grad(each, student)[0] for each in (value, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(('rows', 'shape'), SHAPES)
@pytest.mark.parametrize('edge', ['concat', 'sub'])
def test_graphs_lead_two_widths_to_one_and_are_trained(rows, shape, edge):
    student, teacher, neighbors, weight = make(rows, shape, width_t=5)
    graphs = [nn.Sequential(nn.Linear(2 * c, 4), nn.Tanh()).double() for c in (3, 5)]
    value = local_graph_mse(student, teacher, neighbors, weight, *graphs, edge)
    expected = reference(student, teacher, neighbors, weight, graphs, edge)
    torch.testing.assert_close(value, expected)
    learned = [student, *graphs[0].parameters(), *graphs[1].parameters()]
    for gradients in zip(*(torch.autograd.grad(each, learned) for each in (value, expected))):
        torch.testing.assert_close(*gradients)


def test_one_graph_alone_may_lift_the_student():
    student, teacher, neighbors, weight = make(5, (3, 2), width_t=4)
    graph = nn.Linear(6, 8).double()
    value = local_graph_mse(student, teacher, neighbors, weight, student_graph=graph)
    torch.testing.assert_close(value, reference(student, teacher, neighbors, weight, (graph, None)))


SAMPLES = [(4, 3), (1, 6), (3, 1)]  # anchors and neighbors of three samples


def per_sample(student, teacher, rows=9):
    """The definition over samples that differ in K: the mean over anchors of each one's mean."""
    gen = torch.Generator().manual_seed(1)
    samples = [torch.randint(0, rows, shape, generator=gen) for shape in SAMPLES]
    weights = [torch.rand(len(each), generator=gen, dtype=torch.float64) for each in samples]

    def expected(graphs=(None, None), edge='concat'):
        parts = [
            len(found) * reference(student, teacher, found, weight, graphs, edge)
            for found, weight in zip(samples, weights)
        ]
        return sum(parts) / sum(map(len, samples))

    return samples, torch.cat(weights), expected


@pytest.mark.parametrize('edge', ['concat', 'sub'])
@pytest.mark.parametrize('mapped', [False, True])
def test_samples_may_differ_in_anchors_and_neighbors(edge, mapped):
    student, teacher, _, _ = make(9, (1, 1))
    samples, weight, expected = per_sample(student, teacher)
    graphs = (None, None)
    if mapped:
        graphs = [nn.Sequential(nn.Linear(6, 4), nn.Tanh()).double() for _ in range(2)]
    value = local_graph_mse(student, teacher, samples, weight, *graphs, edge)
    torch.testing.assert_close(value, expected(graphs, edge))
    gradients = [torch.autograd.grad(x, student)[0] for x in (value, expected(graphs, edge))]
    torch.testing.assert_close(*gradients)


def largest(score):
    return 3 * score


@pytest.mark.parametrize('edge', ['concat', 'sub'])
@pytest.mark.parametrize('relu', [(True, True), (False, False), (True, False)])
@pytest.mark.parametrize('kind', ['none', 'given', 'of the largest feature'])
@pytest.mark.parametrize('several', [False, True])
def test_edge_graphs_give_without_edges_what_they_give_as_functions(edge, relu, kind, several):
    student, teacher, neighbors, weight = make(9, (4, 7), width_t=5)
    if several:
        neighbors, weight, _ = per_sample(student, teacher)
    weight = {'none': None, 'given': weight, 'of the largest feature': largest}[kind]
    torch.manual_seed(0)
    graphs = [EdgeGraph(c, 4, relu=ends).double() for c, ends in zip((3, 5), relu)]
    learned = [student, *graphs[0].parameters(), *graphs[1].parameters()]
    built = [graph.forward for graph in graphs]  # functions like any other
    values = [
        local_graph_mse(student, teacher, neighbors, weight, *g, edge) for g in (graphs, built)
    ]
    torch.testing.assert_close(*values)
    for gradients in zip(*(torch.autograd.grad(each, learned) for each in values)):
        torch.testing.assert_close(*gradients, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize('lifted', [False, True])
def test_a_weight_may_be_made_of_the_teachers_largest_graph_feature(lifted):
    student, teacher, neighbors, _ = make(9, (4, 7))
    graphs = [nn.Linear(6, 4).double() for _ in range(2)] if lifted else (None, None)
    edges = edge_features(teacher, neighbors)
    peaks = (graphs[1](edges) if lifted else edges).detach().amax(dim=(1, 2))
    value = local_graph_mse(student, teacher, neighbors, largest, *graphs)
    torch.testing.assert_close(value, reference(student, teacher, neighbors, 3 * peaks, graphs))


@pytest.mark.parametrize('graph', [None, EdgeGraph(3, 4).double(), nn.Linear(6, 2).double()])
def test_samples_without_anchors_change_nothing(graph):
    student, teacher, neighbors, weight = make(9, (4, 7))
    nobody = torch.zeros(0, 3).long()
    values = [
        local_graph_mse(student, teacher, samples, weight, graph, graph)
        for samples in ([nobody, neighbors, nobody], [neighbors])
    ]
    assert torch.equal(*values)


def test_without_edges_the_graphs_parameters_take_part():
    student, teacher, _, _ = make(4, (1, 1))
    graphs = [EdgeGraph(3, 4).double() for _ in range(2)]
    local_graph_mse(student, teacher, [], None, *graphs).backward()
    learned = [student, *graphs[0].parameters(), *graphs[1].parameters()]
    assert all((x.grad == 0).all() for x in learned)


def test_each_node_as_its_own_only_neighbor_is_the_plain_mse():
    student, teacher, _, _ = make(7, (7, 1))
    value = local_graph_mse(student, teacher, torch.arange(7)[:, None])
    torch.testing.assert_close(value, (student - teacher).square().mean())


@pytest.mark.parametrize('edge', ['concat', 'sub'])
def test_edges_hold_neighbor_and_center(edge):
    feat = torch.tensor([[1.0], [10.0], [100.0]])
    found = edge_features(feat, torch.tensor([[1, 1], [2, 0]]), edge).tolist()
    first = {'concat': [[10, 10], [100, 1]], 'sub': [[0, 0], [0, 99]]}[edge]
    assert found == [[[a, c] for a in row] for row, c in zip(first, (10, 100))]


@pytest.mark.parametrize(
    ('rows', 'shape', 'width'), [(0, (0, 4), 3), (4, (0, 2), 3), (4, (2, 0), 3), (4, (2, 2), 0)]
)
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_nothing_to_compare_gives_a_connected_zero(rows, shape, width, dtype):
    student = torch.ones(rows, width, dtype=dtype, requires_grad=True)
    value = local_graph_mse(student, torch.zeros(rows, width), torch.zeros(shape).long())
    value.backward()
    assert value == 0 and value.dtype == torch.float32
    assert (student.grad == 0).all() and student.grad.shape == student.shape


def test_half_inputs_are_raised_and_autocast_changes_nothing():
    student, teacher, neighbors, weight = make(9, (4, 7))
    graphs = nn.Linear(6, 4), nn.Linear(6, 4)
    half = student.detach().bfloat16(), teacher.half()
    with torch.autocast('cpu', torch.bfloat16):
        value = local_graph_mse(*half, neighbors, weight, *graphs)
    raised = (feat.float() for feat in half)
    assert torch.equal(value, local_graph_mse(*raised, neighbors, weight, *graphs))
    assert value.dtype == torch.float32


def test_teacher_and_weight_are_detached():
    student, teacher, neighbors, weight = make(9, (4, 7))
    teacher.requires_grad_(), weight.requires_grad_()
    local_graph_mse(student, teacher, neighbors, weight).backward()
    assert student.grad.abs().max() > 0 and teacher.grad is None and weight.grad is None


@pytest.mark.parametrize('k', [1, 3, 6, 50])
def test_neighbors_are_nearest_in_the_features_with_the_anchor_first(k):
    gen = torch.Generator().manual_seed(0)
    feat = torch.randn(12, 4, generator=gen, dtype=torch.float64)
    rows = torch.tensor([0, 2, 3, 5, 7, 11])
    anchors = torch.tensor([7, 2])
    found = nearest_in_feature_space(feat, anchors, rows, k)
    for anchor, own in zip(anchors.tolist(), found.tolist()):
        order = sorted(rows.tolist(), key=lambda r: float((feat[r] - feat[anchor]).square().sum()))
        assert own == order[:k] and own[0] == anchor


def test_an_anchor_among_copies_of_itself_is_still_its_first_neighbor():
    feat = torch.zeros(9, 2)
    anchors = torch.arange(9)
    for k in (1, 2, 9):
        found = nearest_in_feature_space(feat, anchors, torch.arange(9), k)
        assert torch.equal(found[:, 0], anchors)
        assert all(len(set(row)) == k for row in found.tolist())


SMALL = dict(student=(3, 2), teacher=(3, 2), neighbors=torch.tensor([[0, 1]]))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(teacher=(3, 4)), 'student has 2 channels but teacher has 4; give graphs'),
        (dict(teacher=(4, 2)), 'student has 3 rows but teacher has 4'),
        (dict(neighbors=torch.tensor([0, 1])), r'neighbors must be \(Q, K\) int64 .* got \(2,\)'),
        (dict(neighbors=torch.zeros(1, 2)), r'neighbors must be .* got \(1, 2\) torch.float32'),
        (dict(neighbors=torch.tensor([[0, 3]])), r'must lie in \[0, 3\), .* but span 0 to 3'),
        (dict(neighbors=torch.tensor([[-1, 0]])), r'must lie in \[0, 3\), .* but span -1 to 0'),
        (dict(weight=torch.ones(2)), r'weight must have shape \(1,\), .* but got \(2,\)'),
        (
            dict(weight=lambda peaks: peaks[:, None]),
            r'weight must have shape \(1,\), .* got \(1, 1\)',
        ),
        (dict(neighbors=[torch.tensor([[0, 1]]), torch.tensor([[3]])]), 'but span 3 to 3'),
        (
            dict(neighbors=[torch.tensor([[0, 1]]), torch.zeros(2, 0).long()]),
            r'must hold at least the anchors in every sample, but got \(1, 2\), \(2, 0\)',
        ),
        (dict(edge='subtract'), "edge must be one of .*, nearest: 'sub'"),
        (dict(student_graph=nn.Linear(4, 3)), r'one shape, but got \(1, 2, 3\) and \(1, 2, 4\)'),
    ],
)
def test_bad_arguments_are_refused(changes, message):
    arguments = {**SMALL, **changes}
    for name in ('student', 'teacher'):
        arguments[name] = torch.zeros(arguments[name])
    with pytest.raises(ValueError, match=message):
        local_graph_mse(**arguments)

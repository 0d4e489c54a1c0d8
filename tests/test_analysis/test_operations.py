import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from projects.SRKD.analysis.operations import count_operations, count_pairs
from projects.SRKD.ops.sparse_conv import SparseGrid, SubMConv3d

SHAPE = (7, 5, 6)


def sites(count, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    cells = torch.cartesian_prod(torch.arange(batch), *(torch.arange(s) for s in SHAPE))
    return cells[torch.randperm(len(cells), generator=generator)[:count]]


def dense(coors, shape=SHAPE):
    grid = torch.zeros(int(coors[:, 0].max()) + 1 if len(coors) else 1, 1, *shape)
    grid[coors[:, 0], 0, coors[:, 1], coors[:, 2], coors[:, 3]] = 1.0
    return grid


@pytest.mark.parametrize('kernel', [(3, 3, 3), (5, 5, 5), (1, 3, 1)])
@pytest.mark.parametrize('count', [1, 60, 300])
def test_submanifold_pairs_equal_a_dense_convolution_of_ones(kernel, count):
    coors = sites(count)
    padding = tuple(k // 2 for k in kernel)
    grid = dense(coors)
    near = F.conv3d(grid, torch.ones(1, 1, *kernel), padding=padding)
    assert count_pairs(coors, coors, kernel, padding=padding) == int((near * grid).sum())


@pytest.mark.parametrize(
    ('kernel', 'stride', 'padding', 'dilation'),
    [((2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1)), ((3, 3, 3), (2, 1, 2), (1, 1, 0), (1, 2, 1))],
)
def test_strided_pairs_equal_a_dense_convolution_of_ones(kernel, stride, padding, dilation):
    coors = sites(100)
    reached = F.conv3d(
        dense(coors), torch.ones(1, 1, *kernel), stride=stride, padding=padding, dilation=dilation
    )
    outputs = reached[:, 0].nonzero()
    pairs = count_pairs(coors, outputs, kernel, stride, padding, dilation)
    assert pairs == int(reached.sum()) > 0


def test_no_sites_have_no_pairs():
    none = torch.empty(0, 4, dtype=torch.long)
    assert count_pairs(none, none, (3, 3, 3)) == 0
    assert count_pairs(sites(3), none, (3, 3, 3)) == 0


def test_linear_counts_rows_times_weights():
    layer = nn.Linear(7, 3)
    with count_operations(layer) as counter:
        layer(torch.ones(2, 5, 7))
    assert counter.flops == {'linear': 2 * 10 * 7 * 3}


def test_attention_counts_scores_and_weighted_sum():
    query, key = torch.ones(2, 4, 10, 8), torch.ones(2, 4, 6, 8)
    value = torch.ones(2, 4, 6, 5)
    with count_operations(nn.Identity()) as counter:
        F.scaled_dot_product_attention(query, key, value)
        F.scaled_dot_product_attention(query, key=key, value=value)
    assert counter.flops == {'attention': 2 * 2 * (2 * 4 * 10 * 6 * (8 + 5))}


@pytest.mark.parametrize(
    ('layer', 'shape'),
    [
        (nn.Conv2d(4, 6, 3, stride=2, padding=1), (2, 4, 9, 8)),
        (nn.Conv2d(4, 6, 3, groups=2), (1, 4, 9, 8)),
        (nn.Conv1d(3, 5, 1), (2, 3, 11)),
        (nn.ConvTranspose2d(4, 6, 2, stride=2), (2, 4, 9, 8)),
        (nn.Linear(4, 6), (3, 4)),
    ],
)
def test_dense_layers_agree_with_torchs_own_counter(layer, shape):
    x = torch.ones(shape)
    with count_operations(layer) as ours:
        layer(x)
    with FlopCounterMode(display=False) as theirs:
        layer(x)
    assert sum(ours.flops.values()) == theirs.get_total_flops() > 0


def test_products_outside_of_layers_are_counted():
    with count_operations(nn.Identity()) as counter:
        torch.ones(3, 4) @ torch.ones(4, 5)
        torch.ones(2, 3, 4) @ torch.ones(2, 4, 5)
    assert counter.flops == {'linear': 2 * 3 * 4 * 5, 'attention': 2 * 2 * 3 * 4 * 5}


def test_dense_and_sparse_layers_in_turn_are_counted_once_each():
    coors, dense_layer, sparse = sites(150), nn.Linear(4, 4), SubMConv3d(4, 4, 3)
    network = nn.ModuleList([dense_layer, sparse])
    with count_operations(network) as counter:
        feat = torch.ones(150, 4)
        for _ in range(2):
            feat = sparse(dense_layer(feat), SparseGrid(coors))
    pairs = count_pairs(coors, coors, (3, 3, 3), padding=(1, 1, 1))
    expected = {'linear': 2 * 2 * 150 * 16, 'sparse convolution': 2 * 2 * pairs * 16}
    assert counter.flops == expected
    assert not sparse._forward_hooks and not sparse._forward_pre_hooks


@pytest.mark.parametrize('kernel', [1, 3, 5])
def test_own_sparse_convolution_multiplies_what_is_counted(kernel):
    coors = sites(150)
    layer = SubMConv3d(4, 6, kernel)
    with count_operations(layer) as ours:
        layer(torch.ones(150, 4), SparseGrid(coors))
    with FlopCounterMode(display=False) as theirs:  # on CPU the layer gathers exactly the pairs
        layer(torch.ones(150, 4), SparseGrid(coors))
    assert ours.flops['sparse convolution'] == theirs.get_total_flops()


def test_spconv_network_multiplies_what_is_counted():
    spconv = pytest.importorskip('spconv.pytorch')
    network = spconv.SparseSequential(
        spconv.SubMConv3d(4, 6, 3, indice_key='a'),
        spconv.SparseConv3d(6, 8, 2, stride=2, indice_key='down'),
        spconv.SubMConv3d(8, 8, 1),
        spconv.SparseInverseConv3d(8, 5, 2, indice_key='down'),
    )
    coors = sites(120)

    def run():
        tensor = spconv.SparseConvTensor(torch.ones(120, 4), coors.int(), SHAPE, 2)
        return network(tensor).features

    with count_operations(network) as ours, torch.no_grad():
        run()
    near = int((F.conv3d(dense(coors), torch.ones(1, 1, 3, 3, 3), padding=1) * dense(coors)).sum())
    # spconv drops the last layer of an odd axis: its output shape is floor((size - 2) / 2) + 1.
    below = F.conv3d(dense(coors), torch.ones(1, 1, 2, 2, 2), stride=2)
    halves, coarse = int(below.sum()), int((below > 0).sum())
    pairs = near * 4 * 6 + halves * 6 * 8 + coarse * 8 * 8 + halves * 8 * 5
    assert ours.flops == {'sparse convolution': 2 * pairs}


def test_counting_ends_with_the_block():
    layer = nn.Linear(2, 2)
    with count_operations(layer) as counter:
        layer(torch.ones(1, 2))
    layer(torch.ones(1, 2))
    assert counter.flops == {'linear': 8} and not layer._forward_hooks

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from projects.SRKD.ops import sparse_conv
from projects.SRKD.ops.sparse_conv import (
    SparseGrid,
    SubMConv3d,
    pair_conv,
    sparse_backend,
    submanifold_pairs,
)


def scattered(shape=(2, 6, 7, 5), share=0.4, seed=0):
    """Occupied voxels of a dense grid in random row order."""
    generator = torch.Generator().manual_seed(seed)
    coors = (torch.rand(shape, generator=generator) < share).nonzero()
    return coors[torch.randperm(len(coors), generator=generator)]


def dense(conv, feat, coors, shape):
    """The same convolution by ``conv3d`` on the dense grid, read at the occupied voxels."""
    grid = feat.new_zeros(*shape, feat.shape[1]).index_put(tuple(coors.T), feat)
    out = F.conv3d(
        grid.permute(0, 4, 1, 2, 3), conv.weight.permute(0, 4, 1, 2, 3), conv.bias,
        padding=conv.kernel_size // 2,
    )  # fmt: skip
    return out.permute(0, 2, 3, 4, 1)[tuple(coors.T)]


def gradients(out, conv, feat):
    wanted = [feat, *conv.parameters()]
    seed = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad(out, wanted, seed)


@pytest.mark.parametrize('kernel_size', [1, 3, 5])
@pytest.mark.parametrize('bias', [False, True])
def test_convolution_equals_the_dense_one_in_value_and_gradient(kernel_size, bias):
    shape = (2, 6, 7, 5)
    coors = scattered(shape)
    conv = SubMConv3d(4, 6, kernel_size, bias=bias).double()
    feat = torch.randn(len(coors), 4, dtype=torch.float64, requires_grad=True)
    got, expected = conv(feat, SparseGrid(coors)), dense(conv, feat, coors, shape)
    torch.testing.assert_close(got, expected)
    for one, other in zip(gradients(got, conv, feat), gradients(expected, conv, feat)):
        torch.testing.assert_close(one, other)


@pytest.mark.two_threads
def test_thirty_repeats_with_two_threads_agree_with_the_dense_one():
    shape = (2, 30, 30, 10)
    coors = scattered(shape, share=0.3)
    conv = SubMConv3d(16, 16, 3)
    feat = torch.randn(len(coors), 16, requires_grad=True)
    expected = dense(conv, feat, coors, shape)
    wanted = gradients(expected, conv, feat)
    for _ in range(30):
        got = conv(feat, SparseGrid(coors))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
        for one, other in zip(gradients(got, conv, feat), wanted):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_pairs_equal_a_loop_over_voxels():
    coors = scattered((3, 4, 4, 4))
    row = {tuple(coor): i for i, coor in enumerate(coors.tolist())}
    pairs = submanifold_pairs(coors, 3)
    for k, pair in enumerate(pairs):
        if k == 13:
            assert pair is None
            continue
        dx, dy, dz = k // 9 - 1, k // 3 % 3 - 1, k % 3 - 1
        expected = {
            (row[b, x + dx, y + dy, z + dz], out)
            for (b, x, y, z), out in row.items()
            if (b, x + dx, y + dy, z + dz) in row
        }
        assert set(zip(*(rows.tolist() for rows in pair))) == expected


def test_coordinates_up_to_sixteen_bits_do_not_wrap():
    edge = 2**16 - 1
    coors = torch.tensor([[0, 0, edge, edge], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, edge, edge - 1]])
    found = {
        (int(a), int(b))
        for pair in submanifold_pairs(coors, 3)
        if pair is not None
        for a, b in zip(*pair)
    }
    assert found == {(0, 3), (3, 0)}


@pytest.mark.parametrize('rows', [0, 1])
def test_empty_and_single_row_clouds_pass(rows):
    conv = SubMConv3d(2, 3, 3)
    feat = torch.randn(rows, 2, requires_grad=True)
    out = conv(feat, SparseGrid(torch.zeros(rows, 4, dtype=torch.long)))
    out.sum().backward()
    assert out.shape == (rows, 3)
    assert feat.grad.shape == feat.shape


def test_half_inputs_are_accumulated_in_float32():
    coors = scattered()
    conv = SubMConv3d(16, 8, 3)
    feat = torch.randn(len(coors), 16)
    full = conv(feat, SparseGrid(coors))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        cast = conv(feat, SparseGrid(coors))
    assert cast.dtype == torch.bfloat16
    torch.testing.assert_close(cast.float(), full, rtol=0.02, atol=0.02)


def test_pairs_of_a_kernel_inside_a_known_one_are_read_from_it():
    coors = scattered()
    grid = SparseGrid(coors)
    grid.pairs(5)
    for inner, own in zip(grid.pairs(3), submanifold_pairs(coors, 3)):
        if own is None:
            assert inner is None
            continue
        pairs = (set(zip(*(rows.tolist() for rows in pair))) for pair in (inner, own))
        assert next(pairs) == next(pairs)


def test_a_voxel_that_occurs_twice_is_refused():
    coors = torch.tensor([[0, 1, 2, 3], [1, 1, 2, 3], [0, 1, 2, 3]])
    with pytest.raises(ValueError, match=r'distinct, but .* \[0, 1, 2, 3\] occurs twice'):
        submanifold_pairs(coors, 3)


@pytest.mark.parametrize('bias', [False, True])
def test_the_door_to_spconv_gives_the_same_and_finds_pairs_once(monkeypatch, bias):
    pytest.importorskip('spconv.pytorch')
    coors = scattered()
    first, second = SubMConv3d(4, 6, 3, bias=bias), SubMConv3d(6, 5, 3, bias=bias)
    feat = torch.randn(len(coors), 4)
    grid = SparseGrid(coors)
    expected = second(first(feat, grid), grid)
    monkeypatch.setattr(sparse_conv, 'sparse_backend', lambda device_type: 'spconv')
    door = SparseGrid(coors)
    with torch.no_grad():
        middle = first(feat, door)
        table = door.indice_dict['subm3']
        out = second(middle, door)
    assert door.indice_dict['subm3'] is table
    assert not door._pairs
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    assert set(first.state_dict()) == ({'weight', 'bias'} if bias else {'weight'})


def test_a_gpu_gets_spconv_only_if_it_was_built_for_one(monkeypatch):
    monkeypatch.setattr(sparse_conv, 'find_spec', lambda name: name if name == 'spconv' else None)
    assert sparse_backend.__wrapped__('cuda') == 'spconv'  # spconv-triton: nothing is compiled
    monkeypatch.setattr(sparse_conv, 'find_spec', lambda name: name)
    for cpu_only, backend in ((True, 'torch'), (False, 'spconv')):
        constants = SimpleNamespace(CPU_ONLY_BUILD=cpu_only)
        monkeypatch.setattr(sparse_conv, 'import_module', lambda name, found=constants: found)
        assert sparse_backend.__wrapped__('cuda') == backend
    monkeypatch.setattr(sparse_conv, 'find_spec', lambda name: None)
    assert sparse_backend.__wrapped__('cuda') == 'torch'


def test_a_cpu_gets_plain_torch():
    assert sparse_backend('cpu') == 'torch'


def test_an_even_kernel_and_a_wrong_number_of_pairs_are_refused():
    with pytest.raises(ValueError, match='kernel_size must be odd, .*but got 2'):
        submanifold_pairs(scattered(), 2)
    with pytest.raises(ValueError, match='each of the 27 offsets of the kernel, but got 1'):
        pair_conv(torch.rand(3, 2), torch.rand(4, 27, 2), [None], 3)

"""spconv against dense conv3d: values and gradients in every mode, repeated with two threads."""

import pytest
import torch
from torch.nn.functional import conv3d, conv_transpose3d

from projects.SRKD import compat

spconv = pytest.importorskip('spconv.pytorch')
compat.apply()

CASES = [  # layer, kernel, stride
    ('SubMConv3d', 3, 1),
    ('SubMConv3d', 5, 1),
    ('SparseConv3d', 2, 2),
    ('SparseConv3d', 3, 2),
]


def cloud(channels, size=12, share=0.3, samples=2, seed=0):
    """A random SparseConvTensor with trainable features, and the same dense."""
    generator = torch.Generator().manual_seed(seed)
    full = torch.rand(samples, size, size, size, generator=generator) < share
    coors = full.nonzero().int()
    coors = coors[torch.randperm(len(coors), generator=generator)]
    feat = torch.randn(len(coors), channels, generator=generator, requires_grad=True)
    return spconv.SparseConvTensor(feat, coors, [size] * 3, samples), feat


def dense_conv(layer, sparse, out):
    """The same convolution by torch's dense one, read at the active outputs: (M, C_out)."""
    weight = layer.weight.permute(0, 4, 1, 2, 3)
    padding = layer.kernel_size[0] // 2 if layer.subm else layer.padding
    dense = conv3d(sparse.dense(), weight, layer.bias, layer.stride, padding)
    b, x, y, z = out.indices.long().unbind(1)
    return dense[b, :, x, y, z]


def agree(layer, sparse, feat, expected, found):
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    upstream = torch.randn_like(found)
    inputs = [feat, *layer.parameters()]
    want = torch.autograd.grad(expected, inputs, upstream, retain_graph=True)
    got = torch.autograd.grad(found, inputs, upstream)
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('kind, kernel, stride', CASES)
def test_convolution_equals_dense_in_value_and_gradients(kind, kernel, stride, training, bias):
    sparse, feat = cloud(5)
    torch.manual_seed(1)
    layer = getattr(spconv, kind)(5, 7, kernel, stride, bias=bias).train(training)
    out = layer(sparse)
    agree(layer, sparse, feat, dense_conv(layer, sparse, out), out.features)


@pytest.mark.parametrize('training', [True, False])
def test_inverse_convolution_equals_dense_transposed(training):
    sparse, feat = cloud(5)
    down = spconv.SparseConv3d(5, 7, 2, 2, indice_key='d', bias=False)
    up = spconv.SparseInverseConv3d(7, 3, 2, indice_key='d', bias=True).train(training)
    middle = down(sparse)
    out = up(middle)
    weight = up.weight.permute(4, 0, 1, 2, 3)
    dense = conv_transpose3d(middle.dense(), weight, up.bias, stride=2)
    b, x, y, z = out.indices.long().unbind(1)
    agree(up, sparse, feat, dense[b, :, x, y, z], out.features)


def test_bfloat16_autocast_stays_close_to_float32():
    sparse, feat = cloud(8)
    layer = spconv.SubMConv3d(8, 8, 3, bias=True)
    exact = layer(sparse).features
    with torch.autocast('cpu', torch.bfloat16):
        half = layer(sparse).features
    half.float().sum().backward()
    torch.testing.assert_close(half.float(), exact, rtol=0.05, atol=0.05)
    assert feat.grad.dtype == layer.weight.grad.dtype == torch.float32


def test_max_pool_repeats_exactly():
    sparse, _ = cloud(4)
    pool = spconv.SparseMaxPool3d(2, 2)
    first = pool(sparse).features
    assert all(torch.equal(first, pool(sparse).features) for _ in range(5))


@pytest.mark.two_threads
def test_repeated_calls_agree_with_dense_on_two_threads(report):
    """Ours must; how often spconv itself is wrong is told: its race needs both threads at once."""
    assert torch.get_num_threads() == 2
    sparse, feat = cloud(16, size=28, share=0.2)  # about 9,000 voxels
    layer = spconv.SubMConv3d(16, 16, 3, bias=False)
    first = layer(sparse)
    expected = dense_conv(layer, sparse, first)
    upstream = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, [feat, layer.weight], upstream)
    pairs = spconv.ops.get_indice_pairs(
        sparse.indices,
        2,
        [28] * 3,
        spconv.ConvAlgo.Native,
        [3] * 3,
        [1] * 3,
        [0] * 3,
        [1] * 3,
        [0] * 3,
        subm=True,
    )[1:]
    wrong = 0
    for _ in range(30):
        found = layer(sparse).features
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        for a, b in zip(torch.autograd.grad(found, [feat, layer.weight], upstream), wanted):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=5e-3)
        theirs = spconv.functional.indice_subm_conv.original(
            feat.detach(), layer.weight.detach(), *pairs, len(feat), spconv.ConvAlgo.Native
        )
        wrong += not torch.allclose(theirs, expected, rtol=1e-3, atol=1e-3)
    report(f'spconv was wrong in {wrong} of 30 calls here (two threads); ours in none')


def original_call(bias=None):
    """spconv's own submanifold convolution of a small cloud; its pieces ready for a backward."""
    sparse, feat = cloud(4, size=5)
    pairs = spconv.ops.get_indice_pairs(
        sparse.indices,
        2,
        [5] * 3,
        spconv.ConvAlgo.Native,
        [3] * 3,
        [1] * 3,
        [0] * 3,
        [1] * 3,
        [0] * 3,
        subm=True,
    )[1:]
    return spconv.functional.indice_subm_conv.original(
        feat, torch.randn(4, 3, 3, 3, 4), *pairs, len(feat), spconv.ConvAlgo.Native, None, bias
    )


needs_cpu_only = pytest.mark.skipif(torch.cuda.is_available(), reason='with CUDA this one works')


@needs_cpu_only
@pytest.mark.shows_a_fault
def test_without_the_cure_backward_asks_for_a_cuda_stream():
    with pytest.raises((RuntimeError, AssertionError), match='(?i)cuda'):
        original_call().sum().backward()


@needs_cpu_only
@pytest.mark.shows_a_fault
def test_without_the_cure_a_bias_in_eval_mode_is_refused():
    with pytest.raises(AssertionError, match="cpu don't support act and bias"):
        original_call(bias=torch.zeros(4))


def test_fused_activation_on_cpu_is_refused_in_a_sentence():
    from cumm import tensorview as tv

    sparse, _ = cloud(4, size=5)
    layer = spconv.SubMConv3d(4, 4, 3).eval()
    layer.act_type = tv.gemm.Activation.ReLU
    with pytest.raises(NotImplementedError, match='fuse the activation ReLU .* layer of its own'):
        layer(sparse)


def test_applying_twice_wraps_once():
    before = [getattr(spconv.functional, name) for name in ('indice_conv', 'indice_subm_conv')]
    assert compat.apply()['spconv_cpu']
    assert before == [
        getattr(spconv.functional, name) for name in ('indice_conv', 'indice_subm_conv')
    ]
    assert not hasattr(before[0].original, 'original')

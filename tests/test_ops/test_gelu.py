import math

import pytest
import torch
from torch import nn

from projects.SRKD.ops import GELU


@pytest.mark.parametrize('shape', [(7, 5), (1, 4), (6, 1), (1, 1), (0, 3)])
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16])
def test_gelu_is_x_times_the_normal_distribution(shape, dtype):
    feat = torch.randn(shape, generator=torch.Generator().manual_seed(0)).mul(2).to(dtype)
    feat.requires_grad_()
    seed = torch.rand(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    out = GELU()(feat)
    (grad,) = torch.autograd.grad(out, feat, seed)
    assert out.dtype == dtype and out.shape == shape and out.is_contiguous()
    for i in range(shape[0]):
        for j in range(shape[1]):
            x, factor = feat[i, j].double().item(), seed[i, j].double().item()
            below = (1 + math.erf(x / math.sqrt(2))) / 2
            density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
            near = (
                dict(rtol=1e-2, atol=1e-2)
                if dtype == torch.bfloat16
                else dict(rtol=1e-5, atol=1e-6)
            )
            torch.testing.assert_close(out[i, j].double().item(), x * below, **near)
            torch.testing.assert_close(
                grad[i, j].double().item(), factor * (below + x * density), **near
            )


def prepared(act, capfd):
    """Operations that oneDNN was asked for by rows of three numbers."""
    capfd.readouterr()
    with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
        for rows in (11, 12, 13):
            act(torch.randn(rows, 8, requires_grad=True)).sum().backward()
    return [line for line in capfd.readouterr().out.splitlines() if 'eltwise' in line]


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason='torch without oneDNN')
def test_it_leaves_nothing_in_the_cache_of_onednn(capfd):
    assert not prepared(GELU(), capfd)


@pytest.mark.shows_a_fault
@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason='torch without oneDNN')
def test_gelu_of_torch_asks_onednn_for_every_number_of_rows(capfd):
    assert len(prepared(nn.GELU(), capfd)) >= 6

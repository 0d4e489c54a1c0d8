import json
from pathlib import Path

import numpy as np
import pytest
import torch

from projects.SRKD.backbones import PointTransformerV3

GOLDEN = Path(__file__).parents[1] / 'golden/ptv3_pointcept_small.npz'


@pytest.fixture(scope='module')
def golden():
    """The original's network, its input and its output."""
    content = np.load(GOLDEN)
    batch = np.searchsorted(content['offset'], np.arange(len(content['grid'])), side='right')
    coors = torch.from_numpy(np.concatenate([batch[:, None], content['grid']], 1))
    network = PointTransformerV3(**json.loads(str(content['cfg'])))
    weights = {k[3:]: torch.from_numpy(content[k]) for k in content.files if k.startswith('sd/')}
    network.load_state_dict(weights)
    return network, torch.from_numpy(content['feat']), coors, torch.from_numpy(content['out'])


def test_the_plain_path_gives_the_original_s_output(benchmark, golden):
    network, feat, coors, expected = golden
    plain_forward = benchmark('ptv3_plain').plain_forward
    with torch.no_grad():
        out = plain_forward(network.eval(), feat, coors)
    assert (out - expected).abs().max() < 1e-5


def test_a_plain_training_step_has_our_gradients(benchmark, golden):
    network, feat, coors, _ = golden
    plain_forward = benchmark('ptv3_plain').plain_forward
    network = PointTransformerV3(
        in_channels=6, order=('z', 'hilbert'), stride=(2, 4), enc_depths=(1, 1, 2),
        enc_channels=(8, 16, 32), enc_num_head=(1, 2, 4), enc_patch_size=(48, 32, 8),
        dec_depths=(1, 2), dec_channels=(8, 16), dec_num_head=(1, 2), dec_patch_size=(48, 32),
        drop_path=0.3, shuffle_orders=True,
    ).double().train()  # fmt: skip
    feat = torch.randn(len(coors), 6, dtype=torch.float64)
    seed = torch.randn(len(coors), 8, dtype=torch.float64)
    found = []
    for forward in (network, lambda *inputs: plain_forward(network, *inputs)):
        torch.manual_seed(3)  # orders and dropped rows are drawn alike
        out = forward(feat, coors)
        found.append([out, *torch.autograd.grad(out, list(network.parameters()), seed)])
    for ours, plain in zip(*found):
        torch.testing.assert_close(ours, plain)


def test_a_street_has_as_many_voxels_as_wanted(benchmark, monkeypatch):
    monkeypatch.delenv('SRKD_REALDATA', raising=False)
    feat, coors, source = benchmark('scenes').street_voxels(3000)
    assert feat.shape == (3000, 6) and coors.shape == (3000, 4)
    assert len(coors.unique(dim=0)) == 3000 and coors.min() == 0
    assert torch.isfinite(feat).all() and 'procedural' in source
    with pytest.raises(ValueError, match='asked for 900000'):
        benchmark('scenes').street_voxels(900_000)


def test_its_table_has_a_line_per_case_and_goals(benchmark, monkeypatch, capsys):
    bm_ptv3 = benchmark('bm_ptv3')
    words = ['--sizes', 'half', '--voxels', '600', '--repeats', '1', '--threads', '1']
    monkeypatch.setattr('sys.argv', ['bm_ptv3.py', *words])
    monkeypatch.setattr(bm_ptv3, 'matmul', lambda device: lambda: None)
    bm_ptv3.main()
    out = capsys.readouterr().out
    assert 'half   eval     600' in out and 'half  train     600' in out
    assert 'goal | PTv3 half train, 600 voxels: plain / ours' in out


def test_networks_that_disagree_are_not_timed(benchmark):
    bm_ptv3 = benchmark('bm_ptv3')
    network = torch.nn.Linear(2, 2)
    calls = dict(ours=lambda: torch.ones(3), plain=lambda: torch.ones(3) * 1.01)
    with pytest.raises(AssertionError):
        bm_ptv3.compare(network, calls, 'cpu')

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from ptv3_reference import Reference, curve
from serialized_backbone import seeded, voxels

from projects.SRKD.backbones import PointTransformerV3, PublishedPointTransformerV3
from projects.SRKD.backbones.ptv3.block import DropPath
from projects.SRKD.backbones.ptv3.point_cloud import StageIndex
from projects.SRKD.backbones.ptv3.serialization import CURVES, grid_depth, serialize

GOLDEN = Path(__file__).parents[1] / 'golden/ptv3_pointcept_small.npz'
HALF = dict(enc_channels=(16, 32, 64, 128, 256), dec_channels=(32, 32, 64, 128))
LARGE = dict(
    enc_channels=(48, 96, 192, 384, 768),
    enc_num_head=(3, 6, 12, 24, 48),
    dec_channels=(96, 96, 192, 384),
    dec_num_head=(6, 6, 12, 24),
)
SMALL = dict(
    in_channels=4,
    order=('z', 'hilbert-trans', 'hilbert'),
    stride=(2, 2),
    enc_depths=(2, 1, 3),
    enc_channels=(8, 16, 24),
    enc_num_head=(2, 2, 3),
    enc_patch_size=(16, 8, 4),
    dec_depths=(2, 1),
    dec_channels=(12, 16),
    dec_num_head=(3, 4),
    dec_patch_size=(8, 16),
    drop_path=0.2,
    depth=6,
)


@pytest.fixture(scope='module')
def golden():
    """Output of the original code on four clouds of 1500, 300, 7 and 64 voxels."""
    content = np.load(GOLDEN)
    batch = np.searchsorted(content['offset'], np.arange(len(content['grid'])), side='right')
    coors = np.concatenate([batch[:, None], content['grid']], 1)
    return content, torch.from_numpy(coors)


def small(**changes):
    return seeded(PointTransformerV3, **SMALL | changes)


def test_codes_equal_the_original_s(golden):
    content, coors = golden
    depth = int(content['depth'])
    assert grid_depth(coors) == depth
    for name, codes in zip(json.loads(str(content['cfg']))['order'], content['codes']):
        assert np.array_equal(serialize(coors, depth, name).numpy(), codes), name


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_output_equals_the_original_s(golden, dtype):
    content, coors = golden
    network = PointTransformerV3(**json.loads(str(content['cfg'])))
    weights = {k[3:]: torch.from_numpy(content[k]) for k in content.files if k.startswith('sd/')}
    network.load_state_dict(weights, strict=True)
    with torch.no_grad():
        out = network.to(dtype).eval()(torch.from_numpy(content['feat']).to(dtype), coors)
    error = float((out - torch.from_numpy(content['out'])).abs().max())
    print(f'largest absolute error {error:.2e}')
    assert error < 1e-5


def test_bf16_stays_near_the_original(golden):
    content, coors = golden
    network = PointTransformerV3(**json.loads(str(content['cfg'])))
    weights = {k[3:]: torch.from_numpy(content[k]) for k in content.files if k.startswith('sd/')}
    network.load_state_dict(weights)
    feat, expected = torch.from_numpy(content['feat']), torch.from_numpy(content['out'])
    with torch.no_grad(), torch.autocast('cpu', dtype=torch.bfloat16):
        cast = network.eval()(feat, coors)
    with torch.no_grad():
        whole = network.bfloat16()(feat.bfloat16(), coors)
    for out in (cast, whole):
        assert (out.float() - expected).abs().mean() / expected.abs().mean() < 0.1


@pytest.mark.parametrize(
    ('arguments', 'parameters'),
    [
        (dict(in_channels=6), 46_166_272),
        (dict(in_channels=6, **HALF), 11_566_208),
        (dict(in_channels=4, **HALF), 11_562_208),
        (dict(in_channels=6, **LARGE), 103_800_192),
    ],
)
def test_parameter_counts_are_the_published_ones(arguments, parameters):
    with torch.device('meta'):
        network = PointTransformerV3(**arguments)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize('name', CURVES)
def test_codes_equal_curves_followed_bit_by_bit(name):
    _, coors = voxels((50, 9))
    for (b, x, y, z), code in zip(coors.tolist(), serialize(coors, 5, name).tolist()):
        assert code == b << 15 | curve(name, 5, x, y, z)


@pytest.mark.parametrize('depth', [1, 2, 4])
def test_the_hilbert_curve_visits_every_cell_once_by_unit_steps(depth):
    side = torch.arange(2**depth)
    xyz = torch.cartesian_prod(side, side, side)
    coors = torch.cat([torch.zeros(len(xyz), 1, dtype=torch.long), xyz], 1)
    codes = serialize(coors, depth, 'hilbert')
    assert torch.equal(codes.sort().values, torch.arange(8**depth))
    assert (xyz[codes.argsort()].diff(dim=0).abs().sum(1) == 1).all()


@pytest.mark.parametrize('name', CURVES)
def test_codes_of_the_half_grid_are_the_codes_shifted(name):
    _, coors = voxels((200,), extent=32)
    half = torch.cat([coors[:, :1], coors[:, 1:] >> 1], 1)
    assert torch.equal(serialize(coors, 5, name) >> 3, serialize(half, 4, name))


@pytest.mark.parametrize(
    'changes',
    [
        dict(),
        dict(order=('hilbert',), enc_patch_size=(7, 5, 3), qkv_bias=False, mlp_ratio=1.5),
        dict(stride=(4, 2), depth=None, qk_scale=0.9),
        dict(stride=(2, 8), order=('z-trans', 'hilbert-trans'), dec_depths=(0, 1)),
    ],
    ids=['small', 'odd patches', 'stride 4', 'stride 8'],
)
def test_every_stage_equals_a_network_of_loops(changes):
    feat, coors = voxels((90, 1, 29), extent=7)
    network = small(**changes).double().eval()
    expected = Reference(network, SMALL | changes)(feat, coors, grid_depth(coors, network.depth))
    with torch.no_grad():
        stages = network(feat.double(), coors, return_stages=True)
    assert len(stages) == 3
    for (values, place, _), reference in zip(stages, expected):
        assert len(place) == len(reference)
        wanted = torch.stack([reference[tuple(row)] for row in place.tolist()])
        torch.testing.assert_close(values, wanted)


@pytest.mark.parametrize('changes', [dict(), dict(with_cp=True)])
def test_the_published_structure_equals_its_loops_and_not_the_present_one(changes):
    feat, coors = voxels((50, 9, 3))
    network = seeded(PublishedPointTransformerV3, **SMALL | changes).double().eval()
    present = small().double().eval()
    present.load_state_dict(network.state_dict())  # strictly: only the forward differs
    expected = Reference(network, SMALL, first_release=True)(feat, coors, network.depth)[0]
    out = network(feat.double().requires_grad_(), coors)
    wanted = torch.stack([expected[tuple(row)] for row in coors.tolist()])
    torch.testing.assert_close(out, wanted)
    assert (present(feat.double(), coors) - out).abs().mean() > 0.1 * out.abs().mean()


def test_the_published_structure_has_the_older_depth():
    assert PublishedPointTransformerV3(**SMALL | dict(depth='floor')).depth == 'floor'
    bare = {key: value for key, value in SMALL.items() if key != 'depth'}
    assert PublishedPointTransformerV3(**bare).depth == 'floor'


def test_a_grid_that_runs_out_of_bits_ends_as_one_cell_per_sample():
    feat, coors = voxels((5, 3), extent=2)
    network = small(depth=None).double().eval()
    expected = Reference(network, SMALL)(feat, coors, 1)
    stages = network(feat.double(), coors, return_stages=True)
    assert stages[2][1].tolist() == [[0, 0, 0, 0], [1, 0, 0, 0]]
    for (values, place, _), reference in zip(stages, expected):
        wanted = torch.stack([reference[tuple(row)] for row in place.tolist()])
        torch.testing.assert_close(values, wanted)


def loop_attention(attention, feat, index):
    """Patch by patch and head by head, from the definition."""
    qkv = attention.qkv(feat)
    out = torch.zeros_like(feat)
    order = index.order(attention.order_index)
    size, width = attention.patch_size, attention.channels // attention.num_heads
    for sample in index.coors[:, 0].unique():
        rows = order[index.coors[order, 0] == sample]
        for start in range(0, len(rows), size):
            own = rows[start : start + size]
            seen = own
            if len(own) < size <= len(rows):  # the last patch borrows from the one before
                seen = torch.cat([own, rows[start - size + len(own) : start]])
            for head in range(attention.num_heads):
                at = slice(head * width, (head + 1) * width)
                q, k, v = (part[:, at] for part in qkv.split(attention.channels, 1))
                weight = (q[own] @ k[seen].T / width**0.5).softmax(1)
                out[own, at] = weight @ v[seen]
    return attention.proj(out)


@pytest.mark.parametrize('sizes', [(100, 37), (16,), (17, 1, 15), (3, 48, 2)])
def test_patch_attention_equals_a_loop_over_patches(sizes):
    feat, coors = voxels(sizes)
    network = small().double()
    codes = torch.stack([serialize(coors, 6, name) for name in network.order])
    index = StageIndex(coors, codes, 6)
    for block in ('block0', 'block1'):
        attention = getattr(network.enc['enc0'], block).attn
        x = torch.randn(len(coors), 8, dtype=torch.float64, requires_grad=True)
        cloud = type('Cloud', (), dict(index=index))
        got, expected = attention(x, cloud), loop_attention(attention, x, index)
        torch.testing.assert_close(got, expected)
        seed = torch.randn_like(got)
        torch.testing.assert_close(
            *(torch.autograd.grad(out, x, seed)[0] for out in (got, expected))
        )


def test_a_sample_does_not_depend_on_the_others_in_its_batch():
    network = small().eval()
    feat, coors = voxels((90, 3, 40))
    together = network(feat, coors)
    for b in range(3):
        own = coors[:, 0] == b
        alone = coors[own].clone()
        alone[:, 0] = 0
        torch.testing.assert_close(network(feat[own], alone), together[own], rtol=1e-4, atol=1e-5)


def test_the_order_of_the_rows_does_not_matter():
    network = small().eval()
    feat, coors = voxels((90, 40))
    shuffled = torch.randperm(len(coors))
    torch.testing.assert_close(
        network(feat[shuffled], coors[shuffled]), network(feat, coors)[shuffled],
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_nothing_is_random_in_eval_and_training_is():
    network = small(shuffle_orders=True)
    feat, coors = voxels((90, 40))
    network.eval()
    assert torch.equal(network(feat, coors), network(feat, coors))
    network.train()
    assert not torch.equal(network(feat, coors), network(feat, coors))


@pytest.mark.parametrize('name', ['attn_drop', 'proj_drop', 'drop_path'])
def test_dropouts_act_in_training_alone(name):
    feat, coors = voxels((90, 40))
    plain = dict(drop_path=0.0, shuffle_orders=False)
    dropped, kept = small(**plain | {name: 0.5}), small(**plain)
    assert not torch.equal(dropped(feat, coors), kept(feat, coors))
    dropped, kept = small(**plain | {name: 0.5}).eval(), small(**plain).eval()
    assert torch.equal(dropped(feat, coors), kept(feat, coors))


def test_drop_path_grows_with_the_depth_of_encoder_and_decoder():
    network = small(drop_path=0.4)

    def rates(part):
        return [round(module.rate, 6) for module in part.modules() if isinstance(module, DropPath)]

    assert rates(network.enc) == [0.0, 0.08, 0.16, 0.24, 0.32, 0.4]
    # Finest first 0, 0.2 | 0.4; the decoder runs from the coarsest and turns each stage round.
    assert rates(network.dec) == [0.4, 0.2, 0.0]


def test_stages_are_what_hooks_on_the_decoder_see():
    network = small().eval()
    feat, coors = voxels((90, 40))
    seen = {}
    for k in range(2):
        network.dec[f'dec{k}'].register_forward_hook(
            lambda module, args, out, k=k: seen.__setitem__(k, out)
        )
    stages = network(feat, coors, return_stages=True)
    assert [stage for *_, stage in stages] == [0, 1, 2]
    assert torch.equal(stages[0][0], network(feat, coors))
    assert torch.equal(stages[0][1], coors)
    for k, (values, place, _) in enumerate(stages):
        halved = torch.cat([coors[:, :1], coors[:, 1:] >> k], 1)
        assert {tuple(row) for row in place.tolist()} == {tuple(row) for row in halved.tolist()}
        assert len(place) == len(values) == len(halved.unique(dim=0))
        if k < 2:
            assert torch.equal(seen[k].feat, values)
            assert torch.equal(seen[k].coors, place)
            assert seen[k].stage == k


def test_blocks_and_encoder_stages_keep_what_a_hook_saw():
    network = small().eval()
    feat, coors = voxels((90, 40))
    kept, copied = {}, {}

    def keep(name):
        def hook(module, args, out):
            kept[name], copied[name] = out.feat, out.feat.clone()

        return hook

    names = ['enc.enc0', 'enc.enc0.block0', 'enc.enc1.down', 'dec.dec0.up', 'dec.dec0.block0']
    for name in names:
        network.get_submodule(name).register_forward_hook(keep(name))
    network(feat, coors)
    for name in names:
        assert torch.equal(kept[name], copied[name])
        assert kept[name].shape[1] == network.get_submodule(name).out_channels


def test_checkpointing_changes_neither_values_nor_gradients():
    feat, coors = voxels((90, 40))
    gradients = []
    for with_cp in (False, True):
        network = small(shuffle_orders=True, proj_drop=0.1, with_cp=with_cp)
        taps = []
        stage = network.dec['dec1'].register_forward_hook(lambda m, i, out, t=taps: t.append(out))
        torch.manual_seed(1)  # the same dropped rows and orders, and again when recomputing
        out = network(feat, coors)
        stage.remove()
        (out.square().sum() + taps[0].feat.square().sum()).backward()
        gradients.append([out.detach(), taps[0].feat, *(p.grad for p in network.parameters())])
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other)


def test_a_single_voxel_cannot_be_normalized_in_training():
    feat, coors = voxels((1,))
    with pytest.raises(ValueError, match='needs at least 2 voxels at every stage, but got 1'):
        small()(feat, coors)


@pytest.mark.parametrize('sizes', [(0,), (1,), (2, 1), (2, 0, 30)])
def test_tiny_clouds_pass_in_eval(sizes):
    feat, coors = voxels(sizes)
    out = small().eval()(feat, coors)
    assert out.shape == (sum(sizes), 12)
    assert torch.isfinite(out).all()


def test_every_parameter_has_a_gradient(device):
    network = small().to(device)
    feat, coors = voxels((90, 40))
    network(feat.to(device), coors.to(device)).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        (dict(enable_rpe=True), ValueError, 'enable_rpe of .* must be False, but got True'),
        (dict(enc_chanels=(1,)), TypeError, "no argument 'enc_chanels', nearest: enc_channels"),
        (dict(order=('z', 'hilbrt')), ValueError, "got 'hilbrt', nearest: hilbert"),
        (dict(stride=(2, 3)), ValueError, r'stride must hold powers of two .*, but got \(2, 3\)'),
        (dict(drop_path=1.0), ValueError, r'drop_path must lie in \[0, 1\), but got 1.0'),
        (dict(order=()), ValueError, 'at least one of z, z-trans, .*, but got none'),
        (dict(depth=17), ValueError, 'between 1 and 16'),
        (dict(dec_depths=(1,)), ValueError, '3 encoder stages must hold 3 values, .* stride 2'),
        (dict(enc_num_head=(3, 2, 3)), ValueError, 'a multiple of the 3 heads, but got 8'),
    ],
)
def test_a_bad_argument_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        small(**arguments)


def test_bad_voxels_are_refused():
    feat, coors = voxels((5, 3))
    with pytest.raises(
        ValueError, match=r'features must be \(N, 4\) and voxels .* got \(8, 3\) and'
    ):
        small()(feat[:, :3], coors)
    twice = torch.cat([coors, coors[2:3]])
    with pytest.raises(ValueError, match=f'distinct, but .* {re.escape(str(coors[2].tolist()))}'):
        small()(torch.cat([feat, feat[2:3]]), twice)
    coors[4, 1] = -3
    with pytest.raises(ValueError, match='must not be negative, but got -3: subtract the minimum'):
        small()(feat, coors)


def test_the_registry_builds_it_from_the_original_s_config(golden):
    registry = pytest.importorskip('mmdet3d.registry')
    pytest.importorskip('projects.SRKD')
    arguments = json.loads(str(golden[0]['cfg']))
    network = registry.MODELS.build(dict(type='PointTransformerV3', **arguments))
    names = {k[3:] for k in golden[0].files if k.startswith('sd/')}
    assert set(network.state_dict()) == names


def test_a_depth_that_is_too_small_is_refused_with_the_one_needed():
    feat, coors = voxels((5,))
    coors[2, 2] = 64
    message = 'depth 6 .* got 64, which needs depth 7: set depth=7 of the backbone.*sample 0 of'
    with pytest.raises(ValueError, match=message):
        small()(feat, coors)
    coors[2, 2] = 2**16
    with pytest.raises(ValueError, match='needs depth 17: use larger voxels'):
        small(depth=None)(feat, coors)


@pytest.mark.parametrize(
    'largest, present, older', [(22, 5, 5), (30, 5, 5), (31, 6, 5), (32, 6, 6)]
)
def test_the_depth_follows_the_rule_of_the_original_or_its_older_one(largest, present, older):
    coors = torch.tensor([[0, largest, 3, 0], [0, 1, 2, 4]])
    assert grid_depth(coors) == present and grid_depth(coors, 'floor') == older


def test_the_rules_of_the_depth_give_other_features_where_they_differ():
    torch.manual_seed(0)
    cells = torch.randint(0, 32, (200, 3))
    cells[0] = 31
    coors = torch.cat([torch.zeros(200, 1).long(), cells], 1).unique(dim=0)
    feat = torch.rand(len(coors), 4)
    network = PointTransformerV3(
        in_channels=4, order='hilbert', enc_depths=(1, 1), enc_channels=(16, 16),
        enc_num_head=(2, 2), enc_patch_size=(16, 16), dec_depths=(1,), dec_channels=(16,),
        dec_num_head=(2,), dec_patch_size=(16,), stride=(2,), depth=6).eval()  # fmt: skip
    with torch.no_grad():
        features = {}
        for depth in (None, 'floor', 5, 6):
            network.depth = depth
            features[depth] = network(feat, coors)
    assert torch.equal(features[None], features[6]) and torch.equal(features['floor'], features[5])
    assert not torch.allclose(features[None], features['floor'], atol=1e-4)

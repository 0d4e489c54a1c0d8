import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from ptv3_reference import Reference, curve
from serialized_backbone import seeded, voxels

from projects.SRKD.backbones.cdsegnet import CDSegNet
from projects.SRKD.backbones.cdsegnet.model import RELEASED_NAMES
from projects.SRKD.backbones.cdsegnet.noise import cosine_alpha_bar, embed_time, voxel_noise

CONFIG = Path(__file__).parents[2] / 'configs/_base_/models/cdsegnet.py'
ORDER = ('z', 'hilbert-trans', 'hilbert')
NOISE = dict(
    stride=(4, 2),
    enc_depths=(1, 2, 1),
    enc_channels=(4, 8, 12),
    enc_num_head=(2, 2, 3),
    enc_patch_size=(16, 8, 5),
    dec_depths=(1, 1),
    dec_channels=(8, 8),
    dec_num_head=(2, 4),
    dec_patch_size=(16, 8),
)
SMALL = dict(
    in_channels=4,
    order=ORDER,
    stride=(2, 2, 2),
    enc_depths=(1, 1, 1, 2),
    enc_channels=(8, 8, 12, 24),
    enc_num_head=(2, 2, 3, 4),
    enc_patch_size=(16, 8, 8, 6),
    dec_depths=(1, 1, 1),
    dec_channels=(8, 8, 12),
    dec_num_head=(2, 2, 3),
    dec_patch_size=(16, 8, 8),
    drop_path=0.2,
    depth=6,
    noise=NOISE,
    time_channels=8,
    diffusion_steps=50,
)


def small(**changes):
    return seeded(CDSegNet, **SMALL | changes)


class HalfReference(Reference):
    """One branch of CDSegNet in eval, voxel by voxel, in two halves around the fusion."""

    time = None  # (T,)

    def blocks(self, part, k, x, voxels, depth, source=None):
        if self.time is None:
            return super().blocks(part, k, x, voxels, depth, source)
        cfg = self.cfg
        for i in range(cfg[f'{part}_depths'][k]):
            name = f'{part}.{part}{k}.block{i}'
            position = self.convolve(f'{name}.cpe.0', x if source is None else source, voxels)
            x = x + self.layer_norm(f'{name}.cpe.2', self.linear(f'{name}.cpe.1', position))
            x = x + self.linear(f'{name}.t_mlp', self.time)
            x = x + self.attend(
                f'{name}.attn', self.layer_norm(f'{name}.norm1.0', x), voxels, depth,
                ORDER[i % len(ORDER)], cfg[f'{part}_num_head'][k], cfg[f'{part}_patch_size'][k],
            )  # fmt: skip
            hidden = self.linear(f'{name}.mlp.0.fc1', self.layer_norm(f'{name}.norm2.0', x))
            x, source = x + self.linear(f'{name}.mlp.0.fc2', F.gelu(hidden)), None
        return x

    def encode(self, feat, coors, depth):
        voxels = [tuple(row) for row in coors.tolist()]
        x = self.convolve('embedding.stem.conv', feat, voxels)
        x = F.gelu(self.batch_norm('embedding.stem.norm', x))
        x, skips = self.blocks('enc', 0, x, voxels, depth), []
        for k, stride in enumerate(self.cfg['stride'], 1):
            cells = [(b, *(c // stride for c in xyz)) for b, *xyz in voxels]
            coarse = sorted(set(cells))
            skips.append((x, voxels, depth, [coarse.index(cell) for cell in cells]))
            x = self.linear(f'enc.enc{k}.down.proj', x)
            inside = [[i for i, cell in enumerate(cells) if cell == one] for one in coarse]
            x = torch.stack([x[rows].amax(0) for rows in inside])
            x = F.gelu(self.batch_norm(f'enc.enc{k}.down.norm.0', x))
            voxels, depth = coarse, depth - (stride.bit_length() - 1)
            x = self.blocks('enc', k, x, voxels, depth)
        return x, voxels, depth, skips

    def decode(self, x, skips):
        for k in reversed(range(len(skips))):
            skip, voxels, depth, parent = skips[k]
            up = self.branch(f'dec.dec{k}.up.proj', x)[parent]
            own = self.branch(f'dec.dec{k}.up.proj_skip', skip)
            x = own + up
            if self.time is not None:
                x = torch.cat([own * 1.25 / math.sqrt(2), up], 1)
                x = self.linear(f'dec.dec{k}.up.proj_cat.0', x)
            x = self.blocks('dec', k, x, voxels, depth, source=own)
        return x

    def fuse(self, x, other, voxels, depth):
        """What both branches leave the fusion with."""

        def encoded(name, x):
            position = self.linear(f'{name}.1', self.convolve(f'{name}.0', x, voxels))
            return x + self.layer_norm(f'{name}.2', position)

        heads, patch = self.cfg['enc_num_head'][-1], self.cfg['enc_patch_size'][-1]
        x = encoded('fusion.q_cpe', x)
        other = self.layer_norm('fusion.kv_norm1.0', encoded('fusion.kv_cpe', other))
        q = self.linear('fusion.attn.q', self.layer_norm('fusion.q_norm1.0', x))
        k, v = self.linear('fusion.attn.kv', other).chunk(2, 1)
        q, k, v = (part.unflatten(1, (heads, -1)) for part in (q, k, v))
        out = torch.zeros_like(q)
        for sample in {voxel[0] for voxel in voxels}:
            rows = [i for i, voxel in enumerate(voxels) if voxel[0] == sample]
            rows.sort(key=lambda i: curve(ORDER[0], depth, *voxels[i][1:]))
            for start in range(0, len(rows), patch):
                own = rows[start : start + patch]
                seen = rows[max(0, min(start, len(rows) - patch)) :][:patch]
                score = torch.einsum('ihd,jhd->hij', q[own], k[seen]) * q.shape[-1] ** -0.5
                out[own] = torch.einsum('hij,jhd->ihd', score.softmax(-1), v[seen])
        x = x + self.linear('fusion.attn.proj', out.flatten(1))
        hidden = self.linear('fusion.mlp.0.fc1', self.layer_norm('fusion.q_norm2.0', x))
        return x + self.linear('fusion.mlp.0.fc2', F.gelu(hidden)), other


@pytest.mark.parametrize('seed', [0, None])
def test_both_outputs_equal_a_network_of_loops(seed):
    feat, coors = voxels((60, 1, 29), extent=14)
    network = small(noise_seed=seed).double().eval()
    main, side = HalfReference(network, SMALL), HalfReference(network, NOISE)
    side.weights = {k[6:]: v for k, v in main.weights.items() if k.startswith('noise.')}
    step = len(network.alpha_bar) - 1
    angle = [step * 10000 ** (-i / 3) for i in range(4)]  # T = 8
    time = torch.tensor([*map(math.sin, angle), *map(math.cos, angle)], dtype=torch.float64)
    for layer in ('time.0', 'time.2'):
        time = F.silu(side.linear(layer, time))
    side.time = time
    noise = feat.double() * 0 if seed is None else voxel_noise(coors, 4, seed).double()

    x, coarse, depth, skips = main.encode(feat.double(), coors, 6)
    other, same, _, side_skips = side.encode(noise, coors, 6)
    assert coarse == same
    x, other = main.fuse(x, other, coarse, depth)
    expected = main.decode(x, skips), side.linear('head', side.decode(other, side_skips))

    with torch.no_grad():
        features, recovered, true = network.denoise(feat.double(), coors)
        assert torch.equal(network(feat.double(), coors), features)
    assert torch.equal(true, noise)
    # The time embedding is computed in float32.
    torch.testing.assert_close(features, expected[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(recovered, expected[1], rtol=1e-5, atol=1e-5)


def test_the_parameter_count_is_the_paper_s():
    with torch.device('meta'):
        network = CDSegNet()
    counts = {
        name: sum(p.numel() for p in part.parameters())
        for name, part in (('all', network), ('noise', network.noise), ('fusion', network.fusion))
    }
    head = 64 * 20 + 20
    assert counts['all'] + head == 101_387_354
    assert counts['noise'] == 2_549_446 + 131_712  # branch, time embedding
    assert counts['fusion'] == 10_560_768
    assert counts['all'] - counts['noise'] - counts['fusion'] + head == 88_145_428


def test_released_parameter_names_become_ours():
    released = [
        'module.backbone._n_embedding.stem.conv.weight',
        'module.backbone._n_enc.enc4.block5.attn.qkv.bias',
        'backbone._n_dec.dec3.up.proj_skip.1.running_mean',
        'backbone._n_head.weight',
        'backbone._c_embedding.stem.norm.weight',
        'backbone._c_enc.enc1.down.norm.0.weight',
        'backbone._c_enc.enc2.block1.t_mlp.bias',
        'backbone._c_dec.dec1.up.proj_cat.0.weight',
        'backbone._c_head.bias',
        'backbone.fc_t1.weight',
        'backbone.fc_t2.bias',
        'backbone._tm_dec0.cross_block2.q_cpe.0.weight',
        'backbone._tm_dec0.cross_block2.attn.kv.weight',
        'backbone._tm_dec0.cross_block2.mlp.0.fc2.weight',
    ]
    with torch.device('meta'):
        ours = {f'backbone.{name}' for name in CDSegNet().state_dict()}
    ours.add('decode_head.conv_seg.weight')
    for name in released:
        for pattern, replacement in RELEASED_NAMES:
            name = re.sub(pattern, replacement, name)
        assert name in ours


def test_the_schedule_falls_from_signal_to_noise():
    def f(s):
        return math.cos((s / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    share = cosine_alpha_bar(1000)
    assert share.shape == (1000,)
    assert (share.diff() < 0).all()
    for t in (0, 1, 500, 998):
        assert share[t].item() == pytest.approx(f(t + 1) / f(0))
    # f(1000) = 0, but no step may take more than 999 of 1000 parts.
    assert share[999].item() == pytest.approx(share[998].item() / 1000)


def test_time_embedding_is_sines_and_cosines():
    out = embed_time(torch.tensor([0, 999]), 128)
    for row, t in zip(out.tolist(), (0, 999)):
        angle = [t * math.exp(-math.log(10000) * i / 63) for i in range(64)]
        assert row == pytest.approx([*map(math.sin, angle), *map(math.cos, angle)], abs=1e-4)


def scramble(value):
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
    return value ^ value >> 31


def test_fixed_noise_equals_integers_followed_by_hand():
    coors = torch.tensor([[0, 5, 0, 4095], [3, 5, 0, 4095], [0, 65535, 1, 2]])
    for row, (_, x, y, z) in zip(voxel_noise(coors, 3, 7).tolist(), coors.tolist()):
        state = scramble(scramble(scramble(7 + x) + y) + z)
        bits = [scramble(state + i * 0x9E3779B97F4A7C15) for i in range(1, 7)]
        u = [((b >> 11) + 0.5) / 2**53 for b in bits]
        wanted = [
            math.sqrt(-2 * math.log(u[c])) * math.cos(2 * math.pi * u[3 + c]) for c in range(3)
        ]
        assert row == pytest.approx(wanted, abs=1e-6)


def test_fixed_noise_is_normal_and_without_pattern():
    side = torch.arange(24)
    xyz = torch.cartesian_prod(side, side, side)
    coors = torch.cat([torch.zeros(len(xyz), 1, dtype=torch.long), xyz], 1)
    noise = voxel_noise(coors, 6, 0)
    scale = len(xyz) ** -0.5
    assert noise.mean(0).abs().max() < 5 * scale
    assert (noise.var(0) - 1).abs().max() < 10 * scale
    assert ((noise.abs() < 1).double().mean() - 0.6827).abs() < 0.01
    assert (torch.corrcoef(noise.T) - torch.eye(6)).abs().max() < 5 * scale
    grid = noise[:, 0].view(24, 24, 24)
    for axis in range(3):
        near = (grid.narrow(axis, 0, 23) * grid.narrow(axis, 1, 23)).mean()
        assert near.abs() < 5 * scale
    assert (noise * voxel_noise(coors, 6, 1)).mean(0).abs().max() < 5 * scale


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
    network = small(shuffle_orders=False, drop_path=0.0).eval()
    feat, coors = voxels((90, 40))
    state = torch.get_rng_state()
    assert torch.equal(network(feat, coors), network(feat, coors))
    assert torch.equal(state, torch.get_rng_state())  # not even drawn from
    network.train()
    assert not torch.equal(network(feat, coors), network(feat, coors))


def test_the_noise_reaches_the_features():
    network, other = small().eval(), small(noise_seed=1).eval()
    feat, coors = voxels((90, 40))
    assert not torch.equal(network(feat, coors), other(feat, coors))


def test_training_noises_each_sample_by_its_own_step():
    network = small().train()
    feat, coors = voxels((400, 300))
    true, noisy, time = network._noisy(feat, coors)
    assert time.shape == (2,)
    assert true.std() == pytest.approx(1, abs=0.1)
    for b in range(2):
        own, share = coors[:, 0] == b, network.alpha_bar[time[b]]
        wanted = share.sqrt() * feat[own] + (1 - share).sqrt() * true[own]
        torch.testing.assert_close(noisy[own], wanted)


def test_every_parameter_has_a_gradient(device):
    network = small().to(device)
    feat, coors = (tensor.to(device) for tensor in voxels((90, 40)))
    features, recovered, true = network.denoise(feat, coors)
    (features.square().sum() + F.mse_loss(recovered, true)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    assert all(p.grad.any() for name, p in network.named_parameters() if 'weight' in name)


def test_features_alone_reach_all_but_the_noise_decoder():
    network = small()
    network(*voxels((90, 40))).square().sum().backward()
    silent = {name for name, p in network.named_parameters() if p.grad is None}
    decoder = ('noise.dec.', 'noise.head.')
    assert silent == {n for n, _ in network.named_parameters() if n.startswith(decoder)}


def test_bf16_stays_near_float32(device):
    network = small().eval().to(device)
    feat, coors = (tensor.to(device) for tensor in voxels((90, 40)))
    with torch.no_grad():
        expected = network(feat, coors)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            cast = network(feat, coors)
        whole = network.bfloat16()(feat.bfloat16(), coors)
    for out in (cast, whole):
        assert (out.float() - expected).abs().mean() / expected.abs().mean() < 0.1


def test_checkpointing_changes_neither_values_nor_gradients():
    feat, coors = voxels((90, 40))
    gradients = []
    for with_cp in (False, True):
        network = small(proj_drop=0.1, with_cp=with_cp)
        torch.manual_seed(1)
        out, recovered, true = network.denoise(feat, coors)
        (out.square().sum() + F.mse_loss(recovered, true)).backward()
        gradients.append([out.detach(), *(p.grad for p in network.parameters())])
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('sizes', [(0,), (1,), (2, 0, 30)])
def test_tiny_clouds_pass_in_eval(sizes):
    feat, coors = voxels(sizes)
    out = small().eval()(feat, coors)
    assert out.shape == (sum(sizes), 8)
    assert torch.isfinite(out).all()


def test_hooks_see_the_decoder_stages_as_in_ptv3():
    network = small().eval()
    feat, coors = voxels((90, 40))
    seen = []
    network.dec['dec1'].register_forward_hook(lambda module, args, out: seen.append(out))
    stages = network(feat, coors, return_stages=True)
    assert [stage for *_, stage in stages] == [0, 1, 2, 3]
    assert torch.equal(seen[0].feat, stages[1][0])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(noise=NOISE | dict(stride=(4, 4))),
            r'strides \(2, 2, 2\) multiply to 8 and those of the noise branch, \(4, 4\), to 16',
        ),
        (dict(order=('z', 'hilbrt')), "got 'hilbrt', nearest: hilbert"),
        (
            dict(noise=NOISE | dict(dec_depths=(1,))),
            r'3 encoder stages must hold .* stride 2, but got \(1,\)',
        ),
        (dict(noise=NOISE | dict(stride=(8, 1))), r'powers of two from 2 up, but got \(8, 1\)'),
        (dict(time_channels=7), 'time_channels must be even and at least 4, but got 7'),
    ],
)
def test_a_bad_argument_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_an_unknown_argument_is_refused_with_the_nearest_of_both_classes():
    with pytest.raises(TypeError, match="CDSegNet .* 'dec_chanels', nearest: dec_channels"):
        small(dec_chanels=(1,))
    with pytest.raises(TypeError, match="CDSegNet .* 'noise_sed', nearest: noise_seed"):
        small(noise_sed=1)


def test_the_config_builds_the_paper_s_network():
    toy = pytest.importorskip('toy')
    config = pytest.importorskip('mmengine').Config.fromfile(CONFIG)
    with torch.device('meta'):
        network = toy.build(config.model)
    assert isinstance(network.backbone, CDSegNet)
    assert sum(p.numel() for p in network.parameters()) == 101_387_354


def test_the_segmentor_learns_classes_and_noise():
    toy = pytest.importorskip('toy')
    config = toy.ptv3()
    config.update(type='DenoisingSegmentor')
    config['backbone'] = dict(type='CDSegNet', **SMALL | dict(in_channels=6, drop_path=0.0))
    config['decode_head'].update(channels=8, loss_lovasz=None)
    torch.manual_seed(0)
    network = toy.build(config)
    data = toy.batch((300, 200))
    for cloud, sample in zip(data['inputs']['points'], data['data_samples']):
        sample.gt_pts_seg.pts_semantic_mask = (cloud[:, 0] > 1).long()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    history = []
    for _ in range(20):
        batch = network.data_preprocessor(data, True)
        losses = network.loss(batch['inputs'], batch['data_samples'])
        optimizer.zero_grad()
        toy.total(losses).backward()
        optimizer.step()
        history.append({name: value.item() for name, value in losses.items()})
    print(history[0], history[-1])
    assert set(history[0]) == {'loss_sem_seg', 'loss_noise'}
    assert history[-1]['loss_sem_seg'] < 0.5 * history[0]['loss_sem_seg']
    late = sum(step['loss_noise'] for step in history[-5:])
    assert late < sum(step['loss_noise'] for step in history[:5])
    batch = network.eval().data_preprocessor(data, False)
    result = network.predict(batch['inputs'], batch['data_samples'])
    assert [len(sample.pred_pts_seg.pts_semantic_mask) for sample in result] == [300, 200]

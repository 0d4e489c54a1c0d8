import cmath
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from ptv3_reference import Reference, curve
from serialized_backbone import seeded, voxels

from projects.SRKD.backbones.litept import LitePT
from projects.SRKD.backbones.litept.rotary import rotate

CONFIG = Path(__file__).parents[2] / 'configs/_base_/models/litept_s.py'
SMALL = dict(
    in_channels=4,
    order=('z', 'hilbert-trans', 'hilbert'),
    stride=(2, 4),
    enc_depths=(1, 2, 2),
    enc_channels=(8, 12, 24),
    enc_num_head=(1, 1, 2),
    enc_patch_size=(16, 8, 5),
    enc_attn=(False, True, True),
    dec_depths=(1, 2),
    dec_channels=(10, 12),
    dec_num_head=(1, 2),
    dec_patch_size=(16, 7),
    dec_attn=(False, True),
    drop_path=0.2,
    depth=6,
)


def small(**changes):
    return seeded(LitePT, **SMALL | changes)


def turned(head, place, base):
    """One head's channels as complex numbers, turned one by one."""
    out = list(head)
    per_axis = len(head) // 3
    for axis in range(3):
        for j in range(per_axis // 2):
            i = axis * per_axis + j
            k = i + per_axis // 2
            angle = place[axis] / base ** (2 * j / per_axis)
            value = complex(head[i], head[k]) * cmath.exp(1j * angle)
            out[i], out[k] = value.real, value.imag
    return out


class LiteReference(Reference):
    """LitePT in eval, voxel by voxel."""

    def attend(self, name, x, voxels, depth, order, heads, patch_size):
        qkv = self.linear(f'{name}.qkv', x).unflatten(1, (3, heads, -1))
        q, k, v = qkv.unbind(1)
        base = self.cfg.get('rope_freq', 100.0)
        for part in (q, k):
            for i, voxel in enumerate(voxels):
                for h in range(heads):
                    part[i, h] = part.new_tensor(turned(part[i, h].tolist(), voxel[1:], base))
        out = torch.zeros_like(q)
        for sample in {voxel[0] for voxel in voxels}:
            rows = [i for i, voxel in enumerate(voxels) if voxel[0] == sample]
            rows.sort(key=lambda i: curve(order, depth, *voxels[i][1:]))
            for start in range(0, len(rows), patch_size):
                own = rows[start : start + patch_size]
                seen = rows[max(0, min(start, len(rows) - patch_size)) :][:patch_size]
                score = torch.einsum('ihd,jhd->hij', q[own], k[seen]) * q.shape[-1] ** -0.5
                out[own] = torch.einsum('hij,jhd->ihd', score.softmax(-1), v[seen])
        return self.linear(f'{name}.proj', out.flatten(1))

    def blocks(self, part, k, x, voxels, depth, source=None):
        cfg = self.cfg
        for i in range(cfg[f'{part}_depths'][k]):
            name = f'{part}.{part}{k}.block{i}'
            if not cfg[f'{part}_attn'][k]:
                wide = self.linear(f'{name}.conv.1', self.convolve(f'{name}.conv.0', x, voxels))
                x = x + self.layer_norm(f'{name}.conv.2', wide)
                continue
            x = self.layer_norm(f'{name}.norm0.0', x)
            x = x + self.attend(
                f'{name}.attn', self.layer_norm(f'{name}.norm1.0', x), voxels, depth,
                cfg['order'][i % len(cfg['order'])], cfg[f'{part}_num_head'][k],
                cfg[f'{part}_patch_size'][k],
            )  # fmt: skip
            hidden = self.linear(f'{name}.mlp.0.fc1', self.layer_norm(f'{name}.norm2.0', x))
            x = x + self.linear(f'{name}.mlp.0.fc2', F.gelu(hidden))
        return x


def test_rotation_turns_each_pair_of_channels_by_its_own_angle():
    feat = torch.randn(5, 2, 18, dtype=torch.float64)
    xyz = torch.tensor([[0, 0, 0], [1, 2, 3], [900, 4, 77], [5, 0, 4095], [7, 7, 7]])
    expected = [
        [turned(head, place, 100.0) for head in row]
        for row, place in zip(feat.tolist(), xyz.tolist())
    ]
    torch.testing.assert_close(rotate(feat, xyz, 100.0), feat.new_tensor(expected))


def test_scores_depend_on_coordinate_differences_only():
    q, k = torch.randn(2, 1, 3, 18, dtype=torch.float64)
    here, there = torch.tensor([[3, 14, 15]]), torch.tensor([[9, 2, 6]])

    def score(shift):
        shift = torch.tensor([shift])
        return (rotate(q, here + shift, 100.0) * rotate(k, there + shift, 100.0)).sum(-1)

    torch.testing.assert_close(score([500, 1000, 3000]), score([0, 0, 0]))
    moved = (rotate(q, here + 1, 100.0) * rotate(k, there, 100.0)).sum(-1)
    assert (moved - score([0, 0, 0])).abs().min() > 1e-3


def test_rotation_keeps_lengths_and_is_exact_far_away_in_float32():
    feat, far = torch.randn(4, 2, 12), torch.randint(60000, 65536, (4, 3))
    out = rotate(feat, far, 100.0)
    torch.testing.assert_close(out.norm(dim=-1), feat.norm(dim=-1))
    torch.testing.assert_close(out.double(), rotate(feat.double(), far, 100.0), rtol=0, atol=1e-6)
    assert rotate(feat.bfloat16(), far, 100.0).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ('arguments', 'parameters', 'published'),
    [
        (dict(), 12_712_932, 12.7),
        (dict(in_channels=4), 12_703_932, 12.7),
        # S*, with blocks in the decoder
        (dict(dec_depths=(2, 2, 2, 2), dec_attn=(False,) * 3 + (True,)), 15_988_716, 16.0),
    ],
    ids=['ScanNet', 'nuScenes', 'S*'],
)
def test_parameter_counts_are_the_published_ones(arguments, parameters, published):
    with torch.device('meta'):
        network = LitePT(**arguments)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert round(parameters / 1e6, 1) == published


@pytest.mark.parametrize(
    'changes',
    [
        dict(),
        dict(dec_depths=(0, 0), order='hilbert', rope_freq=7.0),
        dict(enc_attn=(True, False, True), enc_channels=(6, 12, 24), qkv_bias=False),
    ],
    ids=['blocks in the decoder', 'none', 'attention first'],
)
def test_every_stage_equals_a_network_of_loops(changes):
    feat, coors = voxels((60, 1, 29), extent=7)
    network = small(**changes).double().eval()
    cfg = SMALL | changes
    cfg['order'] = network.order
    expected = LiteReference(network, cfg)(feat, coors, network.depth)
    with torch.no_grad():
        stages = network(feat.double(), coors, return_stages=True)
    assert [stage for *_, stage in stages] == [0, 1, 3]
    for (values, place, _), reference in zip(stages, expected):
        assert len(place) == len(reference)
        wanted = torch.stack([reference[tuple(row)] for row in place.tolist()])
        torch.testing.assert_close(values, wanted)


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
    network = small().eval()
    feat, coors = voxels((90, 40))
    assert torch.equal(network(feat, coors), network(feat, coors))
    network.train()
    assert not torch.equal(network(feat, coors), network(feat, coors))


@pytest.mark.parametrize('changes', [dict(), dict(dec_depths=(0, 0))])
def test_every_parameter_has_a_gradient(changes, device):
    network = small(**changes).to(device)
    feat, coors = voxels((90, 40))
    network(feat.to(device), coors.to(device)).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    assert all(p.grad.any() for name, p in network.named_parameters() if 'weight' in name)


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
        out = network(feat, coors)
        out.square().sum().backward()
        gradients.append([out.detach(), *(p.grad for p in network.parameters())])
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('sizes', [(0,), (1,), (2, 0, 30)])
def test_tiny_clouds_pass_in_eval(sizes):
    feat, coors = voxels(sizes)
    out = small().eval()(feat, coors)
    assert out.shape == (sum(sizes), 10)
    assert torch.isfinite(out).all()


def test_training_learns_which_half_of_a_room_a_voxel_is_in():
    _, coors = voxels((150, 120), extent=12)
    feat, label = torch.ones(len(coors), 4), (coors[:, 1] >= 6).long()
    network = small(drop_path=0.0)
    head = torch.nn.Linear(10, 2)
    optimizer = torch.optim.AdamW([*network.parameters(), *head.parameters()], lr=5e-3)
    losses = []
    for _ in range(25):
        loss = F.cross_entropy(head(network(feat, coors)), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f'cross-entropy {losses[0]:.3f} -> {losses[-1]:.3f}')
    assert losses[-1] < 0.6 * math.log(2)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(enc_num_head=(1, 2, 3)),
            r'multiple of 6 channels, but got 8 \(24 channels, 3 heads\)',
        ),
        (dict(enc_attn=(True,)), '3 encoder stages must hold 3 values, .* stride 2'),
        (dict(order=('z', 'hilbrt')), "got 'hilbrt', nearest: hilbert"),
        (dict(stride=(2, 3)), r'stride must hold powers of two .*, but got \(2, 3\)'),
        (dict(drop_path=1.0), r'drop_path must lie in \[0, 1\), but got 1.0'),
        (dict(depth=17), 'between 1 and 16'),
    ],
)
def test_a_bad_argument_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_the_config_builds_a_segmentor_of_the_published_size():
    registry = pytest.importorskip('mmdet3d.registry')
    pytest.importorskip('projects.SRKD')
    config = pytest.importorskip('mmengine').Config.fromfile(CONFIG)
    with torch.device('meta'):
        network = registry.MODELS.build(config.model)
    assert isinstance(network.backbone, LitePT)
    assert sum(p.numel() for p in network.parameters()) == 12_712_932 + 72 * 20 + 20

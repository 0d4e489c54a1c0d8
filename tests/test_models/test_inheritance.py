"""Students that start from their teacher's filters.

The main test hides a narrow network in a wide one: some filters of every layer are dead. Inheriting
by norm must find the others and wire them as they were, so both networks compute the same function.
"""

import pytest
import torch
from mmdet3d.models.layers.pointnet_modules import point_fp_module, point_sa_module
from torch import nn
from zoo_detectors import CONFIGS, ON_CPU, build, scans, small, teacher

from projects.SRKD.models.compression import compressed, inherit, inheritance_rules, rules


def randomize(network, seed=0, gain=4):
    gen = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=gen) - 0.5)
            if value.dim() > 1:
                value.mul_(gain / value[0].numel() ** 0.5)
            elif name.endswith(('running_var', 'weight')):
                value.add_(1)


def kill(network, student):
    """Silence the filters the student lacks: always the same of so many, as sums of maps demand."""
    own = student.state_dict()
    for name, value in network.state_dict().items():
        transposed = 'deblocks' in name and value.dim() == 4 and not is_conv(network, name)
        axis = 1 if transposed else 0
        if value.dim() == 0 or value.shape[axis] == own[name].shape[axis]:
            continue
        few, many = own[name].shape[axis], value.shape[axis]
        order = torch.randperm(many, generator=torch.Generator().manual_seed(many))
        dead = order[few:]
        value.index_fill_(axis, dead, 1.0 if name.endswith('running_var') else 0.0)


def is_conv(network, name):
    return isinstance(network.get_submodule(name.rpartition('.')[0]), nn.Conv2d)


def flat(outputs):
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    values = outputs.values() if isinstance(outputs, dict) else outputs
    return [tensor for each in values for tensor in flat(each)]


def outputs(network, name):
    data = network.data_preprocessor(scans(name))
    with torch.no_grad():
        feats = network.extract_feat(data['inputs'], *([None] if hasattr(network, 'pts_neck')
                                                       else []))  # fmt: skip
        head = getattr(network, 'pts_bbox_head', None) or network.bbox_head
        return flat(head(feats[1] if hasattr(network, 'pts_neck') else feats))


@pytest.mark.parametrize('compression', [2, 4])
@pytest.mark.parametrize('name', ON_CPU)
def test_a_network_hidden_in_a_wider_one_is_found(name, compression):
    cfg = small(name)
    wide, narrow = build(cfg).eval(), build(compressed(cfg, compression)).eval()
    randomize(wide)
    randomize(narrow, seed=1)
    kill(wide, narrow)
    inherit(narrow, wide.state_dict())
    want, got = outputs(wide, name), outputs(narrow, name)
    assert len(want) == len(got) > 2
    for ours, theirs in zip(got, want):
        assert theirs.std() > 1e-3  # the dead have not silenced the rest
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('name', CONFIGS)
@pytest.mark.parametrize('keep', ['norm', 'first', 'even'])
def test_equal_widths_inherit_everything(name, keep):
    cfg = teacher(name)
    wide, same = build(cfg), build(compressed(cfg, divisor=1))
    randomize(wide)
    inherit(same, wide.state_dict(), keep)
    for key, value in wide.state_dict().items():
        assert torch.equal(same.state_dict()[key], value), key


def test_leading_channels_are_kept_of_every_concatenated_map():
    cfg = teacher('pointpillars')
    wide, narrow = build(cfg), build(compressed(cfg, 4))
    inherit(narrow, wide.state_dict(), keep='first')
    theirs, ours = wide.state_dict(), narrow.state_dict()
    key = 'backbone.blocks.1.3.weight'
    assert torch.equal(ours[key], theirs[key][:64, :64])
    key = 'neck.deblocks.2.0.weight'  # transposed: (in, out, k, k)
    assert torch.equal(ours[key], theirs[key][:128, :64])
    starts = torch.cat([torch.arange(start, start + 64) for start in (0, 128, 256)])
    key = 'bbox_head.conv_cls.weight'
    assert torch.equal(ours[key], theirs[key][:, starts])
    assert torch.equal(ours['bbox_head.conv_cls.bias'], theirs['bbox_head.conv_cls.bias'])


def test_the_strongest_filters_are_kept_with_their_statistics():
    cfg = teacher('pointpillars')
    wide, narrow = build(cfg), build(compressed(cfg, 4))
    randomize(wide)
    inherit(narrow, wide.state_dict())
    theirs, ours = wide.state_dict(), narrow.state_dict()
    first = theirs['voxel_encoder.pfn_layers.0.linear.weight']
    kept = sorted(range(64), key=lambda i: -first[i].abs().sum())[:32]
    kept.sort()
    assert torch.equal(ours['voxel_encoder.pfn_layers.0.linear.weight'], first[kept])
    for name in ('weight', 'bias', 'running_mean', 'running_var'):
        key = f'voxel_encoder.pfn_layers.0.norm.{name}'
        assert torch.equal(ours[key], theirs[key][kept])
    second = theirs['backbone.blocks.0.0.weight']
    then = sorted(sorted(range(64), key=lambda i: -second[i].abs().sum())[:32])
    assert torch.equal(ours['backbone.blocks.0.0.weight'], second[then][:, kept])


def test_kernels_of_spconv_1_are_read():
    cfg = small('second')
    wide, narrow, again = build(cfg), build(compressed(cfg, 4)), build(compressed(cfg, 4))
    randomize(wide)
    weights = wide.state_dict()
    inherit(narrow, weights)
    old = {k: v.movedim(0, -1) if v.dim() == 5 else v for k, v in weights.items()}
    inherit(again, old)
    for ours, theirs in zip(again.state_dict().values(), narrow.state_dict().values()):
        assert torch.equal(ours, theirs)


def test_layers_of_dynamic_pillars_are_followed():
    cfg = teacher('dynamic')
    cfg.voxel_encoder.feat_channels = [32, 64]
    wide, narrow = build(cfg), build(compressed(cfg, 4))
    randomize(wide)
    inherit(narrow, wide.state_dict(), keep='even')
    theirs, ours = wide.state_dict(), narrow.state_dict()
    key = 'voxel_encoder.pfn_layers.1.0.weight'  # of 32 channels and their maximum, every second
    assert torch.equal(ours[key], theirs[key][::2, ::2])
    key = 'voxel_encoder.pfn_layers.1.1.running_var'
    assert torch.equal(ours[key], theirs[key][::2])


def test_whatever_compression_narrows_can_inherit():
    inner = {'SeparateHead', 'PointRCNNBboxHead'}  # follow with the module that holds them
    assert rules.RULES.keys() - inner <= inheritance_rules.RULES.keys()


# --- layers of predictions: their rows are classes, anchors and numbers of a box -----------------


@pytest.mark.parametrize('keep', ['norm', 'first'])
@pytest.mark.parametrize(
    'name, head, count',
    [('pointpillars', 'bbox_head', 4), ('centerpoint-pillar', 'pts_bbox_head', 2)],
)
def test_predictions_of_other_classes_stay_as_initialized(name, head, count, keep):
    cfg = small(name)
    student = build(compressed(cfg, 4))
    if name == 'pointpillars':
        cfg[head].num_classes, layers = count, {f'{head}.conv_cls'}
    else:
        cfg[head].tasks[0] = dict(num_class=count, class_names=['car', 'van'])
        layers = {f'{head}.task_heads.0.heatmap.1'}
    before = {key: value.clone() for key, value in student.state_dict().items()}
    wide = build(cfg)
    randomize(wide)
    assert set(inherit(student, wide.state_dict(), keep)) == layers
    for key, value in student.state_dict().items():
        kept = key.rpartition('.')[0] in layers
        assert torch.equal(value, before[key]) == kept or value.dim() == 0, key


@pytest.mark.parametrize('name', ON_CPU)
def test_predictions_are_copied_row_by_row(name):
    cfg = small(name)
    wide, narrow = build(cfg), build(compressed(cfg, 4))
    randomize(wide)
    inherit(narrow, wide.state_dict())
    theirs, head = wide.state_dict(), 'pts_bbox_head' if 'pts_bbox_head' in cfg else 'bbox_head'
    last = ('conv_cls', 'conv_reg', 'conv_dir_cls', 'heatmap.1', 'reg.1', 'dim.1', 'vel.1')
    biases = [k for k in theirs if k.startswith(head) and k.removesuffix('.bias').endswith(last)]
    biases = [key for key in biases if key.endswith('bias')]
    assert len(biases) >= 3
    for key in biases:
        assert torch.equal(narrow.state_dict()[key], theirs[key]), key


# --- PointRCNN: its sampling and grouping exist on CUDA only, plain ones stand in -----------------


class FirstPoints(nn.Module):
    def forward(self, xyz, features):
        return torch.arange(min(64, xyz.shape[1])).expand(len(xyz), -1)


class Nearest(nn.Module):
    """Groups of the four nearest points: relative position, then features."""

    def forward(self, xyz, center, features=None):
        near = torch.cdist(center, xyz).topk(4, largest=False).indices  # (B, M, 4)
        take = near.flatten(1)[:, None]
        place = xyz.transpose(1, 2).gather(2, take.expand(-1, 3, -1)).unflatten(2, near.shape[1:])
        place = place - center.transpose(1, 2)[..., None]
        feat = features.gather(2, take.expand(-1, features.shape[1], -1))
        return torch.cat([place, feat.unflatten(2, near.shape[1:])], dim=1)


def plain_point_operators(network, monkeypatch):
    for layer in network.modules():
        if isinstance(layer, point_sa_module.BasePointSAModule) and layer.num_point is not None:
            layer.points_sampler = FirstPoints()
            layer.groupers = nn.ModuleList(Nearest() for _ in layer.groupers)
    monkeypatch.setattr(
        point_sa_module, 'gather_points',
        lambda x, i: x.gather(2, i[:, None].expand(-1, x.shape[1], -1)),
    )  # fmt: skip
    monkeypatch.setattr(
        point_fp_module, 'three_nn', lambda a, b: torch.cdist(a, b).topk(3, largest=False)
    )
    monkeypatch.setattr(
        point_fp_module, 'three_interpolate',
        lambda x, i, w: (x[:, :, None].expand(-1, -1, i.shape[1], -1)
                         .gather(3, i[:, None].expand(-1, x.shape[1], -1, -1)) * w[:, None]).sum(3),
    )  # fmt: skip


@pytest.mark.parametrize('compression', [8, 16])
def test_a_point_network_hidden_in_a_wider_one_is_found(compression, monkeypatch):
    cfg = teacher('point-rcnn')
    # in double precision: rounding grows through twenty layers
    wide, narrow = build(cfg).double().eval(), build(compressed(cfg, compression)).double().eval()
    randomize(wide, gain=10)  # so that points still differ after twenty layers
    kill(wide, narrow)
    inherit(narrow, wide.state_dict())
    gen = torch.Generator().manual_seed(0)
    points = torch.rand(2, 100, 4, generator=gen).double()
    points[1] *= 3
    found = []
    for network in (wide, narrow):
        plain_point_operators(network, monkeypatch)
        with torch.no_grad():
            feats = network.extract_feat(dict(points=list(points)))
            boxes, scores = network.rpn_head(feats)
            rows = torch.cat([points[..., :3], points[..., :2],
                              feats['fp_features'].transpose(1, 2)], dim=2)  # fmt: skip
            found.append([boxes, scores, *network.roi_head.bbox_head(rows)])
    for theirs, ours in zip(*found):
        assert theirs.std() > 1e-3
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


# --- what is refused ------------------------------------------------------------------------------


def test_an_unknown_rule_of_choice_is_refused():
    cfg = teacher('pointpillars')
    message = "keep must be one of 'norm', 'first', 'even', but got 'best'"
    with pytest.raises(ValueError, match=message):
        inherit(build(cfg), build(cfg).state_dict(), keep='best')


def test_a_teacher_of_another_depth_is_refused():
    cfg = teacher('pointpillars')
    student = build(compressed(cfg, 4))
    cfg.backbone.layer_nums = [3, 5, 6]
    with pytest.raises(
        ValueError,
        match='must have the same layers, but 6 keys of their state dicts differ, for example '
        'backbone.blocks.2.18.weight of the teacher',
    ):
        inherit(student, build(cfg).state_dict())


def test_a_teacher_narrower_than_its_student_is_refused():
    cfg = teacher('pointpillars')
    with pytest.raises(
        ValueError, match='linear of the student has 64 filters, of the teacher 32, expected'
    ):
        inherit(build(cfg), build(compressed(cfg, 4)).state_dict())


def test_a_network_that_is_no_detector_is_refused():
    with pytest.raises(ValueError, match='student is a Linear, expected one of CenterPoint'):
        inherit(nn.Linear(1, 1), {})


def test_a_module_whose_channels_are_not_followed_is_refused():
    student = build(teacher('pointpillars'))
    student.neck = nn.Identity()
    message = 'neck of the student is a Identity, whose channels are not followed'
    with pytest.raises(ValueError, match=message):
        inherit(student, student.state_dict())

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.config import Config
from torch import nn
from toy import NUM_CLASSES, batch, build, distiller, minkunet, ptv3, save_checkpoint, total

from projects.SRKD.models.pillar_backbone import PointPillarsSegBackbone

CONFIGS = Path(__file__).parents[2] / 'configs/_base_'
SECOND = dict(type='SECOND', out_channels=[8, 16], layer_nums=[1, 1], layer_strides=[2, 2])
NECK = dict(type='SECONDFPN', out_channels=[8, 8], upsample_strides=[1, 2])


def backbone(**changes):
    """A map of 16 x 8 pillars of half a meter, around the origin."""
    config = dict(
        type='PointPillarsSegBackbone',
        in_channels=6,
        bev_range=(-4.0, -2.0, 4.0, 2.0),
        pillar_size=0.5,
        pillar_channels=8,
        second=SECOND,
        neck=NECK,
        out_channels=12,
    )
    return config | changes


def student(voxel_size=0.1, **changes):
    config = minkunet(12, voxel_size=voxel_size)
    config['backbone'] = backbone(pillar_size=0.25, **changes)
    return config


def rows(size=200, samples=2, seed=0):
    """Features of rows, half of them beside the map, and their voxels."""
    generator = torch.Generator().manual_seed(seed)
    feat = torch.rand(size, 6, generator=generator)
    feat[:, :3] = (feat[:, :3] - 0.5) * torch.tensor([11.0, 6.0, 3.0])
    coors = torch.randint(0, 50, (size, 4), generator=generator)
    coors[:, 0] = torch.arange(size) % samples
    return feat, coors


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = build(backbone())
    network(*rows(seed=7))  # gives the norms statistics
    return network.eval()


class Whole(nn.Module):
    """Neither a 2D network nor a neck: the map stays that of the pillars."""

    def forward(self, bev):
        return [bev]


def test_a_row_reads_the_map_where_its_own_pillar_was_written(network, device):
    network.second, network.neck = Whole(), nn.Identity()
    center = torch.tensor([[-3.75, -1.75], [2.25, 0.75], [3.75, -0.25], [0.25, 1.75]])
    feat = torch.cat([center, torch.rand(4, 4)], 1).to(device)
    coors = torch.zeros(4, 4).long().to(device)
    coors[:, 0] = torch.tensor([0, 1, 1, 0])
    read = []
    network.readout.forward = lambda bev, own, place, batch: read.extend(
        (own, torch.nn.functional.grid_sample(bev, place.view(2, 2, 1, 2), align_corners=False))
    )
    order = torch.tensor([0, 3, 1, 2], device=device)  # two rows of each sample
    network.to(device)(feat[order], coors[order])
    own, seen = read
    assert own.abs().sum() > 0
    torch.testing.assert_close(seen[..., 0].permute(0, 2, 1).reshape(4, -1), own)


def test_a_row_depends_on_its_own_sample_alone(network):
    feat, coors = rows()
    both = network(feat, coors)
    for i in range(2):
        mine = coors[:, 0] == i
        alone = coors[mine].clone()
        alone[:, 0] = 0
        torch.testing.assert_close(network(feat[mine], alone), both[mine], rtol=1e-4, atol=1e-5)


def test_rows_come_back_in_the_order_they_came_in(network):
    feat, coors = rows()
    order = torch.randperm(len(feat))
    expected = network(feat, coors)[order]
    got = network(feat[order], coors[order])
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_the_voxel_grid_of_a_row_changes_nothing(network):
    feat, coors = rows()
    shifted = coors + torch.tensor([0, 3, 1, 4])
    assert torch.equal(network(feat, coors), network(feat, shifted))


def test_a_row_beside_the_map_neither_changes_it_nor_reads_it(network):
    feat, coors = rows()
    half_cell = 0.5  # of the map that is read, which SECOND halved once
    beside = (feat[:, :2].abs() > torch.tensor([4.0, 2.0]) + half_cell).any(1)
    on_map = (feat[:, :2].abs() < torch.tensor([4.0, 2.0])).all(1)
    assert beside.sum() > 10 and on_map.sum() > 10
    everything = network(feat, coors)
    kept = network(feat[on_map], coors[on_map])
    torch.testing.assert_close(everything[on_map], kept, rtol=1e-4, atol=1e-5)

    nn.init.zeros_(network.neck.deblocks[0][0].weight)
    nn.init.constant_(network.neck.deblocks[0][1].bias, 3.0)
    changed = network(feat, coors)
    assert torch.equal(changed[beside], everything[beside])
    assert (changed[on_map] != everything[on_map]).any(1).all()
    assert (everything[beside].std(0) > 0).any()


def test_height_is_unlimited(network):
    feat, coors = rows(1)
    feat[0, :2] = 0.1
    low = network(feat, coors)
    feat[0, 2] = 30.0
    assert torch.isfinite(network(feat, coors)).all()
    assert not torch.equal(network(feat, coors), low)


@pytest.mark.parametrize('far', [False, True])
def test_gradients_reach_every_parameter_and_the_rows(far):
    network = build(backbone())
    feat, coors = rows()
    if far:  # not one row on the map
        feat[:, 0] += 20
    feat.requires_grad_()
    network(feat, coors).square().sum().backward()
    assert torch.isfinite(feat.grad).all() and feat.grad.abs().sum() > 0
    for name, parameter in network.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert far or parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize('sizes', [(1, 1), (1, 300), (3,)])
def test_tiny_clouds_train_and_predict(sizes):
    network = build(student())
    losses = network.train()(**network.data_preprocessor(batch(sizes), True), mode='loss')
    assert all(torch.isfinite(value) for value in losses.values())
    predictions = network.eval().test_step(batch(sizes))
    assert [len(p.pred_pts_seg.pts_semantic_mask) for p in predictions] == list(sizes)


def test_a_single_row_cannot_train_and_the_message_says_so():
    with pytest.raises(ValueError, match='batch norm in training needs at least 2 voxels'):
        build(backbone())(*rows(1))


def scene(seed=0, size=600):
    """Ground, poles and things beyond the map, labeled 0, 1, 2; the last tenth is unlabeled."""
    generator = torch.Generator().manual_seed(seed)
    cloud = torch.rand(size, 6, generator=generator)
    third = size // 3
    cloud[:, 0], cloud[:, 1] = cloud[:, 0] * 7 - 3.5, cloud[:, 1] * 3 - 1.5
    cloud[:, 2] *= 0.1
    cloud[third : 2 * third, :2] = cloud[third : 2 * third, :2].round()
    cloud[third : 2 * third, 2] = torch.rand(third, generator=generator) * 2
    cloud[2 * third :, 0] += 12
    label = torch.arange(3).repeat_interleave(third)
    label[torch.randperm(size, generator=generator)[: size // 10]] = NUM_CLASSES
    truth = PointData(pts_semantic_mask=label)
    return dict(inputs=dict(points=[cloud]), data_samples=[Det3DDataSample(gt_pts_seg=truth)])


def test_it_learns_a_scene_and_labels_all_its_raw_points(device):
    torch.manual_seed(0)
    network = build(student()).to(device).train()
    network.init_weights()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.3  # 30 steps are few for 0.01
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    history = []
    for _ in range(30):
        losses = network(**network.data_preprocessor(scene(), True), mode='loss')
        assert set(losses) == {'loss_sem_seg', 'loss_lovasz'}
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
        history.append(total(losses).item())
    assert history[-1] < 0.5 * history[0]

    data = scene()
    (result,) = network.eval().test_step(data)
    assert result.pts_seg_logits.pts_seg_logits.shape == (NUM_CLASSES, 600)
    label = data['data_samples'][0].gt_pts_seg.pts_semantic_mask.to(device)
    right = (result.pred_pts_seg.pts_semantic_mask == label)[label != NUM_CLASSES]
    assert right.float().mean() > 0.9


def test_test_time_augmentation_averages_its_predictions():
    torch.manual_seed(0)
    network = build(student()).eval()
    tta = MODELS.build(dict(type='Seg3DTTAModel', module=network))
    clouds = [scene(seed) for seed in (0, 0)]
    clouds[1]['inputs']['points'][0][:, 1] *= -1  # the same scene, mirrored
    (merged,) = tta.test_step({key: [c[key] for c in clouds] for key in clouds[0]})
    prob = [network.test_step(c)[0].pts_seg_logits.pts_seg_logits.softmax(0) for c in clouds]
    assert torch.equal(merged.pred_pts_seg.pts_semantic_mask, sum(prob).argmax(0))


@pytest.mark.parametrize(
    ('teacher_voxel', 'dtype'), [(0.1, None), (0.15, None), (0.1, torch.bfloat16)]
)
def test_it_is_taught_by_ptv3_in_every_term_of_srkd(tmp_path, teacher_voxel, dtype):
    teacher = ptv3(16, voxel_size=teacher_voxel)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    terms = Config.fromfile(CONFIGS / 'distill/srkd.py').distill.terms
    model = distiller(student(), teacher, checkpoint, **terms)
    data = model.data_preprocessor(batch((400, 300)), training=True)
    with torch.autocast('cpu', dtype=dtype, enabled=dtype is not None):
        losses = model.loss(**data)
    assert losses['unmatched_rows'] == 0
    assert all(torch.isfinite(value) for value in losses.values())
    assert all(losses[f'loss_{name}'] > 0 for name in terms)
    total(losses).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    plain = build(student())
    plain.load_state_dict(model.state_dict(), strict=True)


def test_the_default_config_has_the_parameters_that_its_layers_add_up_to():
    with torch.device('meta'):
        network = build(Config.fromfile(CONFIGS / 'models/pointpillars_seg.py').model)
    stages = [(64, 64, 3), (64, 128, 5), (128, 256, 5)]  # in, out, further convolutions
    encoder = 9 * 64 + 2 * 64
    second = sum(9 * i * o + 2 * o + n * (9 * o * o + 2 * o) for i, o, n in stages)
    neck = sum(o * 128 * up * up + 2 * 128 for (_, o, _), up in zip(stages, (1, 2, 4)))
    readout = (3 * 128 + 64) * 128 + 128 * 128 + 2 * 2 * 128
    head = 129 * 19
    count = sum(p.numel() for p in network.parameters())
    assert count == encoder + second + neck + readout + head == 4_883_795 < 15e6
    assert network.backbone.grid.size == (512, 512)


def test_the_default_config_labels_every_point_of_a_real_scan(realdata):
    network = build(Config.fromfile(CONFIGS / 'models/pointpillars_seg.py').model).eval()
    file = next((realdata / 'semantickitti/sequences/00/velodyne').glob('*.bin'))
    cloud = torch.from_numpy(np.fromfile(file, np.float32).reshape(-1, 4))
    data = dict(inputs=dict(points=[cloud]), data_samples=[Det3DDataSample()])
    (result,) = network.test_step(data)
    assert (cloud[:, :2].abs() > 51.2).any()
    assert result.pts_seg_logits.pts_seg_logits.shape == (19, 124_668)
    assert torch.isfinite(result.pts_seg_logits.pts_seg_logits).all()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(in_channels=2), r'in_channels of .* must be at least 3 \(x, y, z .*\), but got 2'),
        (dict(pillar_size=0.3), 'spans 8 m along x.*no multiple of pillar_size 0.3'),
        (
            dict(bev_range=(-4, -2, 4, 3)),
            r'16 x 10 pillars is not divisible by 4.*layer_strides \(2, 2\): the nearest is 16 x 8',
        ),
        (
            dict(neck=NECK | dict(upsample_strides=[1, 4])),
            r'upsample_strides \(1, 4\) .*layer_strides \(2, 2\).*with 1, expected \(1, 2\)',
        ),
        (
            dict(second=dict(type='SECOND', out_channels=[8, 16])),
            'second of .* names no layer_strides, expected type, out_channels and layer_strides',
        ),
        (dict(neck=dict(type='SECONDFPN')), 'neck of .* names no out_channels'),
    ],
)
def test_a_backbone_whose_parts_do_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PointPillarsSegBackbone(
            **{key: value for key, value in backbone(**changes).items() if key != 'type'}
        )


def test_rows_of_another_width_are_refused(network):
    feat, coors = rows()
    with pytest.raises(
        ValueError, match=r'features must be \(N, 6\) and voxels \(N, 4\), but got \(200, 4\)'
    ):
        network(feat[:, :4], coors)
    with pytest.raises(ValueError, match=r'got \(200, 6\) and \(200, 3\)'):
        network(feat, coors[:, 1:])

"""What each augmentation does to points, colors, labels and identities."""

import tracemalloc

import numpy as np
import pytest
import torch
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import DepthPoints
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import convolve

import projects.SRKD  # noqa: F401 - registers the transforms
from projects.SRKD.datasets.augmentation.elastic import _smooth_field, _without_gaps

IDENTITY = 6  # first of the two identity columns


def scan(n=500, seed=0, scale=4.0, color_scale=255.0, slot=0):
    """A colored scan whose labels and identities tell which point is which."""
    generator = torch.Generator().manual_seed(seed)
    coord = torch.rand(n, 3, generator=generator) * scale
    color = torch.rand(n, 3, generator=generator) * color_scale
    row = torch.arange(n, dtype=torch.float32)
    tensor = torch.cat([coord, color, torch.stack([row, torch.full_like(row, slot)], 1)], 1)
    points = DepthPoints(tensor, points_dim=8, attribute_dims=dict(color=[3, 4, 5]))
    return dict(
        points=points, pts_semantic_mask=np.arange(n) % 7, pts_instance_mask=np.arange(n) % 11
    )


def apply(results, type, seed=0, **kwargs):
    np.random.seed(seed)
    return TRANSFORMS.build(dict(type=type, **kwargs))(results)


def rows(results):
    return results['points'].tensor[:, IDENTITY].long().numpy()


def assert_labels_follow(results):
    np.testing.assert_array_equal(results['pts_semantic_mask'], rows(results) % 7)
    np.testing.assert_array_equal(results['pts_instance_mask'], rows(results) % 11)


EVERY = {
    'ChromaticAutoContrast': dict(p=1.0),
    'ChromaticTranslation': dict(p=1.0),
    'ChromaticJitter': dict(p=1.0),
    'ElasticDistortion': dict(p=1.0),
    'CenterShift': dict(),
    'RandomTilt': dict(p=1.0),
    'RandomPointDropout': dict(p=1.0),
    'SphereCrop': dict(max_points=100),
    'GridSamplePoints': dict(size=0.8),
}
COLOR = [name for name in EVERY if name.startswith('Chromatic')]
MOVES = ['ElasticDistortion', 'CenterShift', 'RandomTilt']


@pytest.mark.parametrize('name', EVERY)
def test_labels_and_identities_stay_with_their_points(name):
    before, after = scan(), apply(scan(), name, **EVERY[name])
    assert_labels_follow(after)
    kept = rows(after)
    assert np.all(np.diff(kept) > 0)
    same = {'coord': name not in MOVES, 'color': name not in COLOR}
    for what, expected in same.items():
        was, now = (getattr(r['points'], what) for r in (before, after))
        assert torch.equal(was[kept], now) == expected, what


@pytest.mark.parametrize('name', EVERY)
def test_numpy_seeds_decide(name):
    first, again, other = (apply(scan(), name, seed=s, **EVERY[name]) for s in (1, 1, 2))
    assert torch.equal(first['points'].tensor, again['points'].tensor)
    if name != 'CenterShift':
        assert first['points'].tensor.shape != other['points'].tensor.shape or not torch.equal(
            first['points'].tensor, other['points'].tensor
        )


@pytest.mark.parametrize('name', [name for name, kwargs in EVERY.items() if 'p' in kwargs])
def test_with_probability_zero_nothing_happens(name):
    assert torch.equal(apply(scan(), name, p=0.0)['points'].tensor, scan()['points'].tensor)


@pytest.mark.parametrize('name', EVERY)
def test_a_scan_of_one_point_passes(name):
    assert len(apply(scan(n=1), name, **EVERY[name])['points']) == 1


@pytest.mark.parametrize('name', COLOR)
def test_colors_stay_colors(name):
    color = apply(scan(), name, **EVERY[name])['points'].color
    assert color.min() >= 0 and color.max() <= 255


def test_auto_contrast_stretches_each_channel():
    results = scan()
    results['points'].color = results['points'].color * 0.4 + 50
    stretched = apply(results, 'ChromaticAutoContrast', p=1.0, blend=1.0)['points'].color
    torch.testing.assert_close(stretched.amin(0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(stretched.amax(0), torch.full((3,), 255.0), atol=1e-3, rtol=0)


def test_auto_contrast_leaves_a_gray_wall_alone():
    results = scan()
    results['points'].color = torch.full((500, 3), 90.0)
    stretched = apply(results, 'ChromaticAutoContrast', p=1.0, blend=1.0)
    assert (stretched['points'].color == 90).all()


def test_translation_moves_all_points_by_one_color():
    results = scan(color_scale=100.0)
    results['points'].color = results['points'].color + 50
    before = results['points'].color.clone()
    shift = apply(results, 'ChromaticTranslation', p=1.0, ratio=0.1)['points'].color - before
    torch.testing.assert_close(shift, shift[:1].expand_as(shift), atol=1e-4, rtol=0)
    assert 0 < shift.abs().max() <= 25.5


def test_jitter_has_the_standard_deviation_it_says():
    results = scan(n=20000)
    results['points'].color = torch.full((20000, 3), 128.0)
    noise = apply(results, 'ChromaticJitter', p=1.0, std=0.02)['points'].color - 128
    assert noise.std().item() == pytest.approx(0.02 * 255, rel=0.03)


def test_elastic_distortion_is_smooth_and_as_large_as_it_says():
    results = scan(n=20000, scale=20.0)
    before = results['points'].coord.clone()
    shift = apply(results, 'ElasticDistortion', fields=[(0.8, 1.6)], p=1.0)['points'].coord - before
    assert 0.07 * 1.6 < shift.std().item() < 0.13 * 1.6
    distance = (before[:500, None] - before[None]).norm(dim=2)
    distance[distance == 0] = torch.inf
    nearest, neighbor = distance.min(1)
    close = nearest < 0.3
    change = (shift[:500] - shift[neighbor]).norm(dim=1)[close]
    assert close.sum() > 50 and change.mean() < 0.5 * shift.norm(dim=1).mean()


def test_elastic_distortion_adds_the_smoothed_noise_interpolated_linearly():
    results, cell, magnitude = scan(n=300, scale=3.0), 0.8, 1.6
    results['points'].coord *= torch.tensor([1.0, 0.7, 0.4])  # another number of cells per axis
    before = results['points'].coord.double().numpy()
    after = apply(results, 'ElasticDistortion', fields=[(cell, magnitude)], p=1.0)['points'].coord
    np.random.seed(0)
    np.random.rand()
    low = before.min(axis=0)
    size = ((before.max(axis=0) - low) // cell).astype(int) + 3
    noise = np.random.standard_normal((*size, 3))
    box = np.ones((3, 3, 3, 1)) / 27
    for _ in range(2):
        noise = convolve(noise, box, mode='constant')
    axes = [low[a] + cell * (np.arange(size[a]) - 1) for a in range(3)]
    shift = magnitude * RegularGridInterpolator(axes, noise)(before)
    np.testing.assert_allclose(after.numpy(), before + shift, rtol=0, atol=1e-6)


def test_center_shift_puts_the_box_over_the_origin():
    coord = apply(scan(), 'CenterShift')['points'].coord
    torch.testing.assert_close(coord.amin(0)[:2], -coord.amax(0)[:2])
    assert coord[:, 2].min() == 0
    level = apply(scan(), 'CenterShift', apply_z=False)['points'].coord
    assert torch.equal(level[:, 2], scan()['points'].coord[:, 2])


def test_tilt_is_a_small_rotation():
    before, after = scan()['points'].coord, apply(scan(), 'RandomTilt', p=1.0)['points'].coord
    torch.testing.assert_close(before.norm(dim=1), after.norm(dim=1))
    cosine = torch.cosine_similarity(before, after)
    assert cosine.min() >= np.cos(2 * np.pi / 64) and cosine.min() < 1


def test_tilt_refuses_boxes():
    with pytest.raises(ValueError, match='gt_bboxes_3d, which stand upright'):
        apply({**scan(), 'gt_bboxes_3d': [1]}, 'RandomTilt')


def test_dropout_keeps_the_share_it_says():
    assert len(apply(scan(), 'RandomPointDropout', ratio=0.25, p=1.0)['points']) == 375


def test_sphere_crop_keeps_the_nearest_points():
    after = apply(scan(), 'SphereCrop', max_points=60)
    coord, kept = scan()['points'].coord, set(rows(after).tolist())
    nearest = [set(row.topk(60, largest=False).indices.tolist())
               for row in torch.cdist(coord, coord)]  # fmt: skip
    assert len(kept) == 60 and kept in nearest
    assert len(apply(scan(), 'SphereCrop', max_points=500)['points']) == 500


def test_grid_sampling_keeps_one_point_of_every_voxel():
    coord = scan()['points'].coord
    cell = [tuple(row) for row in torch.floor((coord - coord.amin(0)) / 0.8).int().tolist()]
    drawn = [rows(apply(scan(), 'GridSamplePoints', seed=s, size=0.8)) for s in range(40)]
    for kept in drawn:
        assert sorted(cell[row] for row in kept) == sorted(set(cell))
    crowded = max(set(cell), key=cell.count)
    chosen = {row for kept in drawn for row in kept if cell[row] == crowded}
    assert len(chosen) > 0.8 * cell.count(crowded)  # any point of a voxel may be the one


def test_grid_sampling_keeps_points_far_out_on_every_axis():
    far = torch.tensor([2**20, 2**22 - 1, 2**22 - 1])  # 64 bits per cell wrap to 0 at the first
    results, size = scan(n=4), 2**-6
    results['points'].tensor[:, :3] = torch.cat([torch.zeros(1, 3), far.diag() * size])
    assert len(apply(results, 'GridSamplePoints', size=size)['points']) == 4


class Scans:
    """A data set as mixing transforms see it."""

    def __len__(self):
        return 3

    def get_data_info(self, index):
        return dict(index=index)


@TRANSFORMS.register_module()
class LoadToyScan:
    def __init__(self, masks=True):
        self.masks = masks

    def __call__(self, results):
        loaded = scan(n=40 + results['index'], seed=results['index'], slot=results['index'] + 1)
        if not self.masks:
            del loaded['pts_instance_mask']
        return {**results, **loaded}


def test_mixing_appends_a_whole_scan_with_its_labels_and_identities():
    results = {**scan(), 'dataset': Scans()}
    results = apply(results, 'Mix3D', pre_transform=[dict(type='LoadToyScan')], p=1.0)
    n = len(results['points']) - 500
    assert n in (40, 41, 42)
    assert_labels_follow(results)
    slots = results['points'].tensor[:, IDENTITY + 1].long()
    assert slots.tolist() == [0] * 500 + [n - 39] * n
    other = scan(n=n, seed=n - 40, slot=n - 39)['points'].tensor
    assert torch.equal(results['points'].tensor[500:], other)


def test_mixing_happens_as_often_as_it_says():
    mix = TRANSFORMS.build(dict(type='Mix3D', pre_transform=[dict(type='LoadToyScan')], p=0.8))
    np.random.seed(0)
    mixed = [len(mix({**scan(n=9), 'dataset': Scans()})['points']) > 9 for _ in range(300)]
    assert np.mean(mixed) == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize('name, kwargs', [
    ('LaserMix', dict(num_areas=[3, 4], pitch_angles=[-25, 85])),
    ('PolarMix', dict(instance_classes=[0, 1], swap_ratio=1.0, rotate_paste_ratio=1.0)),
])  # fmt: skip
def test_identities_survive_the_mixing_of_mmdet3d(name, kwargs):
    results = {**scan(), 'dataset': Scans()}
    del results['pts_instance_mask']  # which both leave as it was
    results = apply(
        results, name, pre_transform=[dict(type='LoadToyScan', masks=False)], prob=1.0, **kwargs
    )
    slots = results['points'].tensor[:, IDENTITY + 1].long()
    assert len(set(slots.tolist())) == 2  # some of both scans
    np.testing.assert_array_equal(results['pts_semantic_mask'], rows(results) % 7)


@pytest.mark.parametrize(
    'name, kwargs, message',
    [
        ('ChromaticJitter', dict(p=1.5), r'p must be a probability in \[0, 1\], but got p=1.5'),
        ('ChromaticJitter', dict(std=0), 'std'),
        ('ChromaticTranslation', dict(ratio=-1), 'ratio'),
        ('ChromaticAutoContrast', dict(blend=2), 'blend must be a probability'),
        ('ElasticDistortion', dict(fields=[(0.2, 0.0)]), r'pairs \(cell size, magnitude\)'),
        ('RandomPointDropout', dict(ratio=1), 'leaves no point'),
        ('SphereCrop', dict(max_points=0), 'max_points'),
        ('GridSamplePoints', dict(size=0), 'size must be positive'),
        ('Mix3D', dict(pre_transform=[], p=-0.1), 'p must be a probability'),
    ],
)
def test_bad_arguments_are_refused(name, kwargs, message):
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build(dict(type=name, **kwargs))


@pytest.mark.parametrize('name', COLOR)
def test_colors_that_are_none_are_refused(name):
    bare = dict(points=DepthPoints(torch.rand(5, 3), points_dim=3))
    with pytest.raises(ValueError, match='needs colored points, but got no attributes'):
        apply(bare, name)
    with pytest.raises(ValueError, match='place it before NormalizePointsColor'):
        apply(scan(color_scale=1.0), name)


def test_mixing_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match='which it has in training only'):
        apply(scan(), 'Mix3D', pre_transform=[], p=1.0)
    with pytest.raises(ValueError, match='pts_instance_mask in one of two scans'):
        apply({**scan(), 'dataset': Scans()}, 'Mix3D', p=1.0,
              pre_transform=[dict(type='LoadToyScan', masks=False)])  # fmt: skip


@pytest.mark.parametrize('far', [100.0, 1e5])
def test_one_point_far_away_costs_elastic_distortion_no_memory(far):
    cloud = np.random.default_rng(0).uniform(-5, 5, (400, 3))
    cloud[0, :2] += far
    np.random.seed(0)
    tracemalloc.start()
    field = _smooth_field(cloud, 0.2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20  # the near points alone take 9 MiB of noise
    assert 0.02 < field[1:].std() < 0.5 and np.isfinite(field).all()


def test_gaps_are_cut_by_whole_cells_and_order_and_nearness_stay():
    place = np.array([0.0, 500.25, 1.5, 503.0])
    assert _without_gaps(place).tolist() == [0.0, 10.25, 1.5, 13.0]
    near = np.array([0.0, 7.9, 3.0])
    assert _without_gaps(near) is near


def test_points_scattered_over_a_country_are_refused():
    cloud = np.random.default_rng(0).uniform(-1e5, 1e5, (2000, 3))
    with pytest.raises(ValueError, match='cells of 0.2 m for a scan of 2000 points'):
        _smooth_field(cloud, 0.2)

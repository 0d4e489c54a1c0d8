import pytest
import torch

from projects.SRKD.losses import SuperVoxelSampler
from projects.SRKD.losses.srkd.super_voxels import class_rarity

CUBES = dict(type='CubePartition', size=1.0)


def line(cells, per_cell=4):
    """Points of a corridor: ``per_cell`` in each of ``cells`` cubes of one meter along x."""
    x = torch.arange(cells).repeat_interleave(per_cell) + 0.25
    coord = torch.zeros(len(x), 3)
    coord[:, 0] = x
    coord[-1, 0] += 0.5  # the last cube is full, so that its number does not depend on rounding
    return coord


def test_rarity_follows_the_dominant_class():
    label = torch.tensor([0, 0, 1, 1, 1, 0, 2, -1, -1])
    number = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 3])
    rarity = class_rarity(label, number, 4, torch.tensor([60, 30, 10]))
    torch.testing.assert_close(rarity, torch.tensor([0.4, 0.7, 0.9, 0.0], dtype=torch.float64))


def test_the_weight_is_rarity_times_distance_over_capacity():
    coord = torch.tensor([[1.0, 0.1, 0.0], [3.5, 0.1, 0.0], [5.0, 0.0, 0.0]])
    partition = dict(type='CylinderPartition', radius=2.0, angle=7.0, height=1.0)
    sampler = SuperVoxelSampler(partition, 3, 'paper')
    group, weight = sampler(coord, torch.zeros(3).long(), torch.tensor([0, 0, 1]))
    # Three rings, classes 0 0 1 of which 2/3 are 0, middles at 1, 3 and 5 m of 5.
    expected = torch.tensor([1 / 3 * 1 / 5, 1 / 3 * 3 / 5, 2 / 3 * 5 / 5]) / 3
    torch.testing.assert_close(weight[group], expected.double())


def test_the_default_weights_have_mean_one_and_the_same_ratios():
    coord, label = line(3), torch.tensor([0] * 8 + [1] * 4)
    batch = torch.zeros(12).long()
    drawn = {
        w: SuperVoxelSampler(CUBES, 3, w)(coord, batch, label)[1] for w in ('paper', 'mean_one')
    }
    assert drawn['mean_one'].mean().item() == pytest.approx(1.0)
    torch.testing.assert_close(drawn['mean_one'], drawn['paper'] / drawn['paper'].mean())
    assert SuperVoxelSampler(CUBES, 3, 'none')(coord, batch, label)[1].tolist() == [1, 1, 1]


def test_rare_classes_are_drawn_in_proportion():
    coord, batch = line(3), torch.zeros(12).long()
    label = torch.tensor([0] * 4 + [1] * 4 + [2] * 4)
    sampler = SuperVoxelSampler(CUBES, 1, class_counts=[80, 10, 10])  # rarity 0.2, 0.9, 0.9
    torch.manual_seed(0)
    share = torch.zeros(3)
    for _ in range(2000):
        share[(sampler(coord, batch, label)[0].view(3, 4)[:, 0] >= 0).nonzero()] += 1 / 2000
    torch.testing.assert_close(share, torch.tensor([0.1, 0.45, 0.45]), atol=0.04, rtol=0)


def test_super_voxels_are_drawn_per_sample_without_replacement():
    coord = torch.cat([line(6), line(2)])
    batch = torch.tensor([5] * 24 + [3] * 8)
    torch.manual_seed(0)
    group, weight = SuperVoxelSampler(CUBES, 4)(coord, batch)
    assert len(weight) == 6  # four of six, and both of two
    for g in range(6):
        assert (group == g).sum() == 4  # a whole cube each
    assert (group[:24] >= 0).sum() == 16 and (group[24:] >= 0).all()


def test_a_scene_of_one_class_is_drawn_evenly():
    coord, batch = line(4), torch.zeros(16).long()
    torch.manual_seed(0)
    sampler = SuperVoxelSampler(CUBES, 1)
    drawn = {sampler(coord, batch, batch)[0].argmax().item() // 4 for _ in range(60)}
    assert drawn == {0, 1, 2, 3}
    assert sampler(coord, batch, batch)[1].tolist() == [1.0]


def test_unlabeled_super_voxels_come_last():
    coord, batch = line(4), torch.zeros(16).long()
    label = torch.tensor([0] * 4 + [-1] * 8 + [1] * 4)
    for seed in range(20):
        torch.manual_seed(seed)
        group, _ = SuperVoxelSampler(CUBES, 2)(coord, batch, label)
        assert (group[4:12] == -1).all()
    third = set()
    for seed in range(20):
        torch.manual_seed(seed)
        group, _ = SuperVoxelSampler(CUBES, 3)(coord, batch, label)
        third.update(((group[4:12] >= 0).nonzero() // 4).flatten().tolist())
    assert third == {0, 1}  # and fairly among themselves


def test_rows_without_sample_are_never_drawn():
    batch = torch.tensor([0] * 8 + [-1] * 8)
    group, _ = SuperVoxelSampler(CUBES, 9)(line(4), batch)
    assert (group[:8] >= 0).all() and (group[8:] == -1).all()


def test_no_points_draw_nothing():
    group, weight = SuperVoxelSampler(CUBES)(torch.zeros(0, 3), torch.zeros(0).long())
    assert len(group) == len(weight) == 0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_super_voxels=0), 'num_super_voxels must be a whole number .* got 0'),
        (dict(num_super_voxels=2.5), 'num_super_voxels must be a whole number .* got 2.5'),
        (dict(min_rows=0), 'min_rows must be a whole number of at least 1'),
        (dict(weighting='papr'), "nearest: 'paper'"),
        (dict(class_counts=[0, 0]), 'sum_of_class_counts must be positive, but got 0'),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SuperVoxelSampler(CUBES, **options)


def test_labels_beyond_the_given_counts_are_refused():
    sampler = SuperVoxelSampler(CUBES, class_counts=[5, 5])
    with pytest.raises(ValueError, match='class_counts names 2 classes, but a label is 2'):
        sampler(line(1), torch.zeros(4).long(), torch.tensor([0, 1, 2, -1]))


def test_a_super_voxel_of_few_rows_is_not_drawn_where_larger_ones_are():
    coord = torch.cat([line(5, per_cell=2), line(1, per_cell=40) + torch.tensor([50.0, 0, 0])])
    batch = torch.zeros(50).long()
    for seed in range(10):
        torch.manual_seed(seed)
        group, weight = SuperVoxelSampler(CUBES, 4, min_rows=32)(coord, batch)
        assert len(weight) == 1 and (group[10:] == 0).all() and (group[:10] == -1).all()


def test_where_none_is_large_enough_all_can_be_drawn():
    group, weight = SuperVoxelSampler(CUBES, 3, min_rows=32)(line(3), torch.zeros(12).long())
    assert len(weight) == 3 and (group >= 0).all()


def test_a_sample_without_labels_is_drawn_as_if_there_were_none():
    coord = torch.cat([line(3), line(6)])
    batch = torch.cat([torch.zeros(12).long(), torch.ones(24).long()])
    label = torch.cat([torch.tensor([0] * 8 + [1] * 4), torch.full((24,), -1)])
    sampler = SuperVoxelSampler(CUBES, 6, 'paper')
    group, weight = sampler(coord, batch, label)
    assert (weight > 0).all() and len(weight) == 9
    alone, expected = sampler(line(6), torch.zeros(24).long())
    torch.testing.assert_close(weight[group[12:]], expected[alone])

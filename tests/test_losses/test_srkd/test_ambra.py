import pytest
import torch

from projects.SRKD.losses import PointAffinityLoss, VoxelAffinityLoss, affinity_mse
from projects.SRKD.ops import l2_normalize

CUBES = dict(type='CubePartition', size=1.0)


def room(rows=400, width_s=4, width_t=7, seed=0):
    gen = torch.Generator().manual_seed(seed)
    return dict(
        student=torch.randn(rows, width_s, generator=gen, dtype=torch.float64),
        teacher=torch.randn(rows, width_t, generator=gen, dtype=torch.float64),
        coord=torch.rand(rows, 3, generator=gen) * torch.tensor([2.0, 1.0, 1.0]),
        batch=torch.randint(0, 2, (rows,), generator=gen),
    )


def halves(fields):
    """The super-voxel of every point, found by hand: two cubes per sample along x."""
    x = fields['coord'][:, 0].double()
    low = torch.stack([x[fields['batch'] == b].min() for b in (0, 1)])[fields['batch']]
    return fields['batch'] * 2 + (x - low >= 1).long()


@pytest.mark.parametrize('normalize', ['none', 'l2'])
def test_point_term_equals_affinity_over_all_super_voxels(normalize):
    fields = room()
    value = PointAffinityLoss(CUBES, num_super_voxels=9, n_points=999, normalize=normalize)(
        **fields
    )
    student, teacher = fields['student'], fields['teacher']
    if normalize == 'l2':
        student, teacher = l2_normalize(student), l2_normalize(teacher)
    torch.testing.assert_close(value, affinity_mse(student, teacher, halves(fields)))


def test_point_term_carries_weights_into_the_distances():
    fields = room()
    group = halves(fields)
    label = (group == 1).long()  # class 1 fills one of four super-voxels
    counts = torch.tensor([30.0, 10.0])
    tau = 1 - counts / 40
    weight = torch.tensor([tau[0], tau[1], tau[0], tau[0]])
    loss = PointAffinityLoss(CUBES, 9, 999, 'none', class_counts=[30, 10])
    expected = affinity_mse(fields['student'], fields['teacher'], group, weight / weight.mean())
    torch.testing.assert_close(loss(**fields, label=label), expected)


def test_the_papers_weight_makes_the_term_vanish():
    fields = room()
    literal, ours = (
        PointAffinityLoss(dict(type='CylinderPartition', radius=0.2), 99, weighting=w)(**fields)
        for w in ('paper', 'mean_one')
    )
    assert 0 < literal < 1e-2 * ours


def test_at_most_n_points_of_a_super_voxel_are_compared():
    fields = room()
    loss = PointAffinityLoss(CUBES, num_super_voxels=1, n_points=10)
    student = fields['student'].requires_grad_()
    loss(**fields).backward()
    touched = student.grad.abs().sum(dim=1) > 0
    assert touched.sum() == 20  # one super-voxel of either sample
    assert len(halves(fields)[touched].unique()) == 2


def test_drawing_follows_the_global_seed():
    fields, loss = room(), PointAffinityLoss(CUBES, 1, 10)
    values = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        values.append(loss(**fields).item())
    assert values[0] == values[1] != values[2]


def test_scale_ignores_the_size_of_either_network():
    fields = room()
    loss = PointAffinityLoss(CUBES, 9, 999, normalize='scale')
    scaled = {**fields, 'student': 7 * fields['student'], 'teacher': fields['teacher'] / 3}
    torch.testing.assert_close(loss(**scaled), loss(**fields))


def test_voxel_term_compares_means_over_cubes_inside_super_voxels():
    fields = room()
    group = halves(fields)
    cells = torch.floor(fields['coord'].double() / 0.3).long()
    keys = [tuple(key) for key in torch.cat([group[:, None], cells], dim=1).tolist()]
    pooled = {}
    for row, key in enumerate(keys):
        pooled.setdefault(key, []).append(row)
    means = [
        torch.stack([fields[name][rows].mean(dim=0) for rows in pooled.values()])
        for name in ('student', 'teacher')
    ]
    expected = affinity_mse(*means, torch.tensor([key[0] for key in pooled]))
    value = VoxelAffinityLoss(CUBES, 0.3, 9, 999, normalize='none')(**fields)
    torch.testing.assert_close(value, expected)


def test_at_most_n_voxels_of_a_super_voxel_are_compared():
    fields = room()
    student = fields['student'].requires_grad_()
    VoxelAffinityLoss(CUBES, 0.3, num_super_voxels=1, n_voxels=5)(**fields).backward()
    touched = student.grad.abs().sum(dim=1) > 0
    cells = torch.floor(fields['coord'].double() / 0.3).long()
    keys = torch.cat([halves(fields)[:, None], cells], dim=1)[touched]
    assert len(keys.unique(dim=0)) == 10


@pytest.mark.parametrize(
    ('kind', 'options', 'message'),
    [
        (PointAffinityLoss, dict(n_points=0), 'n_points must be a whole number .* got 0'),
        (PointAffinityLoss, dict(normalize='L2'), "normalize must be one of .*, but got 'L2'"),
        (PointAffinityLoss, dict(normalize='scaled'), "nearest: 'scale'"),
        (VoxelAffinityLoss, dict(voxel_size=-0.1), 'voxel_size must be positive, but got -0.1'),
        (VoxelAffinityLoss, dict(n_voxels=0), 'n_voxels must be a whole number .* got 0'),
        (VoxelAffinityLoss, dict(weighting='mean'), "nearest: 'mean_one'"),
        (VoxelAffinityLoss, dict(partition=dict(type='Cube')), "nearest: 'CubePartition'"),
    ],
)
def test_bad_options_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)


@pytest.mark.parametrize('kind', [PointAffinityLoss, VoxelAffinityLoss])
def test_it_says_what_share_of_the_rows_it_compared(kind):
    coord = torch.zeros(100, 3)
    coord[:60, 0] = torch.arange(60) * 0.01  # one cube of 60 rows
    coord[60:, 0] = 5.0 + torch.arange(40)  # forty cubes of one
    loss = kind(num_super_voxels=1, voxel_size=0.001) if kind is VoxelAffinityLoss else kind(
        num_super_voxels=1)  # fmt: skip
    loss(torch.rand(100, 4), torch.rand(100, 4), coord, torch.zeros(100).long())
    assert loss.rows_share == pytest.approx(0.6)

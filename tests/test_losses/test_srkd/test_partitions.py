import math

import pytest
import torch

from projects.SRKD.losses import CubePartition, CylinderPartition
from projects.SRKD.losses.srkd.partitions import build_partition


def test_cylinders_separate_radius_angle_and_height():
    coord = torch.tensor(
        [
            [1.0, 0.1, 0.0],  # east, near, low
            [1.5, 0.1, 0.2],  # the same super-voxel
            [3.0, 0.1, 0.0],  # farther
            [1.0, -0.1, 0.0],  # the other side of the x axis
            [1.0, 0.1, 1.9],  # higher
            [-4.0, 0.0, 0.0],  # behind: its angle is pi, the closed upper end
        ]
    )
    cut = CylinderPartition(radius=2.0, angle=math.pi / 2, height=1.0)(coord)
    number = cut.number.tolist()
    assert number[0] == number[1] and len(set(number)) == 5
    assert cut.capacity == 2 * 4 * 2  # ceil(4 / 2) * ceil(2 pi / (pi / 2)) * ceil(1.9 / 1)


def test_distance_is_the_middle_radius_over_the_range():
    coord = torch.tensor([[1.0, 0.1, 0.0], [3.5, 0.1, 0.0], [5.0, 0.0, 0.0]])
    cut = CylinderPartition(radius=2.0, angle=7.0, height=1.0)(coord)
    middle = torch.tensor([1.0, 3.0, 5.0], dtype=torch.float64)
    torch.testing.assert_close(cut.distance[cut.number], middle / 5)


def test_the_default_cylinders_of_a_50_m_scan_are_pvkds_96():
    coord = torch.tensor([[50.0, 0.0, -2.0], [0.0, 1.0, 4.0]])
    assert CylinderPartition()(coord).capacity == 96


def test_a_point_at_the_origin_is_cut_without_nan():
    cut = CylinderPartition()(torch.zeros(3, 3))
    assert cut.number.tolist() == [0, 0, 0] and cut.distance.tolist() == [1.0]


def test_cubes_start_at_the_lowest_corner_and_close_at_the_highest():
    coord = torch.tensor([[-1.0, 0.0, 5.0], [-0.6, 0.4, 5.4], [1.0, 0.0, 5.0], [0.9, 0.0, 5.0]])
    cut = CubePartition(1.0)(coord)
    number = cut.number.tolist()
    assert number[0] == number[1] != number[2] == number[3]
    assert cut.capacity == 2 and cut.distance.tolist() == [1.0, 1.0]


def test_boxes_take_one_edge_per_axis():
    coord = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0], [3.0, 0.0, 0.0]])
    cut = CubePartition((10.0, 10.0, 1.0))(coord)
    assert cut.number[0] == cut.number[2] != cut.number[1]


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (dict(type='CubePartitions'), "nearest: 'CubePartition'"),
        (dict(type='Cylinder'), "nearest: 'CylinderPartition'"),
        (dict(size=1.0), 'partition type must be one of'),
        (dict(type='CubePartition', size=0.0), 'size must be positive, but got 0.0'),
        (dict(type='CubePartition', size=(1.0, 2.0)), 'one per axis, but got 2 edges'),
        (dict(type='CylinderPartition', angle=-1.0), 'angle must be positive, but got -1.0'),
    ],
)
def test_bad_partitions_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        build_partition(config)

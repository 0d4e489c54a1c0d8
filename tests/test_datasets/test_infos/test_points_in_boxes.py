"""Points are counted by boxes as a loop counts them, and as mmdet3d does where it is right."""

import math

import numpy as np
import pytest
from mmdet3d.structures.ops import points_in_rbbox

from projects.SRKD.datasets.infos.points_in_boxes import points_inside, rows_inside

MIDDLE = (0.5, 0.5, 0.5)


def scene(points, boxes, seed=0):
    """Boxes ``(k, 7)`` and a cloud ``(n, 4)`` of which a third crowds around them."""
    rng = np.random.default_rng(seed)
    made = np.column_stack([
        rng.uniform(-30, 30, (boxes, 2)), rng.uniform(-1, 1, boxes),
        rng.uniform((0.5, 0.5, 1), (12, 3, 4), (boxes, 3)), rng.uniform(-7, 7, boxes),
    ])  # fmt: skip
    cloud = rng.uniform((-35, -35, -3, 0), (35, 35, 3, 1), (points, 4))
    if boxes:
        near = made[rng.integers(0, boxes, points // 3), :3]
        cloud[: len(near), :3] = near + rng.normal(0, 1.2, near.shape)
    return made, cloud.astype(np.float32)


def by_loop(box, point):
    x, y, z, length, width, height, yaw = box
    angle = math.atan2(point[1] - y, point[0] - x) - yaw
    distance = math.hypot(point[0] - x, point[1] - y)
    return (
        abs(distance * math.cos(angle)) <= length / 2
        and abs(distance * math.sin(angle)) <= width / 2
        and abs(point[2] - z) <= height / 2
    )


@pytest.mark.parametrize(('points', 'boxes'), [(0, 3), (1, 1), (1, 5), (700, 0), (700, 9)])
def test_rows_are_those_of_a_loop(points, boxes):
    made, cloud = scene(points, boxes)
    found = rows_inside(made, cloud)
    assert len(found) == boxes
    for box, rows in zip(made, found):
        assert rows.tolist() == [i for i, point in enumerate(cloud) if by_loop(box, point)]
    assert points_inside(made, cloud).tolist() == [len(rows) for rows in found]
    assert points < 700 or not boxes or sum(map(len, found)) > 50


def test_off_the_faces_mmdet3d_says_the_same():
    made, cloud = scene(30_000, 20)
    theirs = points_in_rbbox(cloud, made, origin=MIDDLE)
    for rows, inside in zip(rows_inside(made, cloud), theirs.T):
        assert np.array_equal(rows, np.flatnonzero(inside))


BOX = np.array([[10.0, 5, 0, 4, 2, 2, 0]])
FACES = np.array([10.0, 5, 0]) + [
    [2, 0, 0],
    [-2, 0, 0],
    [0, 1, 0],
    [0, -1, 0],
    [0, 0, 1],
    [2, 1, 1],
]


def test_faces_belong_to_a_box_and_nan_to_none():
    assert points_inside(BOX, FACES).tolist() == [len(FACES)]
    assert points_inside(BOX, FACES + 1e-6 * np.sign(FACES - BOX[:, :3])).tolist() == [0]
    assert points_inside(BOX, np.full((2, 3), np.nan)).tolist() == [0]


@pytest.mark.shows_a_fault
def test_mmdet3d_leaves_out_faces_and_takes_nan_in():
    assert not points_in_rbbox(FACES, BOX, origin=MIDDLE).any()
    assert points_in_rbbox(np.full((2, 3), np.nan), BOX, origin=MIDDLE).all()

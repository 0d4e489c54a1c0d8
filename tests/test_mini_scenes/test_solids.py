"""Rays meet solids where points walked along them first lie inside."""

import numpy as np
import pytest

from projects.MiniScenes.streets.solids import ball, box, column, corners, crossing

ORIGIN = np.array([-6.0, 1.0, 1.5])
TURN = (0.8, 0.6)
SOLIDS = {
    'box': box('car', -1, 2, -0.5, 0.7, -0.2, 1.6),
    'leaning hull': box('car', -1, 2, -1, 1, 0, 2, lean=(0.5, 0.2, 0.3)),
    'overhanging hull': box('bin', -0.5, 0.5, -0.5, 0.5, 0, 1.4, lean=(-0.3, -0.3, -0.3)),
    'column': column('pole', 0.3, -0.2, -1, 2, 0.6),
    'cone': column('cone', 0, 0, -1, 2, 0.9, lean=(1.0, 0, 0)),
    'stump': column('trunk', 0, 0, -1, 2, 0.9, lean=(0.4, 0, 0)),
    'ball': ball('vegetation', (0.2, 0.1, 0.9), (1.4, 0.6, 0.9)),
}


def fan(count: int = 400) -> np.ndarray:
    """(3, count) unit vectors that scatter around the solids."""
    rng = np.random.default_rng(3)
    target = rng.uniform([-2, -2, -1.5], [3, 2, 3], (count, 3))
    way = target - ORIGIN
    return (way / np.linalg.norm(way, axis=1, keepdims=True)).T


def inside(name: str, points: np.ndarray) -> np.ndarray:
    """Plain reference for membership in the unplaced solid, written from its meaning."""
    solid = SOLIDS[name]
    u, v, w = ((points - solid.center) / solid.half).T
    up = (w + 1) / 2  # 0 at the bottom, 1 at the top
    front, rear, side = solid.lean
    if solid.shape == 'ellipsoid':
        return u**2 + v**2 + w**2 <= 1
    if solid.shape == 'cylinder':
        return (np.hypot(u, v) <= 1 - front * up) & (np.abs(w) <= 1)
    return ((u <= 1 - front * up) & (-u <= 1 - rear * up) & (np.abs(v) <= 1 - side * up)
            & (np.abs(w) <= 1))  # fmt: skip


@pytest.mark.parametrize('name', SOLIDS)
def test_entry_and_exit_are_where_a_walk_along_the_ray_goes_in_and_out(name):
    solid = SOLIDS[name].placed(0.5, -0.3, 0.2, TURN)
    rays = fan()
    enter, leave, _ = crossing(solid, ORIGIN, rays)
    steps = np.arange(0, 14, 0.004)
    (cos, sin), found = TURN, 0
    for ray, first, last in zip(rays.T, enter, leave):
        x, y, z = (ORIGIN + steps[:, None] * ray - (0.5, -0.3, 0.2)).T
        walk = inside(name, np.stack([cos * x + sin * y, cos * y - sin * x, z], 1))
        if walk.any():
            assert first == pytest.approx(steps[walk][0], abs=0.005)
            assert last == pytest.approx(steps[walk][-1], abs=0.005)
            found += 1
        elif first <= last:
            assert last - first < 0.009  # it only grazes
    assert found > 50


@pytest.mark.parametrize('name', SOLIDS)
def test_the_slant_is_that_of_the_surface_between_three_near_entries(name):
    solid = SOLIDS[name].placed(0.5, -0.3, 0.2, TURN)
    rays = fan()
    enter, leave, slant = crossing(solid, ORIGIN, rays)
    points = ORIGIN[:, None] + enter * rays
    across = np.cross(rays.T, [0, 0, 1.0])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    near = []
    for shift in (across.T, np.cross(across, rays.T).T):
        other = rays + 1e-6 * shift
        other /= np.linalg.norm(other, axis=0)
        reach, out, _ = crossing(solid, ORIGIN, other)
        near.append((ORIGIN[:, None] + reach * other, reach <= out))
    checked = 0
    for i in np.flatnonzero((enter <= leave) & near[0][1] & near[1][1]):
        normal = np.cross(near[0][0][:, i] - points[:, i], near[1][0][:, i] - points[:, i])
        cosine = abs(normal @ rays[:, i]) / np.linalg.norm(normal)
        if slant[i] > 0.05:
            checked += abs(cosine - slant[i]) < 2e-3
    assert checked > 0.95 * ((enter <= leave) & (slant > 0.05)).sum() > 40


def test_a_ray_from_inside_enters_behind_its_start():
    enter, leave, _ = crossing(box('car', -1, 1, -1, 1, -1, 1), np.zeros(3), np.eye(3))
    assert np.allclose(enter, -1) and np.allclose(leave, 1)


def test_a_solid_behind_the_start_lies_at_negative_distances():
    enter, leave, _ = crossing(box('car', 2, 3, -1, 1, -1, 1), np.zeros(3), -np.eye(3)[:, :1])
    assert (enter[0], leave[0]) == pytest.approx((-3, -2))


def test_placing_turns_then_shifts_and_keeps_what_it_is():
    solid = box('car', 1, 3, 0, 1, 0, 1, heading=(0.0, 1.0)).placed(
        10, 20, 5, (0.0, 1.0), instance=7, moving=True
    )
    assert solid.center == pytest.approx((9.5, 22, 5.5))
    assert solid.heading == pytest.approx((-1, 0))
    assert (solid.kind, solid.instance, solid.moving) == ('car', 7, True)


def test_corners_are_those_of_the_turned_box():
    points = corners([box('car', -2, 2, -1, 1, 0, 1).placed(1, 0, 0, (0.0, 1.0))])[0]
    assert points.min(0) == pytest.approx([0, -2, 0])
    assert points.max(0) == pytest.approx([2, 2, 1])

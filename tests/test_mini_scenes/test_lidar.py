"""The scanner sees the nearest surface on every ray, and no more."""

import numpy as np
import pytest

from projects.MiniScenes.streets import lidar as module
from projects.MiniScenes.streets.ground import Ground, Profile
from projects.MiniScenes.streets.kinds import ID
from projects.MiniScenes.streets.lidar import HDL32E, HDL64E, Lidar, cast, directions
from projects.MiniScenes.streets.solids import ball, box, column

FLAT = Ground(
    Profile(np.zeros((3, 1)), 0.0, 4.0, (0.0, 0.0), (2.0, 2.0), 0.0, 0.0, False),
    0, np.zeros((1, 2)), np.full((1, 2), ID['terrain']),
)  # fmt: skip
SMALL = HDL64E.reduced(32, 360)
ORIGIN = np.array([0.0, 0.0, 1.73])


def look(solids, lidar: Lidar = SMALL, own=(), axes=None, seed: int = 0):
    axes = np.eye(3) if axes is None else axes
    rng = np.random.default_rng(seed)
    return cast(
        rng, lidar, directions(lidar, 0.3), ORIGIN, axes, FLAT, list(solids), list(own), 0.3
    )


def tilted() -> np.ndarray:
    """Axes of a car that turns left and climbs."""
    forward = np.array([0.8, 0.6, 0.05]) / np.linalg.norm([0.8, 0.6, 0.05])
    left = np.array([-0.6, 0.8, 0.0])
    return np.stack([forward, left, np.cross(forward, left)], 1)


def test_the_scanners_are_those_of_the_data_sets():
    kitti, nuscenes = HDL64E.elevation, HDL32E.elevation
    assert len(kitti) == 64 and kitti[0] == 2.0 and kitti[-1] == pytest.approx(-24.87)
    assert np.allclose(np.diff(kitti[:32]), -1 / 3) and np.allclose(np.diff(kitti[32:]), -16 / 31)
    assert len(nuscenes) == 32 and (nuscenes[0], nuscenes[-1]) == pytest.approx((-30.67, 10.67))
    assert np.allclose(np.diff(nuscenes), 1.3335, atol=1e-3)
    assert (HDL64E.height, HDL32E.height) == (1.73, 1.84)
    assert (HDL64E.period, HDL32E.period) == (0.1, 0.5)


def test_fewer_beams_keep_the_field_of_view():
    few = HDL64E.reduced(5, None)
    assert few.steps == HDL64E.steps and len(few.elevation) == 5
    assert few.elevation[[0, -1]].tolist() == HDL64E.elevation[[0, -1]].tolist()


def test_directions_are_unit_vectors_by_beam_and_azimuth():
    rays = directions(SMALL, 0.5)
    assert rays.shape == (3, 32, 360)
    assert np.allclose((rays**2).sum(0), 1)
    assert np.allclose(np.rad2deg(np.arctan2(rays[1, 3, :4], rays[0, 3, :4])), [0.5, 1.5, 2.5, 3.5])
    assert np.allclose(np.rad2deg(np.arcsin(rays[2, :, 7])), SMALL.elevation)


def test_flat_ground_is_met_where_geometry_says():
    echoes = look([])
    sine = -np.repeat(np.sin(np.deg2rad(SMALL.elevation)), 360)
    expected = 1.73 / np.where(sine > 0.03, sine, np.nan)
    met = np.isfinite(expected) & (expected < 20)
    # The road's crown is 8 cm high, the sidewalks rise by 6 cm, the grass is rough.
    assert np.allclose(echoes.range[met] * sine[met], 1.69, atol=0.2)
    assert np.isinf(echoes.range[sine < 0]).all()
    names = 'road', 'lane_marking', 'sidewalk', 'terrain', 'other_ground'
    assert set(echoes.kind[met]) == {ID[name] for name in names} and (echoes.instance == 0).all()


def test_a_near_thing_hides_what_stands_behind_it():
    near = box('car', 4, 6, -1, 1, 0, 1.6, instance=5)
    far = box('building', 8, 9, -1, 1, 0, 1.6)
    both, alone = look([far, near]), look([far])
    assert (alone.kind == ID['building']).sum() > 40
    assert not (both.kind == ID['building']).any()
    car = both.kind == ID['car']
    assert car.sum() > 100 and (both.instance[car] == 5).all() and (both.range[car] < 6.3).all()
    shadow = car & (alone.kind != ID['building'])
    assert (both.range[shadow] < alone.range[shadow]).all()


@pytest.mark.parametrize('axes', [np.eye(3), tilted()])
def test_windows_lose_no_hit(monkeypatch, axes):
    rng = np.random.default_rng(5)
    solids = []
    for i in range(60):
        way, turn, away = *rng.uniform(0, 6.28, 2), rng.uniform(3, 40)
        x, y = away * np.cos(way), away * np.sin(way)
        shape = (
            box('car', -2, 2, -1, 1, 0, 1.5),
            column('pole', 0, 0, 0, 4, 0.1),
            ball('debris', (0, 0, 1), (1, 0.4, 0.7)),
            box('wall', -2.5, 2.5, 0, 0.2, 0, 2),
        )[i % 4]
        solids.append(shape.placed(x, y, 0, (np.cos(turn), np.sin(turn)), instance=i + 1))
    own = [box('ego', 0.45, 0.65, -0.5, 0.5, -0.42, -0.33)]
    fast = look(solids, own=own, axes=axes)

    def everything(lidar, tops, first):
        for index in range(len(tops)):
            yield index, slice(0, len(lidar.elevation)), np.arange(lidar.steps)

    monkeypatch.setattr(module, '_windows', everything)
    slow = look(solids, own=own, axes=axes)
    for name in fast._fields:
        assert np.array_equal(getattr(fast, name), getattr(slow, name)), name
    assert len(np.unique(fast.instance)) > 30


def test_rising_and_falling_beam_tables_see_the_same():
    solids = [box('car', 4, 6, -1, 1, 0.4, 1.6, instance=1),
              column('pole', -5, 1, 0.4, 4, 0.2, instance=2)]  # fmt: skip
    down, up = look(solids), look(solids, SMALL._replace(elevation=SMALL.elevation[::-1]))
    seen = down.instance.reshape(32, 360)
    assert np.array_equal(seen, up.instance.reshape(32, 360)[::-1])
    assert set(seen.ravel()) == {0, 1, 2}


def test_rays_cross_foliage_as_often_as_the_law_of_lambert_and_beer_says():
    depth, density = 2.0, 0.8
    leaves = box('vegetation', 5, 5 + depth, -20, 20, -5, 30, density=density)
    flat = Lidar(np.full(200, 0.0), 1.73, 720, 80.0, 0.0, 0.1, 190.0, (0.0, 0.0))
    echoes = look([leaves], flat)
    x = (directions(flat, 0.3)[0].ravel() * echoes.range).reshape(200, 720)
    ahead = np.r_[0:20, 700:720]  # within 10 degrees the path is up to 1.5 % longer
    met = np.isfinite(x[:, ahead])
    assert met.mean() == pytest.approx(1 - np.exp(-density * depth), abs=0.02)
    inside = x[:, ahead][met] - 5
    assert inside.min() >= 0 and inside.max() <= depth
    assert np.median(inside) == pytest.approx(
        -np.log(1 - 0.5 * (1 - np.exp(-density * depth))) / density, abs=0.05
    )


def test_glass_gives_its_share_of_echoes_and_hides_the_rest():
    pane = box('car', 4, 5, -10, 10, -1, 8)
    wall = box('building', 7, 8, -12, 12, -1, 9)
    covered = look([pane, wall]).kind == ID['car']
    echoes = look([pane._replace(echo=0.3), wall])
    assert np.isfinite(echoes.range[covered]).mean() == pytest.approx(0.3, abs=0.03)
    assert np.isfinite(echoes.range[~covered]).sum() > 100 and covered.sum() > 1500
    assert not (echoes.kind[covered] == ID['building']).any()


def test_what_the_car_carries_is_seen_in_the_sensors_own_frame():
    rack = box('ego', 0.45, 0.65, -0.5, 0.5, -0.42, -0.2)
    level, climbing = (look([], own=[rack], axes=axes) for axes in (np.eye(3), tilted()))
    seen = level.kind == ID['ego']
    assert seen.sum() > 50 and np.array_equal(seen, climbing.kind == ID['ego'])
    assert (level.range[seen] < 1).all()

"""Rays meet the ground where a walk along them first dips below it."""

import numpy as np
import pytest

from projects.MiniScenes.streets.ground import BLOCK, Ground, Profile
from projects.MiniScenes.streets.kinds import ID, NAMES

PROFILE = Profile(
    waves=np.array([[0.2], [1 / 40], [0.3]]), tilt=0.01, road=4.0, parking=(2.0, 0.0),
    sidewalk=(2.0, 3.0), curb=0.14, bank=0.03, lines=False,
)  # fmt: skip
JUNCTION = np.array([[0.0, 0.0], [55.0, 63.0]])  # a side street in the second block only
FRONT = np.array([[ID['terrain'], ID['other_ground']], [ID['parking'], ID['terrain']]])
GROUND = Ground(PROFILE, 0, JUNCTION, FRONT)


def kind(x: float, y: float) -> str:
    return NAMES[GROUND.zone(np.array([x]), np.array([y]))[1][0]]


def test_a_street_has_its_strips_in_order():
    across = [kind(20.0, y) for y in (-9.0, -7.0, -5.0, -2.0, 2.0, 5.0, 8.0)]
    assert across == ['terrain', 'sidewalk', 'parking', 'road', 'road', 'sidewalk', 'other_ground']


def test_every_other_side_of_a_block_ends_in_a_drive():
    ends = [[kind(x, y) for y in (-7.0, 8.0)] for x in (38.0, 78.0)]
    assert ends == [['other_ground', 'other_ground'], ['sidewalk', 'other_ground']]
    assert kind(38.0, 6.5) == 'sidewalk' and kind(38.0, 3.0) == kind(78.0, 3.0) == 'road'


def test_a_side_street_cuts_the_sidewalks_and_has_zebra_crossings_beside_it():
    assert kind(59.0, -7.0) == kind(59.0, 30.0) == 'road'
    assert kind(66.5, -7.0) == 'sidewalk' and kind(20.0, 30.0) == 'other_ground'
    assert kind(52.5, 1.2) == kind(65.0, 1.2) == 'lane_marking' and kind(52.5, 1.7) == 'road'
    assert kind(20.0, 1.2) == 'road'


def test_the_center_line_is_dashed():
    assert [kind(x, 0.0) for x in (19.0, 22.0, 25.0)] == ['lane_marking', 'road', 'lane_marking']


def test_curbs_are_as_high_as_said_and_the_road_falls_to_them():
    low, high = GROUND.height(20.0, 3.999), GROUND.height(20.0, 4.001)
    assert high - low == pytest.approx(0.14, abs=1e-3)
    crown = GROUND.height(20.0, 0.0) + 0.01 * 3.999 - low
    assert crown == pytest.approx(0.02 * 4, abs=1e-3)


@pytest.mark.parametrize('raised', [False, True])
def test_slopes_are_the_derivatives_of_the_height(raised):
    rng = np.random.default_rng(0)
    x, y, step = rng.uniform(0, 2 * BLOCK, 200), rng.uniform(-25, 25, 200), 1e-6
    _, along, across = GROUND.surface(x, y, raised)
    ahead, behind = (GROUND.surface(x + s, y, raised)[0] for s in (step, -step))
    assert np.allclose((ahead - behind) / (2 * step), along, atol=1e-6)
    left, right = (GROUND.surface(x, y + s, raised)[0] for s in (step, -step))
    assert np.allclose((left - right) / (2 * step), across, atol=1e-6)


def test_rays_end_where_a_walk_along_them_dips_below_the_ground():
    rng = np.random.default_rng(1)
    azimuth, fall = rng.uniform(0, 2 * np.pi, 300), rng.uniform(0.04, 0.45, 300)
    rays = np.stack([np.cos(azimuth), np.sin(azimuth), -fall])
    rays /= np.linalg.norm(rays, axis=0)
    origin = np.array([45.0, -1.5, GROUND.height(45.0, -1.5) + 1.8])
    distance, slant, kinds = GROUND.cast(origin, rays)
    steps = np.arange(0.5, 60, 0.01)
    curbs = 0
    for ray, reach, what in zip(rays.T, distance, kinds):
        x, y, z = (origin + steps[:, None] * ray).T
        raised, names = GROUND.zone(x, y)
        first = np.argmax(z < GROUND.surface(x, y, raised)[0])
        assert reach == pytest.approx(steps[first], abs=0.02)
        if names[first] == names[first - 2]:
            assert what == names[first]
        else:
            curbs += raised[first] and not raised[first - 2]
    assert curbs > 3 and ((slant > 0) & (slant <= 1)).all()


def test_rays_into_the_sky_meet_nothing():
    rays = np.array([[0.8, 0.6], [0.0, 0.0], [0.6, 0.8]])
    assert np.isinf(GROUND.cast(np.array([20.0, 0.0, 5.0]), rays)[0]).all()

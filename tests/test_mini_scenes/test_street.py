"""A street is the same whenever one looks; what stands stays, what travels keeps its speed."""

import numpy as np
import pytest

from projects.MiniScenes.streets.street import REACH, Street


def by_instance(solids):
    """First solid of every instance."""
    return {solid.instance: solid for solid in reversed(solids)}


def test_a_moment_does_not_depend_on_the_moments_looked_at_before():
    fresh, used = Street(3, 5), Street(3, 5)
    for time in (0.0, 7.0, 30.0):
        used.build(time)
    (ground, solids), (other, others) = fresh.build(12.0), used.build(12.0)
    assert solids == others
    assert np.array_equal(ground.junction, other.junction)
    assert np.array_equal(ground.front, other.front)


@pytest.mark.parametrize('seed, sequence', [(1, 0), (0, 1)])
def test_another_seed_or_sequence_is_another_street(seed, sequence):
    assert Street(0, 0).build(0.0)[1][:50] != Street(seed, sequence).build(0.0)[1][:50]


def test_what_stands_stays_and_what_travels_keeps_its_speed():
    street = Street(0, 2)
    first, later = (by_instance(street.build(time)[1]) for time in (0.0, 0.5))
    speeds = {round(lane.speed, 9) for lane in street.lanes}
    shared = first.keys() & later.keys()
    assert len(shared) > 60
    moved = 0
    for i in shared:
        gone = np.subtract(later[i].center, first[i].center)
        if first[i].moving:
            moved += 1
            assert any(gone[0] / 0.5 == pytest.approx(speed) for speed in speeds)
            assert gone[1] == pytest.approx(0, abs=1e-9)
        else:
            assert np.array_equal(gone, np.zeros(3))
    assert moved > 10


def test_instances_have_one_number_each():
    for sequence in range(3):
        solids = Street(0, sequence).build(20.0)[1]
        numbers = np.array([solid.instance for solid in solids])
        assert numbers.min() >= 1 and numbers.max() <= 65535
        places = {}
        for solid in solids:
            places.setdefault(solid.instance, []).append(solid.center[:2])
        assert max(np.ptp(np.array(p), axis=0).max() for p in places.values()) < 25


def test_the_ego_car_drives_in_its_lane_on_the_road():
    street = Street(0, 4)
    places = np.array([street.pose(time).place for time in np.arange(0, 20, 0.5)])
    assert np.allclose(np.diff(places[:, 0]), street.speed * 0.5)
    assert (np.abs(places[:, 1] - street.lanes[0].y) < 0.3).all() and (places[:, 1] < 0).all()
    for time, place in zip((0.0, 10.0), places[[0, 20]]):
        axes = street.pose(time).axes
        assert np.allclose(axes.T @ axes, np.eye(3)) and np.linalg.det(axes) == pytest.approx(1)
        assert place[2] == pytest.approx(street.build(time)[0].height(*place[:2]), abs=1e-9)


def test_no_traveler_drives_into_the_ego_car():
    for sequence in range(3):
        street = Street(0, sequence)
        for time in (0.0, 15.0):
            x, y, _ = street.pose(time).place
            for solid in street.build(time)[1]:
                if solid.center[2] - street.pose(time).place[2] < 2.5:
                    assert np.hypot(solid.center[0] - x, solid.center[1] - y) > 1.2, solid


def test_things_stand_on_the_ground_within_reach():
    ground, solids = Street(0, 6).build(9.0)
    x = Street(0, 6).pose(9.0).place[0]
    for solid in solids:
        assert abs(solid.center[0] - x) < REACH + 25
        if solid.kind == 'pole' and solid.shape == 'cylinder':
            foot = solid.center[2] - solid.half[2]
            assert foot == pytest.approx(ground.height(*solid.center[:2]), abs=0.05)

"""Boxes of a street's objects: around their points, on the ground, moving as their lane does."""

import numpy as np
import pytest

from projects.MiniScenes.streets.boxes import OBJECT_KINDS, street_objects
from projects.MiniScenes.streets.kinds import ID
from projects.MiniScenes.streets.lidar import HDL64E
from projects.MiniScenes.streets.scan import scan_street
from projects.MiniScenes.streets.street import Street

LIDAR, PERIOD = HDL64E.reduced(64, 800), 2.0


@pytest.fixture(scope='module')
def scans():
    """Scan and objects of four streets, one of them busy."""
    out = []
    for street, busy in ((0, False), (1, False), (4, False), (2, True)):
        scan = scan_street(0, street, 3, LIDAR, PERIOD, busy=busy)
        out.append((scan, street_objects(0, street, 3, LIDAR, PERIOD, scan, busy=busy)))
    return out


def inside(box: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Independent of the module: by complex numbers in the plane."""
    x, y, z, length, width, height, yaw = box
    own = (points[:, 0] - x + 1j * (points[:, 1] - y)) * np.exp(-1j * yaw)
    near = (2 * abs(own.real) <= length) & (2 * abs(own.imag) <= width)
    return near & (2 * abs(points[:, 2] - z) <= height)


def test_boxes_hold_the_points_of_their_thing_and_of_no_other(scans):
    mine, held, others, boxed = 0, 0, 0, 0
    for scan, things in scans:
        for thing in things:
            hit = inside(thing.box, scan.points)
            own = (scan.instance == thing.instance) & (scan.kind == ID[thing.kind])
            assert hit.sum() == thing.points
            mine, held = mine + own.sum(), held + (own & hit).sum()
            others += (hit & (scan.instance > 0) & (scan.instance != thing.instance)).sum()
            boxed += hit.sum()
    assert mine > 20_000 and held / mine > 0.999
    assert others / boxed < 0.005


def test_every_labeled_thing_of_a_scan_has_a_box(scans):
    for scan, things in scans:
        named = {(thing.instance, thing.kind) for thing in things}
        assert len(named) == len(things)
        for kind in OBJECT_KINDS:
            for instance in np.unique(scan.instance[scan.kind == ID[kind]]):
                assert (instance, kind) in named


def test_boxes_are_tight(scans):
    """A car seen from close by reaches to its box's nearer face, and cars have cars' sizes."""
    gaps = []
    for scan, things in scans:
        for thing in things:
            length, width, height = thing.box[3:6]
            if thing.kind == 'car':
                assert 3.8 < length < 5.5 and 1.7 < width < 2.2 and 1.4 < height < 2.6
                assert length > 1.8 * width
            if thing.kind == 'car' and thing.points > 300:
                x, y, _, length, width, _, yaw = thing.box
                own = scan.points[inside(thing.box, scan.points)][:, :2] - (x, y)
                across = own @ (-np.sin(yaw), np.cos(yaw))
                gaps.append(width / 2 - np.abs(across).max())
    assert len(gaps) > 3 and np.median(gaps) < 0.12


def test_boxes_stand_on_the_ground(scans):
    """The ground's points around a near car or person lie at the height of its box's bottom."""
    checked = 0
    for scan, things in scans:
        ground = np.isin(scan.kind, [ID[name] for name in ('road', 'parking', 'sidewalk')])
        for thing in things:
            if thing.kind in ('car', 'adult') and np.hypot(*thing.box[:2]) < 15:
                away = np.hypot(*(scan.points[:, :2] - thing.box[:2]).T)
                near = ground & (away < np.hypot(*thing.box[3:5]) / 2 + 0.3)
                if near.sum() > 20:
                    bottom = thing.box[2] - thing.box[5] / 2
                    assert np.median(scan.points[near, 2]) == pytest.approx(bottom, abs=0.15)
                    checked += 1
    assert checked > 10


def test_the_sensors_box_is_the_worlds_seen_from_the_car(scans):
    for scan, things in scans:
        for thing in things[::7]:
            x, y, z = scan.pose.place + scan.pose.axes @ (thing.box[:3] + [0, 0, LIDAR.height])
            assert np.allclose([x, y, z], thing.world_box[:3], atol=1e-3)
            ahead = scan.pose.axes @ [np.cos(thing.box[6]), np.sin(thing.box[6]), 0]
            turn = np.exp(1j * thing.world_box[6]).conjugate() * complex(*ahead[:2])
            assert abs(np.angle(turn)) < 0.01
            assert np.array_equal(thing.box[3:6], thing.world_box[3:6])


def test_velocities_are_those_between_two_moments():
    dt = 0.2
    first, later = ({(t.instance, t.kind): t for t in street_objects(0, 5, k, LIDAR, dt)}
                    for k in (10, 11))  # fmt: skip
    pose = Street(0, 5).pose(10 * dt)
    moving = 0
    for name in first.keys() & later.keys():
        gone = (later[name].world_box[:3] - first[name].world_box[:3]) / dt
        world = pose.axes @ first[name].velocity
        assert world[:2] == pytest.approx(gone[:2], abs=0.01)
        assert (np.linalg.norm(world) > 0) == first[name].moving
        moving += first[name].moving
    assert moving > 10


def test_a_busy_street_has_more_people_and_cyclists_and_is_else_the_same():
    count = {}
    for busy in (False, True):
        things = [
            thing
            for street in range(3)
            for thing in street_objects(0, street, 2, HDL64E.reduced(8, 60), 5.0, busy=busy)
        ]
        for kind in ('adult', 'bicyclist', 'car', 'barrier'):
            count[kind, busy] = sum(thing.kind == kind for thing in things)
    assert count['adult', True] > 1.4 * count['adult', False]
    assert count['bicyclist', True] > 1.4 * count['bicyclist', False]
    assert count['car', True] == count['car', False] > 50
    assert count['barrier', True] == count['barrier', False]


def test_a_scan_of_a_view_ends_at_its_edges():
    whole, front = (scan_street(0, 1, 2, LIDAR, PERIOD, view=view) for view in (180.0, 40.0))
    turn = np.abs(np.rad2deg(np.arctan2(front.points[:, 1], front.points[:, 0])))
    assert 39 < turn.max() <= 40 and (np.diff(np.unique(front.step)) >= 1).all()
    seen = np.abs(np.rad2deg(np.arctan2(whole.points[:, 1], whole.points[:, 0]))) <= 40
    assert len(front.points) == pytest.approx(seen.sum(), rel=0.01)
    shares = [np.isin(kind, ID['road']).mean() for kind in (whole.kind[seen], front.kind)]
    assert shares[0] == pytest.approx(shares[1], abs=0.01)
    rays = np.stack([front.ring, front.step])
    elevation = np.arcsin(front.points[:, 2] / np.linalg.norm(front.points, axis=1))
    assert np.allclose(np.rad2deg(elevation), LIDAR.elevation[rays[0]], atol=0.02)

"""Scans of procedural streets: what they depend on, how they thin out, what they look like."""

import time

import numpy as np
import pytest

from projects.MiniScenes.streets import scan as module
from projects.MiniScenes.streets import scan_street
from projects.MiniScenes.streets.kinds import ID
from projects.MiniScenes.streets.lidar import HDL32E, HDL64E, Echoes

SMALL = HDL64E.reduced(32, 400)


def same(one, other) -> bool:
    return all(
        np.array_equal(a, b) for name, a, b in zip(one._fields, one, other) if name != 'pose'
    )


def uniform_echoes(size: int, distance: float, albedo: float = 0.3, slant: float = 1.0) -> Echoes:
    full = np.full(size, distance), np.full(size, albedo), np.full(size, slant)
    return Echoes(*full, np.full(size, ID['road']), np.zeros(size, int), np.zeros(size, bool))


def kept(distance: float, **look) -> float:
    echoes = uniform_echoes(20_000, distance, **look)
    return module._measure(np.random.default_rng(0), HDL64E, echoes)[0].mean()


def test_a_scan_follows_from_its_numbers_alone():
    module.street_at.cache_clear()
    alone = scan_street(0, 2, 7, SMALL)
    for k in (3, 9):
        scan_street(0, 2, k, SMALL)
    scan_street(0, 1, 7, SMALL)
    assert same(scan_street(0, 2, 7, SMALL), alone)
    for other in ((1, 2, 7), (0, 3, 7), (0, 2, 8)):
        assert not same(scan_street(*other, SMALL), alone)


def test_the_period_says_when_a_scan_is_taken():
    street = module.street_at(0, 2)
    assert np.array_equal(scan_street(0, 2, 4, SMALL).pose.place, street.pose(0.4).place)
    assert np.array_equal(scan_street(0, 2, 4, SMALL, 2.0).pose.place, street.pose(8.0).place)


def test_every_ray_gives_a_point_or_is_lost():
    scan = scan_street(0, 5, 1, SMALL)
    rays = np.concatenate([np.stack([scan.ring, scan.step], 1), scan.lost])
    assert len(np.unique(rays, axis=0)) == len(rays) == 32 * 400
    assert len(scan.points) == len(scan.kind) == len(scan.instance) == len(scan.strength)
    assert np.array_equal(scan.points, np.round(scan.points, 3))
    elevation = np.rad2deg(np.arcsin(scan.points[:, 2] / np.linalg.norm(scan.points, axis=1)))
    assert np.allclose(elevation, SMALL.elevation[scan.ring], atol=0.02)


def test_echoes_thin_out_with_range_slant_and_darkness_and_close_to_the_scanner():
    by_range = [kept(distance) for distance in (10, 40, 75)]
    assert by_range[0] > 0.97 and by_range[0] > by_range[1] > by_range[2] > 0.8
    assert kept(60, slant=0.01) < 0.7 * kept(60) and kept(60, albedo=0.02) < 0.5 * kept(60)
    assert kept(2.4) == 0 and 0.5 < kept(4.2) < 0.75 and kept(81) == 0


def test_ranges_scatter_by_two_centimeters():
    echoes = uniform_echoes(50_000, 20.0)
    seen, distance, kind = module._measure(np.random.default_rng(1), HDL64E, echoes)
    regular = seen & (kind == ID['road'])
    assert distance[regular].mean() == pytest.approx(20, abs=1e-3)
    assert distance[regular].std() == pytest.approx(0.02, rel=0.05)


def test_far_points_lose_their_labels_first():
    near, far = (module._measure(np.random.default_rng(2), HDL64E, uniform_echoes(9000, r))[2]
                 for r in (45, 70))  # fmt: skip
    assert (near == ID['unlabeled']).sum() == 0
    assert (far == ID['unlabeled']).mean() == pytest.approx(0.8, abs=0.02)


def test_ground_lies_a_scanners_height_below_it():
    for lidar in (HDL64E, HDL32E):
        scan = scan_street(0, 1, 0, lidar.reduced(16, 300))
        reach = np.linalg.norm(scan.points[:, :2], axis=1)
        road = (scan.kind == ID['road']) & (reach < 8)
        assert np.median(scan.points[road, 2]) == pytest.approx(-lidar.height, abs=0.12)


def test_classes_lie_where_they_do_in_streets():
    scans = [scan_street(0, s, 3, SMALL) for s in range(4)]
    kind = np.concatenate([scan.kind for scan in scans])
    height = np.concatenate([scan.points[:, 2] + 1.73 for scan in scans])
    away = np.concatenate([np.abs(scan.points[:, 1]) for scan in scans])

    def median(values, *names):
        return np.median(values[np.isin(kind, [ID[name] for name in names])])

    assert median(away, 'road') < median(away, 'sidewalk') < median(away, 'building')
    assert median(height, 'road') < median(height, 'sidewalk') < median(height, 'car')
    assert median(height, 'car') < median(height, 'traffic_sign')
    assert 0.4 < median(height, 'car') < 1.2


def test_signs_shine_and_roads_are_darker_than_walls():
    scans = [scan_street(0, s, 3, SMALL) for s in range(4)]
    kind = np.concatenate([scan.kind for scan in scans])
    strength = np.concatenate([scan.strength for scan in scans])
    mean = {
        name: strength[kind == ID[name]].mean() for name in ('road', 'building', 'traffic_sign')
    }
    assert 0.1 < mean['road'] < mean['building'] < 0.6 < mean['traffic_sign']


def test_a_moving_thing_keeps_its_number_and_moves_between_scans():
    scans = [scan_street(0, 3, k, SMALL) for k in (0, 5)]
    places = []
    for scan in scans:
        world = scan.points @ scan.pose.axes.T + scan.pose.place
        places.append({i: np.median(world[scan.instance == i], 0)
                       for i in np.unique(scan.instance[scan.moving])
                       if (scan.instance == i).sum() > 20})  # fmt: skip
    shared = places[0].keys() & places[1].keys()
    assert len(shared) >= 2
    assert all(0.2 < np.linalg.norm(places[1][i] - places[0][i]) < 8 for i in shared)


def test_a_full_scan_has_the_points_of_a_real_one(report):
    scan_street(0, 0, 0, SMALL)
    taken, sizes = [], []
    for k in range(3):
        start = time.process_time()
        sizes.append(len(scan_street(0, 0, k, HDL64E).points))
        taken.append(time.process_time() - start)
    assert min(sizes) > 100_000
    report(f'a street scan of 64 beams took {min(taken):.1f} s of one core here (2 s when quiet)')

"""One labeled scan of a procedural street, from numbers alone.

Shape letters: n points that are kept, B beams, A azimuth steps.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .kinds import ID
from .lidar import HDL32E, HDL64E, Echoes, Lidar, cast, directions
from .street import Pose, Street
from .vehicles import roof_rack

_OUTLIERS = 2e-5  # share of echoes from rain, birds and crosstalk
_LABELED = 50.0  # meters beyond which annotators begin to leave points out


class StreetScan(NamedTuple):
    """A labeled scan in the sensor's frame: x forward, y left, z up.

    Args:
        points: (n, 3) float64 meters, whole millimeters.
        strength: (n,) float64 >= 0, albedo seen at an angle, with speckle; above 1 from reflectors.
        ring: (n,) number of the beam.
        step: (n,) number of the azimuth step.
        kind: (n,) rows of ``kinds.KINDS``.
        instance: (n,) numbers of things, 0 for none; the same in all scans of a sequence.
        moving: (n,) bool.
        lost: (m, 2) beam and step of the rays without an echo.
        pose: Of the ego car.
    """

    points: np.ndarray
    strength: np.ndarray
    ring: np.ndarray
    step: np.ndarray
    kind: np.ndarray
    instance: np.ndarray
    moving: np.ndarray
    lost: np.ndarray
    pose: Pose


@lru_cache(maxsize=2)
def street_at(seed: int, sequence: int, busy: bool = False) -> Street:
    """The street of a sequence, with its blocks while it is among the last two asked for."""
    return Street(seed, sequence, busy)


def scan_street(seed: int, sequence: int, scan: int, lidar: Lidar, period: float | None = None,
                sees_own_car: bool = False, busy: bool = False, view: float = 180.0
                ) -> StreetScan:  # fmt: skip
    """Build a street at one moment and scan it.

    Args:
        seed: Of the data set.
        sequence: Number of the sequence.
        scan: Number of the scan in it.
        lidar: The scanner.
        period: Seconds from one scan to the next, by default the scanner's.
        sees_own_car: Whether the scanner stands low enough to see its own car.
        busy: Whether many walk and cycle, as in ``Street``.
        view: Degrees to the left and the right of straight ahead that are scanned.

    Example:
        >>> scan = scan_street(0, 3, 0, HDL64E.reduced(16, 200))
        >>> scan.points.shape[1], len(scan.points) == len(scan.kind), int(scan.ring.max())
        (3, True, 15)
    """
    street = street_at(seed, sequence, busy)
    time = scan * (lidar.period if period is None else period)
    pose = street.pose(time)
    ground, solids = street.build(time)
    rng = np.random.default_rng([seed, sequence, 4, scan])
    first = float(rng.random())
    rays, steps = directions(lidar, first), np.arange(lidar.steps)
    if view < 180:
        turn = np.abs((steps + first) * (360 / lidar.steps) - 180)
        steps = np.flatnonzero(turn >= 180 - view)
        rays = rays[:, :, steps]
    origin = pose.place + pose.axes[:, 2] * lidar.height
    own = roof_rack() if sees_own_car else []
    echoes = cast(rng, lidar, rays, origin, pose.axes, ground, solids, own, first,
                  steps if view < 180 else None)  # fmt: skip
    seen, distance, kind = _measure(rng, lidar, echoes)
    points = np.round((rays.reshape(3, -1)[:, seen] * distance[seen]).T, 3)
    speckle = 1 + 0.18 * rng.standard_normal(len(distance))
    strength = (echoes.albedo * np.sqrt(np.sqrt(echoes.slant)) * speckle.clip(0.2, 2))[seen]
    ring, step = np.divmod(np.arange(len(distance)), len(steps))
    step = steps[step]
    lost = np.stack([ring[~seen], step[~seen]], 1)
    return StreetScan(points, strength, ring[seen], step[seen], kind[seen],
                      echoes.instance[seen], echoes.moving[seen], lost, pose)  # fmt: skip


def _measure(rng: np.random.Generator, lidar: Lidar, echoes: Echoes
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Which rays give a point, its range and its kind.

    The light that returns falls with the square of the range; near the threshold an echo is lost at
    random, so far, dark and slanted surfaces thin out first. The HDL-64E also misses near ones:
    in SemanticKITTI's scans its lowest beams lack nearly half of their echoes.
    """
    size = len(echoes.range)
    distance = np.where(np.isfinite(echoes.range), echoes.range, 2 * lidar.reach)
    bright = echoes.albedo * np.sqrt(echoes.slant) / 0.3
    light = bright * (lidar.clear / np.maximum(distance, 1.0)) ** 2
    chance = light / (light + 1.0) * 0.985
    low, high = lidar.blind
    chance = chance * ((distance - low) / (high - low + 1e-3)).clip(0, 1)
    seen = (rng.random(size) < chance) & (distance < lidar.reach)
    distance = distance + lidar.noise * rng.standard_normal(size)
    kind = echoes.kind.copy()
    far = ((distance - _LABELED) / 25).clip(0, 0.9)
    kind[rng.random(size) < far] = ID['unlabeled']
    stray = seen & (rng.random(size) < _OUTLIERS)
    distance[stray] *= rng.random(stray.sum())
    kind[stray] = ID['outlier']
    return seen, distance, kind


__all__ = ['HDL32E', 'HDL64E', 'StreetScan', 'scan_street']

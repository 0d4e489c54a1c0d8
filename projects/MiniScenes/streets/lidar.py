"""A rotating multi-beam LiDAR: beams, nearest echo, dropouts, noise, intensity.

Shape letters: B beams, A azimuth steps, r = B * A rays in the order (beam, azimuth), S solids.
Sensor frame of this module: x forward, y left, z up; meters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .ground import Ground
from .kinds import ID
from .solids import Solid, corners, crossing


class Lidar(NamedTuple):
    """A scanner.

    Args:
        elevation: (B,) degrees, in the order in which its beams are stored.
        height: Above the ground, meters.
        steps: Azimuth steps of a turn.
        reach: Largest range, meters.
        noise: Standard deviation of a range, meters.
        period: Seconds between two stored scans.
        clear: Range at which an echo of albedo 0.3 at right angles fails half of the time, meters.
        blind: Range below which no echo counts, and range from which all do, meters.
    """

    elevation: np.ndarray
    height: float
    steps: int
    reach: float
    noise: float
    period: float
    clear: float
    blind: tuple[float, float]

    def reduced(self, beams: int | None, steps: int | None) -> Lidar:
        """The scanner with every n-th of its beams and fewer azimuth steps."""
        full = len(self.elevation)
        kept = np.round(np.linspace(0, full - 1, beams or full)).astype(int)
        return self._replace(elevation=self.elevation[kept], steps=steps or self.steps)


# Velodyne HDL-64E S2: upper block 1/3 degree apart, lower block 1/2 degree (its manual).
HDL64E = Lidar(np.r_[2 - np.arange(32) / 3, np.linspace(-8.87, -24.87, 32)], 1.73, 2083, 80.0, 0.02,
               0.1, 190.0, (2.5, 5.2))  # fmt: skip
# Velodyne HDL-32E: 10.67 to -30.67 degrees, 1.333 apart; ring 0 is the lowest (nuScenes).
HDL32E = Lidar(np.linspace(-30.67, 10.67, 32), 1.84, 1085, 100.0, 0.02, 0.5, 150.0, (0.3, 0.3))


class Echoes(NamedTuple):
    """What comes back on r rays.

    Args:
        range: Meters, infinite for no echo.
        albedo: Of the surface; above 1 from reflectors.
        slant: Cosine between ray and normal, 0 to 1.
        kind: Rows of ``kinds.KINDS``.
        instance: Number of the thing, 0 for none.
        moving: Whether the thing moves.
    """

    range: np.ndarray
    albedo: np.ndarray
    slant: np.ndarray
    kind: np.ndarray
    instance: np.ndarray
    moving: np.ndarray


# Albedo of the ground, after the mean remission of each class in SemanticKITTI's scans, and how
# rough it is (meters).
_GROUND = dict(
    road=(0.29, 0.004),
    lane_marking=(0.55, 0.004),
    parking=(0.35, 0.005),
    sidewalk=(0.40, 0.006),
    other_ground=(0.38, 0.015),
    terrain=(0.48, 0.035),
)
_ALBEDO, _ROUGH = np.zeros((2, len(ID)))
for _name, (_a, _b) in _GROUND.items():
    _ALBEDO[ID[_name]], _ROUGH[ID[_name]] = _a, _b


def directions(lidar: Lidar, first: float = 0.0) -> np.ndarray:
    """(3, B, A) unit vectors, azimuth growing to the left from ``first`` steps.

    Rounded, because the last digit of a sine depends on the platform.
    """
    azimuth = (np.arange(lidar.steps) + first) * (2 * np.pi / lidar.steps)
    elevation = np.deg2rad(lidar.elevation)[:, None]
    flat = np.cos(elevation)
    rays = flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)
    return np.round(np.stack(np.broadcast_arrays(*rays)), 10)


def cast(rng: np.random.Generator, lidar: Lidar, rays: np.ndarray, origin: np.ndarray,
         axes: np.ndarray, ground: Ground, solids: list[Solid], own: list[Solid], first: float,
         steps: np.ndarray | None = None) -> Echoes:  # fmt: skip
    """Nearest surface on every ray.

    Args:
        rng: Where in foliage a ray ends, and the ground's roughness.
        lidar: The scanner.
        rays: (3, B, A) of ``directions(lidar, first)``, or those of ``steps`` alone.
        origin: (3,) of the sensor in the world.
        axes: (3, 3) its forward, left and up as columns.
        ground: In the world.
        solids: In the world.
        own: What the ego car carries, in the sensor's frame.
        first: As in ``directions``.
        steps: Azimuth steps that are cast, ascending; None for all.
    """
    column = np.arange(lidar.steps)
    if steps is not None:
        column = np.full(lidar.steps, -1)
        column[steps] = np.arange(len(steps))
    world = sum(axes[:, i, None, None] * rays[i] for i in range(3))  # no BLAS: equal bytes
    shape = rays.shape[1:]
    size = shape[0] * shape[1]
    flat = world.reshape(3, -1)
    best, slant, kind = ground.cast(origin, flat)
    luck = rng.random(size)
    jolt = rng.standard_normal(size) * _ROUGH[kind] / np.maximum(np.abs(flat[2]), 0.05)
    best = best + jolt.clip(-0.3, 0.3)
    albedo = _ALBEDO[kind]
    owner = np.full(size, -1)

    for own_frame, group in ((False, solids), (True, own)):
        grid = rays if own_frame else world
        start = np.zeros(3) if own_frame else origin
        tops = corners(group) - start
        if not own_frame:
            tops = sum(tops[..., i, None] * axes[i] for i in range(3))
        for index, rows, window in _windows(lidar, tops, first):
            solid, columns = group[index], column[window]
            columns = columns[columns >= 0]
            if not len(columns):
                continue
            some = grid[:, rows][:, :, columns].reshape(3, -1)
            where = (np.arange(shape[0])[rows][:, None] * shape[1] + columns).ravel()
            enter, leave, slope = crossing(solid, start, some)
            hit = (enter <= leave) & (leave > 0)
            if np.isfinite(solid.density):  # a ray ends after a path that is exponential in length
                chance = (luck[where] + 0.6180339887498949 * index) % 1.0
                enter = enter.clip(0) - np.log(1 - chance) / solid.density
                hit &= enter < leave
                slope = 0.4 + 0.6 * ((chance * 7.13) % 1.0)  # leaves face anywhere
            hit &= (enter > 0) & (enter < best[where])
            at = where[hit]
            best[at], slant[at], kind[at] = enter[hit], slope[hit], ID[solid.kind]
            albedo[at], owner[at] = solid.albedo, index

    everything = [*solids, None]
    instance = np.array([0 if s is None else s.instance for s in everything])[owner]
    moving = np.array([False if s is None else s.moving for s in everything])[owner]
    echo = np.array([1.0 if s is None else s.echo for s in everything])[owner]
    instance, moving = np.where(kind == ID['ego'], 0, instance), moving & (kind != ID['ego'])
    best[(rng.random(size) > echo) & (kind != ID['ego'])] = np.inf
    return Echoes(best, albedo, slant, kind, instance, moving)


def _windows(lidar: Lidar, tops: np.ndarray, first: float):
    """Which beams and steps can meet each solid, from its corners (S, 8, 3) in the sensor's frame.

    Yields the solid's index, a slice of beams and an array of steps; solids out of sight are left
    out.
    """
    if not len(tops):
        return
    middle = tops.mean(1)
    towards = np.arctan2(middle[:, 1], middle[:, 0])
    turn = np.arctan2(tops[..., 1], tops[..., 0]) - towards[:, None]
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    low, high = turn.min(1), turn.max(1)
    around = high - low > np.pi * 0.98  # the sensor is above, below or inside
    flat = np.sqrt((tops[..., :2] ** 2).sum(2))
    radius = np.sqrt(((tops - middle[:, None])[..., :2] ** 2).sum(2)).max(1)
    near = np.maximum(np.sqrt((middle[:, :2] ** 2).sum(1)) - radius, 0.1)
    near = np.where(around, 0.1, np.maximum(near, _edge_distance(tops[..., :2])))
    far = flat.max(1)
    top, bottom = tops[..., 2].max(1), tops[..., 2].min(1)
    upper = np.rad2deg(np.arctan2(top, np.where(top > 0, near, far))) + 0.05
    lower = np.rad2deg(np.arctan2(bottom, np.where(bottom > 0, far, near))) - 0.05
    step = 2 * np.pi / lidar.steps
    start = np.floor((towards + low) / step - first).astype(int)
    count = np.ceil((high - low) / step).astype(int) + 2
    start, count = np.where(around, 0, start), np.where(around, lidar.steps, count)
    falls = lidar.elevation[0] > lidar.elevation[-1]
    sorted_up = np.sort(lidar.elevation)
    rows_low = np.searchsorted(sorted_up, lower)
    rows_high = np.searchsorted(sorted_up, upper, side='right')
    beams = len(sorted_up)
    for index in np.flatnonzero((rows_high > rows_low) & (near < lidar.reach)):
        a, b = int(rows_low[index]), int(rows_high[index])
        rows = slice(beams - b, beams - a) if falls else slice(a, b)
        yield index, rows, (start[index] + np.arange(min(count[index], lidar.steps))) % lidar.steps


def _edge_distance(corner: np.ndarray) -> np.ndarray:
    """(S,) distance of the origin from the nearest side of footprints (S, 8, 2)."""
    quad = corner[:, [0, 2, 6, 4]]  # corners come with z fastest, then y, then x
    way = np.roll(quad, -1, 1) - quad
    along = (-(quad * way).sum(2) / np.maximum((way**2).sum(2), 1e-12)).clip(0, 1)
    foot = quad + along[..., None] * way
    return np.sqrt((foot**2).sum(2)).min(1) * 0.98

"""The ground of a street: hills, crown, curbs, sidewalks, verges and side streets.

Two surfaces, the roadway (level 0) and what is raised above it by the curb (level 1); a map of
the plane says which one is there. Letters: r rays, n points, B blocks. World: x along the street,
y to the left, z up; meters; the center line is y = 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .kinds import ID

BLOCK = 40.0  # length of the pieces a street is drawn in
_NEWTON, _BISECTIONS = 5, 12
_FAR = 150.0
_DRIVE = 3.5  # width of the drive at the end of every other block's side


class Profile(NamedTuple):
    """What stays the same along a street.

    Args:
        waves: (3, k) amplitude (m), wave number (1/m) and phase of the hills.
        tilt: Slope to the left.
        road: Half width of the roadway.
        parking: Width of the parking strip on the right and the left, 0 for none.
        sidewalk: Width of the sidewalks on the right and the left.
        curb: Height of the curb.
        bank: Slope of the land behind the sidewalks, >= 0.
        lines: Whether the edges of the lanes are marked.
    """

    waves: np.ndarray
    tilt: float
    road: float
    parking: tuple[float, float]
    sidewalk: tuple[float, float]
    curb: float
    bank: float
    lines: bool

    def curb_at(self, side: int) -> float:
        """Distance of a curb from the center line; side 0 is the right, 1 the left."""
        return self.road + self.parking[side]

    def back_at(self, side: int) -> float:
        """Distance of the sidewalk's far edge from the center line."""
        return self.curb_at(side) + self.sidewalk[side]


class Ground(NamedTuple):
    """The ground of B blocks in a row.

    Args:
        profile: Of the street.
        first: Number of the first block.
        junction: (B, 2) where a side street begins and ends, empty where both are equal.
        front: (B, 2) kind behind the sidewalk on the right and the left, rows of ``kinds.KINDS``.
    """

    profile: Profile
    first: int
    junction: np.ndarray
    front: np.ndarray

    def zone(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether places (n,) are raised, and their kind (n,)."""
        profile = self.profile
        left = (y > 0).astype(np.intp)
        away = np.abs(y)
        block = (np.floor(x / BLOCK).astype(np.intp) - self.first).clip(0, len(self.front) - 1)
        start, end = self.junction[block].T
        side_street = (x > start) & (x < end)
        curb = (profile.road + np.array(profile.parking))[left]
        raised = (away > curb) & ~side_street
        kind = np.full(x.shape, ID['road'], np.int16)
        kind[(away > profile.road) & ~side_street] = ID['parking']
        kind[raised] = ID['sidewalk']
        behind = raised & (away > curb + np.array(profile.sidewalk)[left])
        kind[behind] = self.front[block, left][behind]
        drive = raised & (x % BLOCK > BLOCK - _DRIVE) & ((block + self.first + left) % 2 == 0)
        kind[drive & (away < curb + 8)] = ID['other_ground']
        before, beyond = start - x, x - end  # a crosswalk on either side of a side street
        crossing = ((before > 1) & (before < 4)) | ((beyond > 1) & (beyond < 4))
        zebra = crossing & (end > start) & (y - np.floor(y) < 0.5)
        dash = (away < 0.08) & (x % 6 < 3) & ~side_street
        margin = profile.road - away
        edge = (margin > 0.1) & (margin < 0.24) & ~side_street & profile.lines
        kind[(margin > 0) & (zebra | dash | edge)] = ID['lane_marking']
        return raised, kind

    def surface(self, x, y, raised) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Height of a level and its slopes along x and y, at places that broadcast to (n,)."""
        profile = self.profile
        sign, away = np.sign(y), np.abs(y)
        curb = np.where(y > 0, profile.curb_at(1), profile.curb_at(0))
        back = curb + np.where(y > 0, profile.sidewalk[1], profile.sidewalk[0])
        z, along = profile.tilt * y, np.zeros_like(x)
        for amplitude, number, phase in profile.waves.T:
            z = z + amplitude * np.sin(number * x + phase)
            along = along + amplitude * number * np.cos(number * x + phase)
        crown = np.where(raised, 0.0, 0.02) * (profile.road - away).clip(0)
        land = (away - back).clip(0, 12) * profile.bank
        path = (away - curb).clip(0, 3) * 0.02 + land + profile.curb
        across = np.where(raised, 0.02 * ((away > curb) & (away < curb + 3))
                          + profile.bank * ((away > back) & (away < back + 12)),
                          -0.02 * (away < profile.road))  # fmt: skip
        return z + crown + np.where(raised, path, 0.0), along, profile.tilt + sign * across

    def height(self, x: float, y: float) -> float:
        """Height of whichever level is at a place."""
        at = np.array([x]), np.array([y])
        return float(self.surface(*at, self.zone(*at)[0])[0][0])

    def cast(self, origin: np.ndarray, rays: np.ndarray
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """Where rays meet the ground.

        Args:
            origin: (3,) above the ground.
            rays: (3, r) unit vectors.

        Returns:
            Distance (r,), infinite for a miss; cosine between ray and normal (r,); kind (r,).
        """
        upper, upper_slant = self._meet(origin, rays, True)
        lower, lower_slant = self._meet(origin, rays, False)
        on_upper, kind = self._zone_at(origin, rays, upper)
        under, lower_kind = self._zone_at(origin, rays, lower)
        distance = np.where(on_upper, upper, lower)
        slant = np.where(on_upper, upper_slant, lower_slant)
        kind = np.where(on_upper, kind, lower_kind)
        face = np.flatnonzero(~on_upper & under & np.isfinite(lower))  # the curb's upright face
        if len(face):
            some, far = rays[:, face], lower[face]
            near = np.minimum(upper[face], far * 0.999)
            for _ in range(_BISECTIONS):
                middle = (near + far) / 2
                inside = self._zone_at(origin, some, middle)[0]
                near, far = np.where(inside, near, middle), np.where(inside, middle, far)
            distance[face], slant[face] = far, 0.6
            kind[face] = self._zone_at(origin, some, far)[1]
        return distance, slant, kind

    def _zone_at(self, origin, rays, distance):
        reach = np.where(np.isfinite(distance), distance, 0.0)
        raised, kind = self.zone(origin[0] + reach * rays[0], origin[1] + reach * rays[1])
        return raised & np.isfinite(distance), kind

    def _meet(self, origin, rays, raised):
        """Newton's method from the plane below the scanner; hidden valleys are not looked for."""
        x, y, z = (float(value) for value in origin)
        start, along, _ = self.surface(np.array([x]), np.array([y]), raised)
        fall = rays[2] - along * rays[0]
        reach = np.where(fall < -2e-3, (start - z) / np.minimum(fall, -2e-3), _FAR).clip(0, _FAR)
        for _ in range(_NEWTON):
            height, along, across = self.surface(x + reach * rays[0], y + reach * rays[1], raised)
            gap = z + reach * rays[2] - height
            fall = rays[2] - along * rays[0] - across * rays[1]
            step = gap / np.minimum(fall, -2e-3)
            reach = (reach - step.clip(-20, 20)).clip(0, _FAR)
        found = (np.abs(gap) < 0.05) & (reach > 0) & (reach < _FAR)
        return np.where(found, reach, np.inf), np.abs(fall).clip(0, 1)

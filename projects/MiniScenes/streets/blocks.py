"""What stands in one block of a street: rows of things along curbs, sidewalks and plots.

Rows are filled from left to right, each thing in a stretch of its own, so nothing overlaps along a
row; rows lie at different distances from the center line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import roadside, vehicles
from .ground import BLOCK, Profile
from .kinds import ID
from .people import person
from .solids import Solid

Rng = np.random.Generator


class Thing(NamedTuple):
    """Solids in their own frame, and where that frame lies."""

    solids: list[Solid]
    x: float
    y: float
    heading: tuple[float, float]


class Block(NamedTuple):
    """One block.

    Args:
        things: What stands there.
        junction: (start, end) of a side street, equal for none.
        front: Kind of the land behind the sidewalk on the right and the left.
    """

    things: list[Thing]
    junction: tuple[float, float]
    front: tuple[int, int]


class _Choice(NamedTuple):
    """A builder, the length of street it takes and how often it is chosen."""

    build: Callable[[Rng], list[Solid]]
    length: float
    weight: float


_CURBSIDE = (
    _Choice(roadside.lamp, 0.6, 2), _Choice(roadside.bollard, 0.6, 1.5),
    _Choice(roadside.traffic_sign, 0.9, 3), _Choice(roadside.sign_board, 2.0, 0.4),
    _Choice(roadside.traffic_light, 0.6, 0.7), _Choice(roadside.tree, 2.5, 3.0),
    _Choice(roadside.bin_, 1.3, 1), _Choice(roadside.bench, 1.8, 0.5),
    _Choice(roadside.bicycle_rack, 3.6, 0.4), _Choice(roadside.debris, 0.9, 0.4),
    _Choice(vehicles.bicycle, 1.8, 1.6), _Choice(vehicles.motorcycle, 2.2, 1.3),
    _Choice(person, 0.8, 0.8), _Choice(roadside.cone, 0.5, 0.2),
)  # fmt: skip
_PARKED = (
    _Choice(vehicles.car, 5.6, 10), _Choice(vehicles.truck, 9.6, 0.5),
    _Choice(vehicles.trailer, 7.4, 0.8), _Choice(vehicles.motorcycle, 2.2, 0.7),
    _Choice(vehicles.motorcyclist, 2.2, 0.1),
)  # fmt: skip
_SITE = (
    _Choice(roadside.barrier, 2.2, 5), _Choice(roadside.cone, 1.2, 4),
    _Choice(vehicles.construction_vehicle, 5.6, 1.6),
    _Choice(lambda rng: person(rng, 'worker'), 1.0, 1.5), _Choice(vehicles.trailer, 7.4, 0.4),
)  # fmt: skip
_GARDEN = (_Choice(roadside.bush, 2.2, 4), _Choice(roadside.tree, 4.0, 2.5),
           _Choice(roadside.debris, 1.0, 0.1))  # fmt: skip
_LINE = (roadside.hedge, roadside.fence, roadside.wall)


def draw_block(rng: Rng, profile: Profile, start: float, rural: bool) -> Block:
    """Draw the block that begins at ``start`` meters along the street."""
    junction = (start, start)
    if rng.random() < 0.25:
        junction = (start + 15.0, start + 15.0 + rng.uniform(6.5, 9.0))
    builder = _Builder(rng, profile, start, junction)
    front = tuple(builder.side(side, rural) for side in (0, 1))
    return Block(builder.things, junction, front)


class _Builder:
    """Fills the rows of a block."""

    def __init__(self, rng: Rng, profile: Profile, start: float, junction: tuple[float, float]):
        self.rng, self.profile, self.start, self.junction = rng, profile, start, junction
        self.things: list[Thing] = []

    def side(self, side: int, rural: bool) -> int:
        """Fill one side; returns the kind of its land."""
        rng, curb, back = self.rng, self.profile.curb_at(side), self.profile.back_at(side)
        if self.profile.parking[side]:
            middle = self.profile.road + self.profile.parking[side] / 2
            if rng.random() < 0.2:
                self._row(side, middle, _SITE, 0.2, 1.0)
            else:
                self._row(side, middle, _PARKED, 0.2, rng.uniform(1.5, 12.0))
        self._row(side, curb + 0.45, _CURBSIDE, 1.0, 7.0)
        shares = [0.25, 0.6, 0.15] if rural else [0.55, 0.3, 0.15]
        use = rng.choice(['houses', 'park', 'lot'], p=shares)
        if use == 'park':
            self._park(side, back)
            return ID['terrain']
        if use == 'lot':
            self._row(side, back + 4.0, _PARKED[:1], 0.3, 2.0, turned=True, length=2.7)
            if rng.random() < 0.5:
                self._row(side, back + 15.0, _PARKED[:1], 0.3, 2.0, turned=True, length=2.7)
            else:
                self._row(side, back + 14.0, _SITE, 0.2, 2.0)
            self._houses(side, back + rng.uniform(20, 24))
            return ID[rng.choice(['parking', 'other_ground'])]
        setback = rng.uniform(3.5, 10.0) if rng.random() < 0.7 else 0.2
        if setback > 3:
            if rng.random() < 0.6:
                self._border(side, back + 0.5)
            self._row(side, back + setback / 2 + 0.6, _GARDEN, 0.0, 2.0)
        self._houses(side, back + setback)
        return ID[rng.choice(['terrain', 'other_ground'], p=[0.75, 0.25])]

    def _park(self, side: int, back: float) -> None:
        rng = self.rng
        if rng.random() < 0.5:
            self._border(side, back + 0.5)
        for row in range(4):
            self._row(side, back + 2.5 + 4.5 * row, _GARDEN, 0.0, 3.0)
        if rng.random() < 0.5:
            self._houses(side, back + rng.uniform(26, 40))

    def _houses(self, side: int, away: float) -> None:
        rng = self.rng
        for low, high in self._stretches(1.5):
            x = low
            while high - x > 7:
                width = min(rng.uniform(8, 20), high - x)
                self._put(roadside.house(rng, width), x + width / 2, side, away)
                x += width + rng.choice([0.0, rng.uniform(2.0, 9.0)], p=[0.4, 0.6])

    def _border(self, side: int, away: float) -> None:
        for low, high in self._stretches(1.0):
            x = low
            while high - x > 2:
                length = min(self.rng.uniform(4, 14), high - x)
                build = _LINE[self.rng.choice(3, p=[0.55, 0.33, 0.12])]
                self._put(build(self.rng, length), x + length / 2, side, away)
                x += length + self.rng.choice([0.0, 1.2, 3.5])

    def _row(self, side: int, away: float, choices: tuple[_Choice, ...], least: float, most: float,
             turned: bool = False, length: float | None = None) -> None:  # fmt: skip
        """Fill a row at ``away`` meters from the center line, with gaps from least to most."""
        rng = self.rng
        weight = np.array([choice.weight for choice in choices], float)
        for low, high in self._stretches(4.5 if away < self.profile.back_at(side) else 1.0):
            x = low + rng.uniform(0, most)
            while True:
                choice = choices[rng.choice(len(choices), p=weight / weight.sum())]
                take = length or choice.length
                if x + take > high:
                    break
                self._put(choice.build(rng), x + take / 2, side, away, turned)
                x += take + rng.uniform(least, most)

    def _stretches(self, margin: float) -> list[tuple[float, float]]:
        """The parts of the block beside the side street."""
        start, end = self.junction
        if start == end:
            return [(self.start, self.start + BLOCK)]
        return [(self.start, start - margin), (end + margin, self.start + BLOCK)]

    def _put(self, solids: list[Solid], x: float, side: int, away: float, turned: bool = False
             ) -> None:  # fmt: skip
        """Add a thing, its y axis pointing away from the road; ``turned`` by a quarter."""
        sign = (-1.0, 1.0)[side]
        heading = (0.0, sign) if turned else (sign, 0.0)
        self.things.append(Thing(solids, float(x), sign * away, heading))

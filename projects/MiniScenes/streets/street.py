"""A street without end, drawn block by block, and the traffic on it.

Everything follows from (seed, sequence): what stands in block b from (seed, sequence, b), who
travels in place j of a lane from (seed, sequence, lane, j), so any moment can be built alone.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from . import vehicles
from .blocks import Block, draw_block
from .ground import BLOCK, Ground, Profile
from .people import person
from .solids import Solid

REACH = 110.0  # meters of the street before and behind the scanner that are built
_FIRST = 64  # added to block numbers, which begin below zero
_SLOTS = 2000  # places of a lane that have their own instance numbers
_STATIC, _PER_BLOCK = 40_000, 200  # instance numbers of what stands; of one block


class Lane(NamedTuple):
    """A stream of travelers at one speed.

    Args:
        y: Distance to the left of the center line.
        speed: Meters per second, negative against the scanner's direction.
        spacing: Meters between places.
        deck: Names in ``_TRAVELERS``, ``''`` for nobody, dealt to the places after shuffling, so
            that each street has its share of rare ones.
    """

    y: float
    speed: float
    spacing: float
    deck: tuple[str, ...]


class Pose(NamedTuple):
    """Where the ego car's foot point is, and its axes as columns: forward, left, up."""

    place: np.ndarray
    axes: np.ndarray


_MOTOR = ('car',) * 3 + ('truck', 'road_train', 'bus') + ('motorcyclist',) * 2 + ('',) * 3
_FEET = ('adult',) * 4 + ('child', 'worker') + ('',) * 12
_CYCLES = ('bicyclist', 'bicyclist', '', '', '')
_BUSY_FEET = ('adult',) * 8 + ('child', 'worker') + ('',) * 8
_BUSY_CYCLES = ('bicyclist',) * 4 + ('',)
_TRAVELERS = dict(
    car=vehicles.car, truck=vehicles.truck, bus=vehicles.bus, bicyclist=vehicles.bicyclist,
    motorcyclist=vehicles.motorcyclist, road_train=vehicles.road_train,
    **{kind: partial(person, kind=kind) for kind in ('adult', 'child', 'worker')},
)  # fmt: skip


class Street:
    """The street of one sequence.

    Args:
        seed: Of the data set.
        sequence: Number of the sequence.
        busy: More people on foot and on bicycles; all else stays as it is.
    """

    def __init__(self, seed: int, sequence: int, busy: bool = False) -> None:
        self._key = (seed, sequence)
        rng = np.random.default_rng([seed, sequence, 1])
        self.profile = _profile(rng)
        self.rural = rng.random() < 0.5
        self.speed = rng.uniform(5.0, 11.0)
        self._sway = rng.uniform(0.05, 0.25), rng.uniform(0, 6.28)
        self.lanes = _lanes(rng, self.profile, self.speed, busy)
        self._blocks: dict[int, Block] = {}
        self._feet: dict[tuple[int, int], float] = {}  # heights of what stands
        self._built: dict[float, tuple[Ground, list[Solid]]] = {}

    def block(self, number: int) -> Block:
        """What stands in one block; kept, because the scans of a sequence share it."""
        if number not in self._blocks:
            rng = np.random.default_rng([*self._key, 2, number + _FIRST])
            self._blocks[number] = draw_block(rng, self.profile, number * BLOCK, self.rural)
        return self._blocks[number]

    def pose(self, time: float) -> Pose:
        """Ego car at a time in seconds: in the right lane, swaying a little."""
        x = self.speed * time
        size, phase = self._sway
        y = self.lanes[0].y + size * np.sin(x / 12 + phase)
        ground = self._ground(x)
        at = np.array([x]), np.array([y])
        z, slope, _ = ground.surface(*at, False)
        forward = np.array([1.0, size / 12 * np.cos(x / 12 + phase), slope[0]])
        forward /= np.sqrt((forward**2).sum())
        left = np.array([-forward[1], forward[0], 0.0]) / np.sqrt(forward[0] ** 2 + forward[1] ** 2)
        axes = np.stack([forward, left, np.cross(forward, left)], 1)
        return Pose(np.array([x, y, z[0]]), axes)

    def velocity(self, instance: int, x: float) -> np.ndarray:
        """(3,) meters per second, in the world, of the thing of a number that is at x."""
        if instance < _STATIC:
            return np.zeros(3)
        lane = self.lanes[(instance - _STATIC) // _SLOTS]
        plain = Ground(self.profile, 0, np.zeros((1, 2)), np.zeros((1, 2), int))
        _, slope, _ = plain.surface(np.array([x]), np.array([lane.y]), False)
        return np.array([lane.speed, 0.0, lane.speed * slope[0]])

    def build(self, time: float) -> tuple[Ground, list[Solid]]:
        """Ground and solids around the ego car at a time in seconds; the last is kept."""
        if time not in self._built:
            self._built = {time: self._build(time)}
        return self._built[time]

    def _build(self, time: float) -> tuple[Ground, list[Solid]]:
        x = float(self.pose(time).place[0])
        ground = self._ground(x)
        solids = []
        for number in self._numbers(x):
            for index, thing in enumerate(self.block(number).things):
                if abs(thing.x - x) < REACH:
                    instance = 1 + ((number + _FIRST) * _PER_BLOCK + index) % (_STATIC - 1)
                    if (number, index) not in self._feet:
                        self._feet[number, index] = ground.height(thing.x, thing.y)
                    z = self._feet[number, index]
                    solids += [part.placed(thing.x, thing.y, z, thing.heading, instance=instance)
                               for part in thing.solids]  # fmt: skip
        for number, lane in enumerate(self.lanes):
            solids += self._traffic(number, lane, ground, x, time)
        return ground, solids

    def _numbers(self, x: float) -> range:
        return range(int((x - REACH) // BLOCK), int((x + REACH) // BLOCK) + 1)

    def _ground(self, x: float) -> Ground:
        numbers = self._numbers(x)
        blocks = [self.block(number) for number in numbers]
        junction = np.array([block.junction for block in blocks])
        return Ground(self.profile, numbers[0], junction, np.array([b.front for b in blocks]))

    def _traffic(self, number: int, lane: Lane, ground: Ground, x: float, time: float
                 ) -> list[Solid]:  # fmt: skip
        """Solids of the travelers of a lane; place 0 of the first lane is the ego car's."""
        solids, traveled = [], lane.speed * time
        first = int(np.ceil((x - REACH - traveled) / lane.spacing))
        last = int(np.floor((x + REACH - traveled) / lane.spacing))
        for j in range(first, last + 1):
            hand, card = divmod(j + (1 << 20), len(lane.deck))
            deal = np.random.default_rng([*self._key, 3, number, hand])
            name = lane.deck[deal.permutation(len(lane.deck))[card]]
            if not name or (number == 0 and j == 0):
                continue
            rng = np.random.default_rng([*self._key, 6, number, j + (1 << 20)])
            at = lane.spacing * (j + rng.uniform(-0.1, 0.1)) + traveled
            y = lane.y + rng.uniform(-0.15, 0.15)
            heading = (1.0, 0.0) if lane.speed > 0 else (-1.0, 0.0)
            changes = dict(instance=_STATIC + number * _SLOTS + j % _SLOTS, moving=True)
            z = ground.height(at, y)
            solids += [part.placed(at, y, z, heading, **changes) for part in _TRAVELERS[name](rng)]
        return solids


def _profile(rng: np.random.Generator) -> Profile:
    number = 1 / rng.uniform(25, 90, 3)
    waves = np.stack([rng.uniform(0.05, 0.012 / number), number, rng.uniform(0, 6.28, 3)])
    strips = rng.random(2) < 0.5
    return Profile(
        waves, rng.uniform(-0.012, 0.012), rng.uniform(4.0, 6.0),
        tuple(np.where(strips, rng.uniform(2.1, 2.5), 0.0).tolist()),
        tuple(rng.uniform(2.0, 4.5, 2).tolist()), rng.uniform(0.08, 0.15),
        rng.uniform(0.0, 0.05), bool(rng.random() < 0.5),
    )  # fmt: skip


def _lanes(rng: np.random.Generator, profile: Profile, speed: float, busy: bool) -> list[Lane]:
    y, edge = 0.42 * profile.road, profile.road - 0.45
    cycles, feet = (_BUSY_CYCLES, _BUSY_FEET) if busy else (_CYCLES, _FEET)
    lanes = [Lane(-y, speed, rng.uniform(22, 30), _MOTOR),
             Lane(y, -rng.uniform(5, 12), rng.uniform(22, 34), _MOTOR),
             Lane(-edge, rng.uniform(3.5, 5), rng.uniform(20, 34), cycles),
             Lane(edge, -rng.uniform(3.5, 5), rng.uniform(20, 34), cycles)]  # fmt: skip
    for side, sign in enumerate((-1, 1)):
        for part, way in ((0.55, 1), (0.85, -1)):
            away = profile.curb_at(side) + part * profile.sidewalk[side]
            pace = way * rng.uniform(1.0, 1.6)
            lanes.append(Lane(sign * away, pace, rng.uniform(7, 14), feet))
    return lanes

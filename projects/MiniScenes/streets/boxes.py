"""Labeled objects of a street scan: oriented boxes around the solids of vehicles and people.

Shape letters: n points, k boxes. A box is (x, y, z, length, width, height, yaw): z of its middle,
yaw counter-clockwise about z from +x; meters and radians.
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np

from projects.SRKD.datasets.infos.points_in_boxes import points_inside, rows_inside

from .kinds import KINDS
from .lidar import Lidar
from .scan import StreetScan, scan_street, street_at
from .solids import Solid, corners
from .street import Pose

OBJECT_KINDS = frozenset({name for name, kind in KINDS.items() if kind.thing} | {'barrier', 'cone'})
_MARGIN = 0.05  # meters between solids and box: half of the echoes of a face scatter beyond it


class StreetObject(NamedTuple):
    """One object; (instance, kind) names it in all scans of a sequence.

    A truck and the trailer it draws share the instance, but not the kind.

    Args:
        kind: Name in ``kinds.KINDS``.
        instance: Number of the thing, as in the scan.
        moving: Whether it travels.
        box: (7,) in the sensor's frame: x forward, y left, z up.
        velocity: (3,) meters per second over ground, along the axes of the sensor's frame.
        world_box: (7,) in the street's frame, upright there: its size and, of what stands, its
            place are the same in all scans.
        points: How many points of the scan lie in the box.
    """

    kind: str
    instance: int
    moving: bool
    box: np.ndarray
    velocity: np.ndarray
    world_box: np.ndarray
    points: int


def street_objects(seed: int, sequence: int, scan: int, lidar: Lidar, period: float | None = None,
                   scanned: StreetScan | None = None, busy: bool = False
                   ) -> list[StreetObject]:  # fmt: skip
    """Objects around the scanner, hidden and empty ones included.

    Args:
        seed: Of the data set.
        sequence: Number of the sequence.
        scan: Number of the scan in it.
        lidar: The scanner.
        period: Seconds from one scan to the next, by default the scanner's.
        scanned: ``scan_street`` of the same numbers, when it is at hand.
        busy: As in ``scan_street``.

    Example:
        >>> from .lidar import HDL64E
        >>> cars = [thing for thing in street_objects(0, 3, 0, HDL64E.reduced(16, 200))
        ...         if thing.kind == 'car' and thing.points > 20]
        >>> len(cars) > 1, all(3.8 < thing.box[3] < 5.5 for thing in cars)
        (True, True)
    """
    if scanned is None:
        scanned = scan_street(seed, sequence, scan, lidar, period, busy=busy)
    street, time = street_at(seed, sequence, busy), scan * (period or lidar.period)
    wanted = [solid for solid in street.build(time)[1] if solid.kind in OBJECT_KINDS]
    wanted.sort(key=_name)
    things = [list(solids) for _, solids in groupby(wanted, _name)]
    world = np.array([_around(solids) for solids in things]).reshape(-1, 7)
    boxes = to_sensor(world, scanned.pose, lidar.height)
    inside = points_inside(boxes, scanned.points)
    return [
        StreetObject(
            solids[0].kind, solids[0].instance, solids[0].moving, box,
            _turned(street.velocity(solids[0].instance, world_box[0]), scanned.pose), world_box,
            int(count),
        )
        for solids, box, world_box, count in zip(things, boxes, world, inside)
    ]  # fmt: skip


def to_sensor(boxes: np.ndarray, pose: Pose, height: float) -> np.ndarray:
    """Boxes (k, 7) of the street's frame in that of a scanner at ``height`` above a pose.

    The scanner pitches with the road and boxes stay upright: over a car's length the two differ by
    some centimeters.
    """
    heading = np.stack([np.cos(boxes[:, 6]), np.sin(boxes[:, 6]), np.zeros(len(boxes))])
    ahead = _turned(heading, pose)
    center = _turned(boxes[:, :3].T - pose.place[:, None] - height * pose.axes[:, 2:], pose)
    return np.round(np.c_[center.T, boxes[:, 3:6], np.arctan2(ahead[1], ahead[0])], 4)


def _name(solid: Solid) -> tuple[int, str]:
    return solid.instance, solid.kind


def _around(solids: list[Solid]) -> np.ndarray:
    """(7,) box around solids along their heading, its bottom where they stand."""
    (cos, sin), (x, y, z) = solids[0].heading, corners(solids).reshape(-1, 3).T
    own = np.stack([cos * x + sin * y, cos * y - sin * x, z], 1)
    low, high = own.min(0) - (_MARGIN, _MARGIN, 0.0), own.max(0) + _MARGIN
    (x, y, z), size = (low + high) / 2, high - low
    return np.round([cos * x - sin * y, sin * x + cos * y, z, *size, np.arctan2(sin, cos)], 4)


def _turned(vectors: np.ndarray, pose: Pose) -> np.ndarray:
    """World vectors (3, ...) along the axes of a pose; no BLAS, for equal bytes."""
    return np.stack([sum(axis[i] * vectors[i] for i in range(3)) for axis in pose.axes.T])


__all__ = ['OBJECT_KINDS', 'StreetObject', 'points_inside', 'rows_inside',
           'street_objects', 'to_sensor']  # fmt: skip

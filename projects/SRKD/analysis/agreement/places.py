"""Accuracy against where a point lies and how crowded it is there.

Shape letters: P points, K + 1 edges.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...base.checks import check_positive

ROOM, STREET = 'room', 'street'
# Meters from the middle of a room, or from the sensor; edge of a cube whose points are counted.
DISTANCES = {ROOM: (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0), STREET: (0.0, 10.0, 20.0, 30.0, 40.0, 50.0)}
CUBES = {ROOM: 0.2, STREET: 1.0}
CROWDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # points in the cube


class AccuracyBy:
    """Share of points that are right, by a value of each point.

    Args:
        edges: Least value of each bin, ascending; the last bin is open, smaller values are left
            out.
    """

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = tuple(edges)
        self._counts = torch.zeros(2, len(edges), dtype=torch.int64)  # all, right

    def add(self, value: Tensor, right: Tensor) -> None:
        """Add the points of a scan.

        Args:
            value: Of each point, (P,).
            right: Whether its class is, (P,) bool.
        """
        edges = torch.tensor(self.edges, dtype=torch.float64)
        place = torch.bucketize(value.double().cpu(), edges, right=True) - 1  # -1: too small
        kept, right = place >= 0, right.cpu()
        for row, of in enumerate((kept, kept & right)):
            self._counts[row] += torch.bincount(place[of], minlength=len(edges))

    def result(self) -> list[dict[str, float]]:
        """Of each bin its least value ``least``, ``points``, and ``accuracy``, NaN without points.

        Example:
            >>> of = AccuracyBy([0, 10])
            >>> of.add(torch.tensor([3.0, 10.0, 99.0]), torch.tensor([False, True, False]))
            >>> [bin['accuracy'] for bin in of.result()]
            [0.0, 0.5]
        """
        points, right = self._counts.tolist()
        return [
            dict(least=least, points=all_, accuracy=good / all_ if all_ else float('nan'))
            for least, all_, good in zip(self.edges, points, right, strict=True)
        ]


def distance(points: Tensor, kind: str) -> Tensor:
    """Meters of each point from the sensor, or from the middle of a room, seen from above.

    Args:
        points: Coordinates, (P, >= 3).
        kind: ``ROOM`` or ``STREET``; a LiDAR stands at the origin.
    """
    flat = points[:, :2]
    if kind == ROOM and len(flat):
        flat = flat - (flat.amin(0) + flat.amax(0)) / 2
    return flat.norm(dim=1)


def crowd(points: Tensor, size: float) -> Tensor:
    """Number of points in the cube that each point lies in.

    Args:
        points: Coordinates, (P, >= 3).
        size: Edge of a cube, meters; cubes are laid from the origin.

    Returns:
        (P,) int64, at least 1: the point itself.
    """
    check_positive(size=size)
    cube = (points[:, :3].double() / size).floor().long()
    _, number, counts = torch.unique(cube, dim=0, return_inverse=True, return_counts=True)
    return counts[number]

"""A rectangular room that pieces are placed in without running into each other.

The room spans [0, width] x [0, depth]; wall k runs along the direction k quarter turns from x, and
its inside lies to the left. Places are found by drawing until one is free.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .furniture import Part, Piece, Rng
from .materials import color
from .surfaces import Patches, join, sheets

_QUARTER = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))  # cosine and sine of k * 90 degrees
_TRIES = 40


class Frame(NamedTuple):
    """Where a piece stands: its origin in the room and the direction of its x axis."""

    x: float
    y: float
    cos: float = 1.0
    sin: float = 0.0

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Room coordinates of a place in this frame."""
        return self.x + self.cos * x - self.sin * y, self.y + self.sin * x + self.cos * y

    def turned(self, x: float, y: float, quarters: int, sway: float = 0.0) -> Frame:
        """A frame with its origin at (x, y) of this one, turned by quarters and a bit (tangent)."""
        cos, sin = _QUARTER[quarters % 4]
        cos, sin = cos - sway * sin, sin + sway * cos
        length = np.sqrt(cos * cos + sin * sin)
        cos, sin = cos / length, sin / length
        return Frame(*self.at(x, y), self.cos * cos - self.sin * sin,
                     self.sin * cos + self.cos * sin)  # fmt: skip

    def footprint(self, width: float, depth: float) -> tuple[float, float, float, float]:
        """Bounds (x0, y0, x1, y1) in the room of a piece in this frame."""
        corners = [self.at(x, y) for x in (-width / 2, width / 2) for y in (0.0, depth)]
        x, y = zip(*corners)
        return min(x), min(y), max(x), max(y)


class Room:
    """A room while it is furnished.

    Args:
        rng: Draws places and colors of the shell.
        width: Inner size along x.
        depth: Inner size along y.
        height: Of the walls as far as they are scanned.
        shell: Color families of floor and walls.
    """

    def __init__(self, rng: Rng, width: float, depth: float, height: float,
                 shell: tuple[str, str]) -> None:  # fmt: skip
        self.rng, self.size, self.height = rng, (width, depth), height
        self.parts: list[Part] = []
        self._floor: list[tuple[float, float, float, float]] = []
        self._claims: list[list[tuple[float, float, float, float]]] = [[] for _ in range(4)]
        self._openings: list[list[tuple[float, float, float, float]]] = [[] for _ in range(4)]
        self._rgb = color(rng, shell[0]), color(rng, shell[1])

    def length(self, wall: int) -> float:
        """Length of a wall."""
        return self.size[wall % 2]

    def on_wall(self, wall: int, s: float, gap: float = 0.0) -> Frame:
        """The frame of a piece whose back is at place s of a wall."""
        corners = ((0, 0), (self.size[0], 0), self.size, (0, self.size[1]))
        return Frame(*map(float, corners[wall]), *_QUARTER[wall]).turned(s, gap, 0)

    def put(self, piece: Piece, frame: Frame) -> None:
        """Add a piece without asking whether there is room."""
        for name, patches in piece.parts:
            offset = (frame.x, frame.y, 0.0)
            self.parts.append(Part(name, patches.moved(frame.cos, frame.sin, offset)))

    def stand(self, piece: Piece, front: float, at: Frame) -> Frame | None:
        """Put a piece on the floor if its place and ``front`` meters before it are free."""
        rect = at.footprint(piece.width, piece.depth + front)
        slack = 0.03
        inside = min(rect[:2]) > -slack and all(
            high < size + slack for high, size in zip(rect[2:], self.size)
        )
        if not inside or any(_overlap(rect, other) for other in self._floor):
            return None
        self._floor.append(rect)
        self.put(piece, at)
        return at

    def squeeze(self, piece: Piece, frame: Frame) -> None:
        """Put a piece where others keep space for it: a chair under its table."""
        self._floor.append(frame.footprint(piece.width, piece.depth))
        self.put(piece, frame)

    def against_wall(self, piece: Piece, front: float = 0.35) -> Frame | None:
        """Stand a piece with its back to any wall; None if no free place is found.

        High pieces also claim the wall behind them, so that no picture hides there.
        """
        for _ in range(_TRIES):
            wall = int(self.rng.integers(4))
            room = self.length(wall) - piece.width
            if room < 0:
                continue
            s = self.rng.uniform(0, room) + piece.width / 2
            if self.rng.random() < 0.4:  # into a corner
                s = piece.width / 2 if self.rng.random() < 0.5 else room + piece.width / 2
            claim = (s - piece.width / 2, 0.0, s + piece.width / 2, piece.height)
            frame = self.on_wall(wall, s, self.rng.uniform(0.0, 0.05))
            if not self._wall_is_free(wall, claim):
                continue
            if self.stand(piece, front, frame) is not None:
                self._claims[wall].append(claim)
                return frame
        return None

    def anywhere(self, piece: Piece, margin: float = 0.1) -> Frame | None:
        """Stand a piece in the open, turned at random."""
        for _ in range(_TRIES):
            x, y = (self.rng.uniform(margin, size - margin) for size in self.size)
            sway = self.rng.uniform(-0.3, 0.3)
            frame = Frame(x, y).turned(0, 0, int(self.rng.integers(4)), sway)
            if self.stand(piece, 0.0, frame) is not None:
                return frame
        return None

    def hang(self, piece: Piece, low: float, top: float, opening: bool = False,
             clear: float = 0.0) -> Frame | None:  # fmt: skip
        """Put a piece on a wall between two heights.

        Args:
            piece: What to hang.
            low: Lower edge of the wall it takes.
            top: Upper edge.
            opening: Whether it replaces the wall there, as a door does.
            clear: Floor before it that must stay free, meters.
        """
        for _ in range(_TRIES):
            wall = int(self.rng.integers(4))
            room = self.length(wall) - piece.width - 0.2
            if room < 0:
                continue
            s = self.rng.uniform(0, room) + piece.width / 2 + 0.1
            claim = (s - piece.width / 2, low, s + piece.width / 2, top)
            if not self._wall_is_free(wall, claim):
                continue
            frame = self.on_wall(wall, s)
            if clear:
                blank = Piece([], piece.width, clear, 0.0)
                if self.stand(blank, 0.0, frame) is None:
                    continue
            self.put(piece, frame)
            self._claims[wall].append(claim)
            if opening:
                self._openings[wall].append(claim)
            return frame
        return None

    def shell(self) -> list[Part]:
        """Floor and walls, the walls without their openings, each wall one instance."""
        width, depth = self.size
        floor = sheets((0, 0, 0), (width, 0, 0), (0, depth, 0), self._rgb[0])
        walls = []
        for wall in range(4):
            frame = self.on_wall(wall, 0.0)
            face = self._face(wall).moved(frame.cos, frame.sin, (frame.x, frame.y, 0))
            walls.append(Part('wall', face))
        return [Part('floor', floor), *walls]

    def _face(self, wall: int) -> Patches:
        holes = self._openings[wall]
        s = np.unique([0.0, self.length(wall), *(h[i] for h in holes for i in (0, 2))])
        z = np.unique([0.0, self.height, *(min(h[i], self.height) for h in holes for i in (1, 3))])
        skirting = sheets((0, 0.01, 0), (self.length(wall), 0, 0), (0, 0, 0.08),
                          self._rgb[1] * 0.8)  # fmt: skip
        cells = [] if any(h[1] <= 0 for h in holes) else [skirting]
        for left, right in zip(s[:-1], s[1:]):
            for low, high in zip(z[:-1], z[1:]):
                x, y = (left + right) / 2, (low + high) / 2
                if not any(h[0] < x < h[2] and h[1] < y < h[3] for h in holes):
                    cells.append(sheets((left, 0, low), (right - left, 0, 0), (0, 0, high - low),
                                        self._rgb[1]))  # fmt: skip
        return join(*cells)

    def _wall_is_free(self, wall: int, claim: tuple[float, float, float, float]) -> bool:
        return not any(_overlap(claim, other) for other in self._claims[wall])


def _overlap(a: tuple, b: tuple, slack: float = 0.01) -> bool:
    return (a[0] < b[2] - slack and b[0] < a[2] - slack
            and a[1] < b[3] - slack and b[1] < a[3] - slack)  # fmt: skip

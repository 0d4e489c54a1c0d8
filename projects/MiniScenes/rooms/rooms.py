"""What stands in a bathroom, bedroom, kitchen, living room and office.

``furnish(rng, kind)`` gives the labeled instances of one room. Pieces that make a room what it is
come first, while there is space; the rest is drawn.
"""

from __future__ import annotations

import numpy as np

from . import fixtures, furniture
from .furniture import Part, Rng
from .layout import Room

KINDS = ('bathroom', 'bedroom', 'kitchen', 'living room', 'office')
_EDGES = {  # shorter and longer side, meters
    'bathroom': ((1.9, 2.4), (2.3, 2.9)),
    'bedroom': ((2.6, 3.1), (3.0, 3.6)),
    'kitchen': ((2.4, 3.0), (2.9, 3.6)),
    'living room': ((2.8, 3.3), (3.1, 3.8)),
    'office': ((2.4, 3.0), (2.8, 3.5)),
}  # fmt: skip
_SHELL = {'bathroom': ('tile', 'plaster'), 'kitchen': ('tile', 'plaster')}


def furnish(rng: Rng, kind: str) -> list[Part]:
    """Draw a room of one of ``KINDS``; floor and walls come first."""
    (a, b), (c, d) = _EDGES[kind]
    size = [rng.uniform(a, b), rng.uniform(c, d)]
    rng.shuffle(size)
    floor = ('wood', 'cloth', 'tile')[rng.integers(3)]
    room = Room(rng, *size, rng.uniform(2.05, 2.35), _SHELL.get(kind, (floor, 'plaster')))
    leaf, top = fixtures.door(rng)
    room.hang(leaf, 0.0, top, opening=True, clear=0.6)
    _RECIPES[kind](room, rng)
    for _ in range(rng.integers(0, 3)):
        room.anywhere(furniture.clutter(rng))
    return room.shell() + room.parts


def _bathroom(room: Room, rng: Rng) -> None:
    room.against_wall(fixtures.bathtub(rng), front=0.3)
    room.against_wall(fixtures.toilet(rng))
    stand = fixtures.washstand(rng)
    place = room.against_wall(stand)
    if place is not None and rng.random() < 0.6:
        room.put(fixtures.picture(rng, 'mirror', (0.4, 0.6))[0], place)
    if rng.random() < 0.3:
        _window(room, rng, curtain=0.3)
    for _ in range(rng.integers(1, 3)):
        room.hang(fixtures.towel(rng), 0.8, 1.7)
    if rng.random() < 0.4:
        _pictures(room, rng, 1)
    if rng.random() < 0.4:
        room.against_wall(furniture.cabinet(rng), front=0.2)
    if rng.random() < 0.5:
        room.anywhere(furniture.otherfurniture(rng))


def _bedroom(room: Room, rng: Rng) -> None:
    room.against_wall(furniture.bed(rng), front=0.2)
    _window(room, rng, curtain=0.9)
    if rng.random() < 0.75:
        room.against_wall(furniture.cabinet(rng, tall=rng.random() < 0.7))
    if rng.random() < 0.5:
        room.against_wall(furniture.cabinet(rng, tall=False, name='night_stand'), front=0.1)
    if rng.random() < 0.5:
        _desk_and_chair(room, rng)
    if rng.random() < 0.35:
        room.against_wall(furniture.bookshelf(rng), front=0.2)
    if rng.random() < 0.4:
        room.against_wall(furniture.otherfurniture(rng), front=0.1)
    _pictures(room, rng, rng.integers(1, 4))


def _kitchen(room: Room, rng: Rng) -> None:
    room.against_wall(fixtures.counter(rng), front=0.5)
    room.against_wall(fixtures.refrigerator(rng))
    _window(room, rng, curtain=0.4)
    if rng.random() < 0.3:
        room.against_wall(fixtures.counter(rng, sink=False), front=0.4)
    _table_and_chairs(room, rng)
    if rng.random() < 0.35:
        room.against_wall(furniture.cabinet(rng), front=0.2)
    if rng.random() < 0.4:
        room.against_wall(furniture.otherfurniture(rng), front=0.1)
    _pictures(room, rng, rng.integers(0, 2))


def _living_room(room: Room, rng: Rng) -> None:
    place = room.against_wall(furniture.sofa(rng, single=False), front=0.3)
    low = furniture.table(rng, low=True)
    if place is not None:
        room.stand(low, 0.0, place.turned(rng.uniform(-0.2, 0.2), rng.uniform(1.2, 1.4), 0))
    _window(room, rng, curtain=0.8)
    room.against_wall(furniture.bookshelf(rng), front=0.2)
    if rng.random() < 0.6:
        room.against_wall(furniture.sofa(rng, single=True), front=0.2)
    if rng.random() < 0.6:
        room.against_wall(furniture.cabinet(rng, tall=False), front=0.2)
    if rng.random() < 0.5:
        _table_and_chairs(room, rng)
    elif rng.random() < 0.6:
        room.against_wall(furniture.chair(rng), front=0.1)
    room.against_wall(furniture.otherfurniture(rng), front=0.1)
    _pictures(room, rng, rng.integers(1, 4))


def _office(room: Room, rng: Rng) -> None:
    _desk_and_chair(room, rng)
    room.against_wall(furniture.bookshelf(rng), front=0.3)
    if rng.random() < 0.8:
        _window(room, rng, curtain=0.35)
    if rng.random() < 0.6:
        _desk_and_chair(room, rng)
    if rng.random() < 0.6:
        room.against_wall(furniture.cabinet(rng), front=0.2)
    if rng.random() < 0.35:
        _table_and_chairs(room, rng)
    if rng.random() < 0.6:
        _pictures(room, rng, 1, name='whiteboard', size=(0.8, 1.3))
    room.against_wall(furniture.otherfurniture(rng), front=0.1)
    _pictures(room, rng, rng.integers(0, 3))


def _window(room: Room, rng: Rng, curtain: float) -> None:
    pane, low, top = fixtures.window(rng)
    place = room.hang(pane, low, top, opening=True)
    if place is not None and rng.random() < curtain:
        room.put(fixtures.curtain(rng, pane.width), place)


def _pictures(room: Room, rng: Rng, count: int, **look) -> None:
    for _ in range(count):
        piece, low = fixtures.picture(rng, **look)
        room.hang(piece, low, piece.height, opening=True)  # no camera sees the wall behind


def _desk_and_chair(room: Room, rng: Rng) -> None:
    piece = furniture.desk(rng)
    place = room.against_wall(piece, front=0.5)
    if place is not None and rng.random() < 0.85:
        at = place.turned(rng.uniform(-0.1, 0.3), piece.depth + rng.uniform(0.3, 0.5), 2,
                          rng.uniform(-0.4, 0.4))  # fmt: skip
        room.squeeze(furniture.chair(rng), at)


def _table_and_chairs(room: Room, rng: Rng) -> None:
    """A table in the open with one to four chairs pushed under it, all alike."""
    piece = furniture.table(rng)
    place = room.anywhere(piece, 0.4) or room.against_wall(piece, 0.0)
    if place is None:
        return
    look = int(rng.integers(1 << 30))
    middle = piece.depth / 2
    edges = [(0.0, 0.0, 0), (piece.width / 2, middle, 1), (0.0, piece.depth, 2),
             (-piece.width / 2, middle, 3)]  # fmt: skip
    for edge in rng.permutation(4)[: rng.integers(1, 5)]:
        seat = furniture.chair(np.random.default_rng(look))
        back = seat.depth * 0.5 + rng.uniform(0.1, 0.35)  # from the edge of the table
        at = place.turned(*edges[edge]).turned(0.0, -back, 0, rng.uniform(-0.25, 0.25))
        near = [at.at(x, y) for x in (-0.25, 0.25) for y in (0.0, 0.5)]
        if all(0.0 < x < room.size[0] and 0.0 < y < room.size[1] for x, y in near):
            room.squeeze(seat, at)


_RECIPES = {
    'bathroom': _bathroom,
    'bedroom': _bedroom,
    'kitchen': _kitchen,
    'living room': _living_room,
    'office': _office,
}

"""Builders of furniture that stands on the floor of any room.

A builder draws one instance: ``builder(rng) -> Piece``. Its frame: x along the back, centered; y
from the back (0) to the front; z up; meters. Sizes and colors of look-alikes overlap (arm chair
and sofa, desk and table, cabinet and refrigerator): shape and surroundings must tell them apart.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .materials import color
from .surfaces import Patches, board, box, join, legs, round_body

Rng = np.random.Generator


class Part(NamedTuple):
    """One labeled instance: name in ``materials.NYU40`` and surfaces."""

    name: str
    patches: Patches


class Piece(NamedTuple):
    """Instances that are placed together, and the floor they take."""

    parts: list[Part]
    width: float
    depth: float
    height: float


def chair(rng: Rng) -> Piece:
    """Dining chair, swivel chair or stool."""
    w, d, seat = rng.uniform(0.40, 0.52), rng.uniform(0.40, 0.52), rng.uniform(0.42, 0.50)
    kind = rng.choice(['four legs', 'swivel', 'stool'], p=[0.6, 0.28, 0.12])
    rgb, frame = color(rng, 'wood', 'wood', 'dark', 'cloth'), color(rng, 'wood', 'dark')
    x = w / 2
    body = [board(-x, x, 0, d, seat - 0.06, seat, rgb)]
    if kind == 'swivel':
        body += [round_body((0, d / 2), (0.04, 0.04), 0.08, seat - 0.06, frame),
                 box((-x, d / 2 - 0.03, 0.02), (x, d / 2 + 0.03, 0.08), frame),
                 box((-0.03, 0, 0.02), (0.03, d, 0.08), frame)]  # fmt: skip
    else:
        body.append(legs(-x, x, 0, d, seat, 0.04, frame))
    top = seat
    if kind != 'stool':
        top = seat + rng.uniform(0.36, 0.55)
        gap = rng.choice([0.0, 0.12])
        body.append(box((-x, 0, seat + gap), (x, 0.05, top), rgb))
        if rng.random() < 0.3:
            body += [board(s * x - 0.03, s * x + 0.03, 0.03, d - 0.08, seat + 0.18, seat + 0.23,
                           frame) for s in (-1, 1)]  # fmt: skip
    return Piece([Part('chair', join(*body))], w, d, top)


def sofa(rng: Rng, single: bool | None = None) -> Piece:
    """Sofa of two or three seats, or an arm chair."""
    single = rng.random() < 0.3 if single is None else single
    w = rng.uniform(0.75, 0.95) if single else rng.uniform(1.35, 2.0)
    d, seat, top = rng.uniform(0.72, 0.92), rng.uniform(0.38, 0.46), rng.uniform(0.68, 0.88)
    arm, rest, back = rng.uniform(0.10, 0.20), rng.uniform(0.50, 0.64), rng.uniform(0.15, 0.25)
    rgb = color(rng, 'cloth', 'cloth', 'cloth', 'dark')
    x = w / 2
    body = [board(-x + arm, x - arm, back, d, 0.05, seat, rgb),
            board(-x, x, 0, back, 0.05, top, rgb),
            board(-x, -x + arm, back, d, 0.05, rest, rgb),
            board(x - arm, x, back, d, 0.05, rest, rgb)]  # fmt: skip
    parts = [Part('sofa', join(*body))]
    if rng.random() < 0.5:
        side = rng.choice([-1, 1]) * (x - arm - 0.2)
        parts.append(Part('pillow', board(side - 0.18, side + 0.18, back, back + 0.14, seat,
                                          seat + 0.34, color(rng, 'any'))))  # fmt: skip
    return Piece(parts, w, d, top)


def bed(rng: Rng) -> Piece:
    """Single or double bed with pillows, head against the wall."""
    w = rng.choice([0.95, 1.4]) + rng.uniform(-0.08, 0.1)
    d, top = rng.uniform(1.85, 2.05), rng.uniform(0.42, 0.58)
    frame, sheet = color(rng, 'wood', 'dark', 'pale'), color(rng, 'cloth', 'pale')
    x = w / 2
    body = [board(-x, x, 0.05, d, 0.12, top - 0.18, frame),
            board(-x + 0.02, x - 0.02, 0.06, d - 0.02, top - 0.18, top, sheet)]  # fmt: skip
    if rng.random() < 0.7:
        body.append(box((-x, 0, 0), (x, 0.06, top + rng.uniform(0.2, 0.5)), frame))
    if rng.random() < 0.6:  # a blanket over the lower half
        body.append(board(-x - 0.02, x + 0.02, d * 0.4, d, top - 0.25, top + 0.05,
                          color(rng, 'cloth', 'any')))  # fmt: skip
    rgb = color(rng, 'pale', 'cloth')
    places = [0.0] if w < 1.2 else [-x / 2, x / 2]
    parts = [Part('bed', join(*body))]
    parts += [Part('pillow', board(p - 0.26, p + 0.26, 0.1, 0.45, top, top + 0.12, rgb))
              for p in places]  # fmt: skip
    return Piece(parts, w, d, top)


def table(rng: Rng, low: bool = False) -> Piece:
    """Dining table, or a coffee table: rectangular or round, on legs or a pillar."""
    top = rng.uniform(0.36, 0.50) if low else rng.uniform(0.70, 0.78)
    w, d = rng.uniform(0.8, 1.3), rng.uniform(0.55, 0.85)
    rgb, thick = color(rng, 'wood', 'wood', 'wood', 'pale', 'dark'), 0.04
    if rng.random() < 0.35:
        r = rng.uniform(0.38, 0.55)
        w = d = 2 * r
        body = [round_body((0, r), (r, r), top - thick, top, rgb),
                round_body((0, r), (0.05, 0.05), 0, top - thick, rgb),
                round_body((0, r), (0.28, 0.28), 0, 0.04, rgb)]  # fmt: skip
    else:
        body = [
            board(-w / 2, w / 2, 0, d, top - thick, top, rgb),
            legs(-w / 2 + 0.03, w / 2 - 0.03, 0.03, d - 0.03, top - thick, 0.06, rgb),
        ]
    parts = [Part('table', join(*body))]
    if rng.random() < 0.5:
        parts.append(Part('otherprop', trinket(rng, rng.uniform(-0.2, 0.2), d / 2, top)))
    return Piece(parts, w, d, top)


def desk(rng: Rng) -> Piece:
    """Writing desk: board on one or two flanks, mostly with a screen on it."""
    w, d, top = rng.uniform(1.0, 1.5), rng.uniform(0.55, 0.75), rng.uniform(0.71, 0.78)
    rgb, x = color(rng, 'wood', 'pale', 'pale', 'pale', 'dark'), w / 2
    flank = rng.uniform(0.32, 0.42)
    body = [board(-x, x, 0, d, top - 0.04, top, rgb),
            box((-x, 0, 0), (-x + flank, d - 0.04, top - 0.04), rgb)]  # fmt: skip
    if rng.random() < 0.5:
        body.append(box((x - 0.04, 0, 0), (x, d - 0.04, top - 0.04), rgb))
        body.append(box((-x, 0.02, 0.3), (x, 0.04, top - 0.04), rgb))
    else:
        body.append(legs(x - 0.1, x, 0.02, d - 0.02, top - 0.04, 0.05, rgb))
    parts = [Part('desk', join(*body))]
    if rng.random() < 0.75:
        at, wide = rng.uniform(-0.2, 0.2), rng.uniform(0.42, 0.6)
        dark = color(rng, 'dark')
        screen = join(box((at - wide / 2, 0.16, top + 0.1), (at + wide / 2, 0.2, top + 0.45), dark),
                      board(at - 0.1, at + 0.1, 0.1, 0.26, top, top + 0.1, dark))  # fmt: skip
        parts.append(Part('television', screen))
    if rng.random() < 0.5:
        parts.append(Part('books', trinket(rng, x - 0.2, d / 2, top)))
    return Piece(parts, w, d, top)


def cabinet(rng: Rng, tall: bool | None = None, name: str = 'cabinet') -> Piece:
    """Chest or wardrobe: a box with seams between its doors and small handles."""
    tall = rng.random() < 0.4 if tall is None else tall
    w, d = rng.uniform(0.7, 1.2), rng.uniform(0.38, 0.6)
    top = rng.uniform(1.55, 2.0) if tall else rng.uniform(0.7, 1.15)
    rgb = color(rng, 'wood', 'wood', 'wood', 'pale', 'dark')
    body = [box((-w / 2, 0, 0), (w / 2, d, top), rgb, 'zY'),
            doors(rng, w, d, 0.06, top - 0.04, rgb)]  # fmt: skip
    parts = [Part(name, join(*body))]
    if not tall and rng.random() < 0.6:
        thing = rng.choice(['otherprop', 'lamp', 'television', 'box'])
        parts.append(Part(thing, trinket(rng, rng.uniform(-0.2, 0.2), d / 2, top)))
    return Piece(parts, w, d, top)


def doors(rng: Rng, w: float, y: float, z0: float, z1: float, rgb: np.ndarray) -> Patches:
    """Door or drawer fronts a centimeter or two before the plane y, with handles."""
    columns, rows = rng.integers(1, 4), rng.integers(1, 4)
    x = np.linspace(-w / 2, w / 2, columns + 1)
    z = np.linspace(z0, z1, rows + 1)
    tone, metal = rgb * rng.uniform(0.8, 1.0), color(rng, 'metal', 'dark')
    fronts = []
    for left, right in zip(x[:-1], x[1:]):
        for low, high in zip(z[:-1], z[1:]):
            middle, grip = (left + right) / 2, high - 0.1
            fronts.append(box((left + 0.01, y, low + 0.01), (right - 0.01, y + 0.02, high - 0.01),
                              tone, 'y'))  # fmt: skip
            fronts.append(box((middle - 0.06, y + 0.02, grip - 0.02),
                              (middle + 0.06, y + 0.05, grip), metal, 'y'))  # fmt: skip
    return join(*fronts)


def bookshelf(rng: Rng) -> Piece:
    """Open shelves against the wall, partly filled with books (some labeled as such)."""
    w, d, top = rng.uniform(0.7, 1.2), rng.uniform(0.26, 0.40), rng.uniform(1.1, 2.0)
    rgb, x = color(rng, 'wood', 'wood', 'pale', 'dark'), w / 2
    levels = np.linspace(0.06, top - 0.03, int(top / 0.36) + 1)
    body = [box((-x, 0, 0), (x, 0.02, top), rgb), box((-x, 0, 0), (-x + 0.03, d, top), rgb),
            box((x - 0.03, 0, 0), (x, d, top), rgb)]  # fmt: skip
    body += [board(-x, x, 0, d, z, z + 0.03, rgb) for z in levels]
    loose = []
    for z in levels[:-1]:
        at = -x + 0.04
        while at < x - 0.15:
            wide = rng.uniform(0.08, 0.3)
            if rng.random() < 0.7:
                block = board(
                    at,
                    min(at + wide, x - 0.04),
                    0.02,
                    d * rng.uniform(0.5, 0.95),
                    z + 0.03,
                    z + rng.uniform(0.18, 0.29),
                    color(rng, 'any', 'cloth'),
                )
                (loose if rng.random() < 0.15 else body).append(block)
            at += wide + rng.uniform(0.0, 0.1)
    parts = [Part('bookshelf', join(*body))]
    if loose:
        parts.append(Part('books', join(*loose)))
    return Piece(parts, w, d, top)


def otherfurniture(rng: Rng) -> Piece:
    """What no other class names: ottoman, bin, open rack, or trolley."""
    kind = rng.choice(['ottoman', 'bin', 'rack', 'trolley'])
    rgb = color(rng, 'metal', 'dark', 'metal', 'dark', 'cloth')
    w, d = rng.uniform(0.4, 0.7), rng.uniform(0.35, 0.5)
    x, top = w / 2, rng.uniform(0.35, 0.48)
    if kind == 'ottoman':
        body = board(-x, x, 0, d, 0, top, rgb)
    elif kind == 'bin':
        r, w, d = rng.uniform(0.15, 0.22), 0.44, 0.44
        top = rng.uniform(0.4, 0.7)
        body = round_body((0, 0.22), (r * 0.8, r * 0.8), 0, top, rgb, top=(r, r))
    else:
        top = rng.uniform(1.1, 1.7) if kind == 'rack' else rng.uniform(0.7, 0.9)
        levels = np.linspace(0.15, top - 0.02, 4 if kind == 'rack' else 2)
        body = join(legs(-x, x, 0, d, top, 0.03, rgb),
                    *(board(-x, x, 0, d, z, z + 0.02, rgb) for z in levels))  # fmt: skip
    return Piece([Part('otherfurniture', body)], w, d, top)


def clutter(rng: Rng) -> Piece:
    """Things on the floor that no benchmark class covers: box, bag, clothes, lamp."""
    name = rng.choice(['box', 'bag', 'clothes', 'lamp', 'otherprop'])
    rgb = color(rng, 'any', 'cloth', 'wood')
    w, d, top = rng.uniform(0.2, 0.45), rng.uniform(0.2, 0.4), rng.uniform(0.12, 0.45)
    if name == 'lamp':
        w = d = 0.4
        top = rng.uniform(1.3, 1.7)
        body = join(
            round_body((0, 0.2), (0.14, 0.14), 0, 0.03, rgb),
            round_body((0, 0.2), (0.02, 0.02), 0.03, top - 0.25, rgb),
            round_body((0, 0.2), (0.2, 0.2), top - 0.25, top, rgb, top=(0.1, 0.1)),
        )
    else:
        slope = rng.uniform(0.6, 1.0)
        body = round_body((0, d / 2), (w / 2, d / 2), 0, top, rgb, top=(w / 2 * slope, d / 3))
    return Piece([Part(name, body)], w, d, top)


def trinket(rng: Rng, x: float, y: float, z: float) -> Patches:
    """A small thing lying or standing on a surface."""
    w, d, h = rng.uniform(0.05, 0.18), rng.uniform(0.05, 0.14), rng.uniform(0.05, 0.3)
    return board(x - w, x + w, y - d, y + d, z, z + h, color(rng, 'any', 'dark'))

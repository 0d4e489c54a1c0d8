"""Builders of what is fitted to a house: kitchen and bathroom, and what walls carry.

Same frame as in ``furniture``: y = 0 is the wall's plane, y grows into the room.
"""

from __future__ import annotations

import numpy as np

from .furniture import Part, Piece, Rng, doors, trinket
from .materials import color
from .surfaces import Patches, board, box, folds, join, round_body, sheets


def toilet(rng: Rng) -> Piece:
    """Bowl with lid and, mostly, a cistern behind it."""
    rgb = color(rng, 'pale', 'pale', 'tile')
    w, d, rim = rng.uniform(0.36, 0.42), rng.uniform(0.62, 0.72), rng.uniform(0.38, 0.44)
    body = [round_body((0, d - 0.24), (w * 0.3, 0.16), 0, rim - 0.05, rgb, top=(w / 2, 0.24)),
            round_body((0, d - 0.24), (w / 2, 0.24), rim - 0.05, rim, rgb)]  # fmt: skip
    top = rim + 0.02
    if rng.random() < 0.8:
        top = rng.uniform(0.70, 0.82)
        body.append(board(-w / 2, w / 2, 0, 0.19, rim - 0.06, top, rgb))
    else:
        body.append(board(-w / 2, w / 2, 0, 0.22, 0.0, rim, rgb))
    if rng.random() < 0.35:  # the lid is up and leans on the cistern
        body.append(board(-w / 2, w / 2, 0.19, 0.23, rim, rim + 0.4, rgb))
        top = max(top, rim + 0.4)
    return Piece([Part('toilet', join(*body))], w, d, top)


def basin(rng: Rng, x: float, y: float, z: float, w: float, d: float) -> Patches:
    """A sink let into a surface at height z: rim, sunken bowl and tap; centered at (x, y)."""
    rgb = color(rng, 'pale', 'metal')
    a, b, sunk = w / 2, d / 2, rng.uniform(0.10, 0.16)
    bowl = box((x - a + 0.04, y - b + 0.04, z - sunk), (x + a - 0.04, y + b - 0.04, z + 0.01), rgb,
               'Z')  # fmt: skip
    rim = [board(x - a, x + a, y - b, y - b + 0.05, z, z + 0.03, rgb),
           board(x - a, x + a, y + b - 0.05, y + b, z, z + 0.03, rgb),
           board(x - a, x - a + 0.05, y - b, y + b, z, z + 0.03, rgb),
           board(x + a - 0.05, x + a, y - b, y + b, z, z + 0.03, rgb)]  # fmt: skip
    metal = color(rng, 'metal')
    tap = [box((x - 0.03, y - b - 0.02, z), (x + 0.03, y - b + 0.03, z + 0.2), metal),
           box((x - 0.02, y - b, z + 0.17), (x + 0.02, y, z + 0.2), metal)]  # fmt: skip
    return join(bowl, *rim, *tap)


def washstand(rng: Rng) -> Piece:
    """Bathroom sink: on a cabinet, on a pillar or hung from the wall."""
    w, d, top = rng.uniform(0.5, 0.75), rng.uniform(0.42, 0.52), rng.uniform(0.78, 0.90)
    parts = [Part('sink', basin(rng, 0, d / 2, top, w * 0.85, d * 0.8))]
    kind = rng.choice(['cabinet', 'pillar', 'wall'], p=[0.5, 0.3, 0.2])
    if kind == 'cabinet':
        rgb = color(rng, 'wood', 'pale')
        hull = join(box((-w / 2, 0, 0), (w / 2, d, top), rgb, 'zZY'),
                    frame(-w / 2, w / 2, 0, d, top, w * 0.85, d * 0.8, rgb),
                    doors(rng, w, d, 0.08, top - 0.06, rgb))  # fmt: skip
        parts.append(Part('cabinet', hull))
    else:
        rgb = color(rng, 'pale')
        body = [parts[0].patches, round_body((0, d / 2), (w * 0.25, d * 0.25), top - 0.18, top, rgb,
                                             top=(w * 0.42, d * 0.4), lid=False)]  # fmt: skip
        if kind == 'pillar':
            body.append(round_body((0, d / 2), (0.1, 0.1), 0, top - 0.15, rgb, lid=False))
        parts = [Part('sink', join(*body))]
    return Piece(parts, w, d, top)


def frame(x0, x1, y0, y1, z, w, d, rgb) -> Patches:
    """A surface at height z with a centered rectangular hole of w by d."""
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    strips = [
        (x0, x - w / 2, y0, y1),
        (x + w / 2, x1, y0, y1),
        (x - w / 2, x + w / 2, y0, y - d / 2),
        (x - w / 2, x + w / 2, y + d / 2, y1),
    ]
    return join(*(sheets((a, c, z), (b - a, 0, 0), (0, e - c, 0), rgb) for a, b, c, e in strips))


def bathtub(rng: Rng) -> Piece:
    """Tub along the wall, with a curtain at its front."""
    w, d, top = rng.uniform(1.45, 1.7), rng.uniform(0.68, 0.8), rng.uniform(0.45, 0.6)
    rgb, x, edge = color(rng, 'pale', 'tile'), w / 2, 0.08
    body = join(box((-x, 0, 0), (x, d, top), rgb, 'zZ'),
                frame(-x, x, 0, d, top, w - 2 * edge, d - 2 * edge, rgb),
                box((-x + edge, edge, 0.14), (x - edge, d - edge, top), rgb, 'Z'))  # fmt: skip
    drawn, left = rng.uniform(0.4, 0.9) * w, rng.choice([True, False])
    start = -x if left else x - drawn
    cloth = folds(start, start + drawn, d - 0.03, rng.uniform(0.25, 0.45), rng.uniform(1.8, 2.0),
                  color(rng, 'cloth', 'sky'), rng.uniform(0.04, 0.08), 0.09)  # fmt: skip
    return Piece([Part('bathtub', body), Part('shower_curtain', cloth)], w, d, 2.0)


def counter(rng: Rng, sink: bool = True) -> Piece:
    """Kitchen line: cabinets, the worktop on them (the counter) and a sink let into it."""
    w, d, top = rng.uniform(1.5, 2.1), rng.uniform(0.55, 0.65), rng.uniform(0.86, 0.94)
    rgb, slab, x = color(rng, 'wood', 'pale'), color(rng, 'dark', 'dark', 'tile', 'metal'), w / 2
    hull = join(box((-x, 0.0, 0), (x, d - 0.04, top - 0.05), rgb, 'zZY'),
                doors(rng, w, d - 0.04, 0.1, top - 0.08, rgb))  # fmt: skip
    at = rng.uniform(-x + 0.4, x - 0.4)
    if sink:
        span = min(at + x, x - at)
        plate = [
            frame(at - span, at + span, 0, d, top, 0.46, 0.38, slab),
            sheets((-x, 0, top), (at - span + x, 0, 0), (0, d, 0), slab),
            sheets((at + span, 0, top), (x - at - span, 0, 0), (0, d, 0), slab),
        ]
    else:
        plate = [sheets((-x, 0, top), (w, 0, 0), (0, d, 0), slab)]
    plate += [box((-x, d - 0.01, top - 0.05), (x, d, top), slab),
              box((-x, 0, top), (x, 0.02, top + 0.1), slab)]  # fmt: skip
    parts = [Part('cabinet', hull), Part('counter', join(*plate))]
    if sink:
        parts.append(Part('sink', basin(rng, at, d / 2, top, 0.5, 0.42)))
    if rng.random() < 0.7:
        spot = -x + 0.25 if at > 0 else x - 0.25
        parts.append(Part('otherprop', trinket(rng, spot, d / 2, top)))
    if rng.random() < 0.7:  # wall cupboards
        tone = color(rng, 'wood', 'pale') if rng.random() < 0.3 else rgb
        low = rng.uniform(1.38, 1.5)
        upper = join(box((-x, 0, low), (x, 0.34, low + 0.6), tone, 'yYZ'),
                     doors(rng, w, 0.34, low, low + 0.6, tone))  # fmt: skip
        parts.append(Part('cabinet', upper))
    return Piece(parts, w, d, 2.0)


def refrigerator(rng: Rng) -> Piece:
    """Two compartments over each other, bar handles, in the colors of cabinets."""
    w, d, top = rng.uniform(0.58, 0.78), rng.uniform(0.6, 0.72), rng.uniform(1.45, 1.85)
    rgb, metal = color(rng, 'pale', 'pale', 'metal', 'metal'), color(rng, 'dark')
    seam, x, side = top * rng.uniform(0.58, 0.72), w / 2, rng.choice([-1, 1])
    handle = side * (x - 0.07)
    body = join(
        box((-x, 0, 0), (x, d - 0.06, top), rgb, 'zY'),
        box((-x, d - 0.06, 0.06), (x, d, seam - 0.01), rgb),
        box((-x, d - 0.06, seam + 0.01), (x, d, top), rgb),
        box((handle - 0.02, d, seam - 0.5), (handle + 0.02, d + 0.05, seam - 0.05), metal),
        box((handle - 0.02, d, seam + 0.05), (handle + 0.02, d + 0.05, seam + 0.35), metal),
    )
    return Piece([Part('refrigerator', body)], w, d, top)


def door(rng: Rng) -> tuple[Piece, float]:
    """Leaf in its frame, closed or ajar; also the height of the opening."""
    w, top = rng.uniform(0.76, 0.94), rng.uniform(1.95, 2.08)
    rgb, x = color(rng, 'wood', 'wood', 'wood', 'pale', 'plaster'), w / 2
    trim = [box((s * x - 0.03, 0, 0), (s * x + 0.03, 0.02, top), rgb, 'yzZ') for s in (-1, 1)]
    leaf = sheets((-x, -0.03, 0), (w, 0, 0), (0, 0, top), rgb)
    knob = box((x - 0.12, -0.02, 0.98), (x - 0.06, 0.04, 1.06), color(rng, 'metal', 'dark'))
    rails = [box((-x + 0.12, -0.03, z), (x - 0.12, -0.01, z + 0.05), rgb * 0.8, 'y')
             for z in (0.2, 0.95, 1.8)] if rng.random() < 0.5 else []  # fmt: skip
    body = join(leaf, knob, *rails)
    if rng.random() < 0.35:  # ajar: the leaf turns about its hinge at x = -w/2
        cos, sin = [(0.866025, 0.5), (0.5, 0.866025), (0.0, 1.0)][rng.integers(3)]
        body = body.lifted(x).moved(cos, sin, (-x, 0, 0))
    return Piece([Part('door', join(body, *trim))], w, 0.05, top), top


def window(rng: Rng) -> tuple[Piece, float, float]:
    """Pane behind bars; also the lower and upper edge of the opening. Glass is seen sparsely."""
    w, low, top = rng.uniform(0.7, 1.3), rng.uniform(0.75, 1.05), rng.uniform(1.75, 2.0)
    rgb, x, back = color(rng, 'pale', 'wood', 'dark'), w / 2, -rng.uniform(0.06, 0.14)
    bars = [box((p - 0.03, back, low), (p + 0.03, back + 0.04, top), rgb)
            for p in np.linspace(-x + 0.03, x - 0.03, rng.integers(2, 4))]  # fmt: skip
    bars += [box((-x, back, z), (x, back + 0.04, z + 0.06), rgb) for z in (low, top - 0.06)]
    sill = board(-x, x, back, 0.06, low - 0.03, low, rgb)
    pane = sheets((-x, back, low), (w, 0, 0), (0, 0, top - low), color(rng, 'sky', 'sky', 'dark'),
                  echo=0.45)  # fmt: skip
    return Piece([Part('window', join(pane, sill, *bars))], w, 0.06, top), low, top


def curtain(rng: Rng, span: float) -> Piece:
    """Cloth on one or both sides of a window of the given width."""
    wide, y = rng.uniform(0.25, 0.5), rng.uniform(0.07, 0.13)
    low, top = rng.choice([0.05, 0.6]) + rng.uniform(0, 0.1), rng.uniform(2.0, 2.15)
    rgb, x = color(rng, 'cloth', 'cloth', 'pale'), span / 2 + 0.12
    sides = [(-x, -x + wide), (x - wide, x)]
    if rng.random() < 0.3:
        sides = sides[:1] if rng.random() < 0.5 else sides[1:]
    cloth = join(*(folds(a, b, y, low, top, rgb, rng.uniform(0.04, 0.08), 0.09) for a, b in sides))
    return Piece([Part('curtain', cloth)], 2 * x, 0.2, top)


def picture(
    rng: Rng, name: str = 'picture', size: tuple[float, float] = (0.35, 0.95)
) -> tuple[Piece, float]:
    """Framed print (or a mirror or whiteboard of the same build), and its lower edge."""
    w, h = rng.uniform(*size), rng.uniform(0.35, 0.7)
    rgb, x, y = color(rng, 'wood', 'dark'), w / 2, rng.uniform(0.02, 0.05)
    inside = dict(picture=('any', 'cloth', 'sky'), mirror=('sky',)).get(name, ('pale',))
    low = rng.uniform(1.05, 1.45)
    body = [box((-x, 0, low), (x, y, low + h), rgb, 'y')]
    body.append(sheets((-x + 0.04, y + 0.005, low + 0.04), (w - 0.08, 0, 0), (0, 0, h / 2 - 0.04),
                       color(rng, *inside)))  # fmt: skip
    body.append(sheets((-x + 0.04, y + 0.005, low + h / 2), (w - 0.08, 0, 0), (0, 0, h / 2 - 0.04),
                       color(rng, *inside)))  # fmt: skip
    return Piece([Part(name, join(*body))], w, y, low + h), low


def towel(rng: Rng) -> Piece:
    """Towel on the wall: cloth like a curtain's, and no benchmark class."""
    w, low = rng.uniform(0.3, 0.55), rng.uniform(0.8, 1.0)
    cloth = folds(-w / 2, w / 2, 0.05, low, low + rng.uniform(0.45, 0.7),
                  color(rng, 'cloth', 'pale', 'any'), 0.03, 0.1)  # fmt: skip
    return Piece([Part('towel', cloth)], w, 0.1, 1.6)

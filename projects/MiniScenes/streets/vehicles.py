"""Builders of what drives: each draws one instance, ``builder(rng) -> list[Solid]``.

Frame of an instance: x forward, y left, z up from the road, the origin in the middle of its
footprint; meters. Paint decides how well a scanner sees a vehicle: dark ones give few echoes.
"""

from __future__ import annotations

import numpy as np

from .people import person
from .solids import Solid, ball, box, column

Rng = np.random.Generator
_RUBBER, _GLASS, _PLATE = 0.06, 0.12, 3.0


def _paint(rng: Rng) -> float:
    return float(rng.choice([0.04, 0.08, 0.2, 0.4, 0.55])) * rng.uniform(0.8, 1.2)


def _wheels(kind: str, x: tuple[float, ...], width: float, radius: float) -> list[Solid]:
    return [ball(kind, (at, side * (width / 2 - 0.12), radius), (radius, 0.12, radius), _RUBBER)
            for at in x for side in (-1, 1)]  # fmt: skip


def _plates(kind: str, length: float, z: float) -> list[Solid]:
    return [box(kind, x - 0.01, x + 0.01, -0.26, 0.26, z, z + 0.11, _PLATE)
            for x in (-length / 2, length / 2)]  # fmt: skip


def car(rng: Rng) -> list[Solid]:
    """Sedan, wagon or van: body, cabin with glass, roof, wheels and plates."""
    shape = rng.choice(['sedan', 'wagon', 'van'], p=[0.45, 0.4, 0.15])
    long, wide, high = rng.uniform(3.8, 4.9), rng.uniform(1.68, 1.88), rng.uniform(1.4, 1.6)
    if shape == 'van':
        long, wide, high = long + 0.4, wide + 0.12, rng.uniform(1.9, 2.4)
    paint, x, y = _paint(rng), long / 2, wide / 2
    waist = high * rng.uniform(0.56, 0.62)
    rear = dict(sedan=-0.30, wagon=-0.46, van=-0.49)[shape] * long
    front = rng.uniform(0.16, 0.24) * long + (0.1 * long if shape == 'van' else 0)
    lean = (0.55, 0.45 if shape == 'sedan' else 0.12, 0.16)
    cabin = box('car', rear, front, -y * 0.94, y * 0.94, waist, high - 0.06, _GLASS, lean=lean,
                echo=0.45)  # fmt: skip
    roof = box('car', rear + lean[1] * (front - rear) / 2, front - lean[0] * (front - rear) / 2,
               -y * 0.8, y * 0.8, high - 0.08, high, paint)  # fmt: skip
    body = box('car', -x, x, -y, y, 0.22, waist, paint, lean=(0.04, 0.04, 0.05))
    return [body, cabin, roof, *_wheels('car', (-0.3 * long, 0.31 * long), wide, 0.31),
            *_plates('car', long, 0.45)]  # fmt: skip


def truck(rng: Rng) -> list[Solid]:
    """Truck with a box or an open bed behind its cab."""
    long, wide, high = rng.uniform(6.0, 9.0), rng.uniform(2.3, 2.5), rng.uniform(2.9, 3.6)
    paint, cargo, x, y = _paint(rng), rng.uniform(0.2, 0.6), long / 2, wide / 2
    nose = x - rng.uniform(1.7, 2.1)
    top = high if rng.random() < 0.7 else 1.7
    return [box('truck', nose, x, -y, y, 0.5, 1.6, paint),
            box('truck', nose, x, -y, y, 1.6, 2.7, _GLASS, lean=(0.2, 0.0, 0.06), echo=0.7),
            box('truck', -x, nose - 0.15, -y, y, 1.0, top, cargo),
            box('truck', -x + 0.2, nose, -0.5, 0.5, 0.6, 1.0, 0.08),
            *_wheels('truck', (-x + 1.2, x - 1.2), wide, 0.48),
            *_plates('truck', long, 0.7)]  # fmt: skip


def trailer(rng: Rng) -> list[Solid]:
    """Parked trailer: a box or a flat bed with its drawbar."""
    long, wide = rng.uniform(2.6, 7.0), rng.uniform(1.7, 2.4)
    x, y, top = long / 2, wide / 2, rng.choice([0.9, 2.3, 2.9])
    return [box('trailer', -x, x * 0.75, -y, y, 0.55, top, rng.uniform(0.15, 0.5)),
            box('trailer', x * 0.75, x, -0.08, 0.08, 0.45, 0.58, 0.1),
            *_wheels('trailer', (-0.15 * long,), wide, 0.34)]  # fmt: skip


def road_train(rng: Rng) -> list[Solid]:
    """Truck that draws a trailer."""
    return [*truck(rng), *(part.placed(-8.6, 0, 0) for part in trailer(rng))]


def bus(rng: Rng) -> list[Solid]:
    """City bus, stiff or bendy, with a band of windows."""
    bendy = rng.random() < 0.3
    kind = 'bendy_bus' if bendy else 'bus'
    paint, y, high = rng.uniform(0.2, 0.6), 1.27, rng.uniform(2.9, 3.2)
    ends = [(-9.0, -0.6), (0.6, 9.0)] if bendy else [(-6.0, 6.0)]
    body = [box(kind, -0.7, 0.7, -1.1, 1.1, 0.5, 2.8, 0.05)] if bendy else []
    for low, top in ends:
        body += [box(kind, low, top, -y, y, 0.3, 1.25, paint),
                 box(kind, low, top, -y, y, 1.25, 2.4, _GLASS, echo=0.6),
                 box(kind, low, top, -y, y, 2.4, high, paint),
                 *_wheels(kind, (low + 1.6, top - 2.4), 2 * y, 0.48)]  # fmt: skip
    return body


def construction_vehicle(rng: Rng) -> list[Solid]:
    """Excavator: tracks, a turned house with its cab, a boom in two parts and a bucket."""
    kind, paint, reach = 'construction_vehicle', rng.uniform(0.3, 0.5), rng.uniform(2.6, 3.4)
    side = rng.choice([-1.0, 1.0])
    tracks = [box(kind, -1.5, 1.5, s * 0.85 - 0.25, s * 0.85 + 0.25, 0, 0.75, 0.1, lean=(0.3,) * 3)
              for s in (-1, 1)]  # fmt: skip
    return [*tracks, box(kind, -1.7, 1.0, -1.1, 1.1, 0.8, 1.7, paint),
            box(kind, -0.4, 0.9, side * 0.7 - 0.35, side * 0.7 + 0.35, 1.7, 2.8, _GLASS, echo=0.6),
            box(kind, 0.8, reach, -0.18, 0.18, 1.5, 3.4, paint, lean=(0.0, 1.2, 0.0)),
            box(kind, reach - 0.3, reach + 0.1, -0.15, 0.15, 0.7, 3.3, paint),
            box(kind, reach - 0.5, reach + 0.4, -0.5, 0.5, 0.05, 0.75, 0.12)]  # fmt: skip


def bicycle(rng: Rng, kind: str = 'bicycle') -> list[Solid]:
    """Bicycle: two wheels of spokes, frame, saddle, handlebar."""
    r, dark = rng.uniform(0.31, 0.36), rng.uniform(0.1, 0.35)
    wheels = [ball(kind, (x, 0, r), (r, 0.035, r), 0.2, density=9.0) for x in (-0.53, 0.53)]
    return [*wheels, box(kind, -0.45, 0.42, -0.03, 0.03, 0.42, 0.8, dark, density=12.0),
            box(kind, -0.35, -0.1, -0.08, 0.08, 0.88, 0.97, _RUBBER),
            box(kind, 0.33, 0.43, -0.29, 0.29, 0.95, 1.03, dark)]  # fmt: skip


def motorcycle(rng: Rng, kind: str = 'motorcycle') -> list[Solid]:
    """Motorcycle or scooter: wheels, engine and tank, seat, fork with lamp, handlebar."""
    r, paint = rng.uniform(0.27, 0.32), _paint(rng)
    wheels = [ball(kind, (x, 0, r), (r, 0.08, r), _RUBBER) for x in (-0.68, 0.68)]
    return [*wheels, box(kind, -0.55, 0.45, -0.2, 0.2, 0.3, 0.75, paint, lean=(0.3, 0.1, 0.3)),
            box(kind, -0.8, 0.05, -0.16, 0.16, 0.72, 0.85, _RUBBER),
            box(kind, 0.4, 0.7, -0.12, 0.12, 0.4, 1.05, paint, lean=(0.4, 0.0, 0.2)),
            box(kind, 0.38, 0.48, -0.37, 0.37, 0.98, 1.06, 0.15),
            box(kind, -0.96, -0.93, -0.12, 0.12, 0.5, 0.7, _PLATE)]  # fmt: skip


def bicyclist(rng: Rng) -> list[Solid]:
    """Bicycle and the person on it."""
    rider = person(rng, 'bicyclist', seated=True)
    return [*bicycle(rng, 'bicyclist'), *(part.placed(-0.15, 0, 0.35) for part in rider)]


def motorcyclist(rng: Rng) -> list[Solid]:
    """Motorcycle and the person on it, with a helmet."""
    rider = person(rng, 'motorcyclist', seated=True)
    return [*motorcycle(rng, 'motorcyclist'), *(part.placed(-0.25, 0, 0.25) for part in rider)]


def roof_rack() -> list[Solid]:
    """What a scanner on a roof sees of its own car: two bars, in the scanner's frame."""
    return [box('ego', 0.45, 0.65, -0.5, 0.5, -0.42, -0.33, 0.08),
            box('ego', -0.75, -0.6, -0.5, 0.5, -0.42, -0.33, 0.08),
            column('ego', -1.0, 0.3, -0.9, -0.5, 0.05, 0.1)]  # fmt: skip

"""Builders of what stands at a street: posts, plants, fences, houses, a building site's things.

Frame: x along the street, y away from the road, z up from the ground; meters.
"""

from __future__ import annotations

import numpy as np

from .solids import Solid, ball, box, column

Rng = np.random.Generator


def lamp(rng: Rng) -> list[Solid]:
    """Street lamp on a post, its arm over the road."""
    high, albedo = rng.uniform(4.5, 8.0), rng.uniform(0.15, 0.4)
    return [column('pole', 0, 0, 0, high, rng.uniform(0.06, 0.11), albedo),
            column('pole', 0, 0, 0, 0.7, 0.12, albedo),
            box('pole', -0.08, 0.08, -1.3, 0.05, high - 0.15, high, albedo)]  # fmt: skip


def bollard(rng: Rng) -> list[Solid]:
    """Short post."""
    return [column('pole', 0, 0, 0, rng.uniform(0.8, 1.1), 0.08, rng.uniform(0.15, 0.5))]


def traffic_sign(rng: Rng) -> list[Solid]:
    """One or two plates facing along the street on a post; plates are retro-reflective."""
    low, wide = rng.uniform(1.7, 2.3), rng.uniform(0.28, 0.4)
    plates = [box('traffic_sign', -0.05, -0.03, -wide, wide, low + 0.75 * i, low + 0.7 + 0.75 * i,
                  rng.uniform(1.2, 4.0)) for i in range(rng.integers(1, 3))]  # fmt: skip
    return [column('pole', 0, 0, 0, low + 0.8 * len(plates), 0.04, 0.3), *plates]


def traffic_light(rng: Rng) -> list[Solid]:
    """Three lamps in a case on a pole: SemanticKITTI counts all of it as pole."""
    return [column('pole', 0, 0, 0, 3.4, 0.08, 0.25),
            box('pole', -0.3, -0.1, -0.17, 0.17, 2.2, 3.2, 0.1)]  # fmt: skip


def sign_board(rng: Rng) -> list[Solid]:
    """Direction board on two posts."""
    low = rng.uniform(0.7, 1.4)
    posts = [column('pole', 0, y, 0, low + 1.0, 0.04, 0.3) for y in (-0.2, 1.2)]
    plate = box('traffic_sign', -0.06, -0.04, -0.4, 1.4, low, low + 1.0, rng.uniform(0.8, 3.0))
    return [*posts, plate]


def tree(rng: Rng) -> list[Solid]:
    """Trunk, a fork of boughs and a crown that rays partly cross."""
    high, radius = rng.uniform(1.4, 3.0), rng.uniform(0.1, 0.28)
    albedo = rng.uniform(0.25, 0.45)
    body = [column('trunk', 0, 0, 0, high, radius, albedo, lean=(0.25, 0, 0))]
    size = rng.uniform(1.5, 3.2)
    for _ in range(rng.integers(2, 5)):
        x, y = rng.uniform(-0.5, 0.5, 2) * size
        z = high + rng.uniform(0.3, 1.1) * size
        half = rng.uniform(0.6, 1.0, 3) * size
        body.append(ball('vegetation', (x, y, z), tuple(half), rng.uniform(0.35, 0.5),
                         density=rng.uniform(0.4, 1.0)))  # fmt: skip
        # The bough to this part of the crown: a thin leaning body.
        body.append(column('trunk', x / 2, y / 2, high - 0.3, z, radius * 0.45, albedo))
    return body


def bush(rng: Rng) -> list[Solid]:
    """One to three overlapping balls of leaves on the ground."""
    albedo, density = rng.uniform(0.35, 0.5), rng.uniform(1.5, 4.0)
    size = rng.uniform(0.5, 1.7)
    body = []
    for _ in range(rng.integers(1, 4)):
        center = rng.uniform(-1, 1) * size, rng.uniform(-0.5, 0.5) * size, size * 0.6
        half = tuple(size * rng.uniform(0.7, 1.1, 3))
        body.append(ball('vegetation', center, half, albedo, density=density))
    return body


def hedge(rng: Rng, length: float) -> list[Solid]:
    """Cut hedge along the street."""
    high, deep = rng.uniform(0.8, 2.4), rng.uniform(0.4, 0.8)
    return [box('vegetation', -length / 2, length / 2, -deep / 2, deep / 2, 0, high,
                rng.uniform(0.35, 0.5), density=rng.uniform(3.0, 6.0))]  # fmt: skip


def fence(rng: Rng, length: float) -> list[Solid]:
    """Fence of wires or pickets, which most rays cross, between posts."""
    high, albedo = rng.uniform(0.9, 1.7), rng.uniform(0.2, 0.45)
    posts = np.linspace(-length / 2, length / 2, max(2, int(length / 2.5)) + 1)
    panel = box('fence', -length / 2, length / 2, -0.03, 0.03, 0.1, high, albedo,
                density=rng.uniform(6.0, 25.0))  # fmt: skip
    return [panel, *(column('fence', x, 0, 0, high + 0.05, 0.05, albedo) for x in posts)]


def wall(rng: Rng, length: float) -> list[Solid]:
    """Low garden wall."""
    return [box('wall', -length / 2, length / 2, -0.12, 0.12, 0, rng.uniform(0.5, 1.6),
                rng.uniform(0.25, 0.45))]  # fmt: skip


def house(rng: Rng, width: float) -> list[Solid]:
    """House with a door's porch, glass in its face, bay and gable; its face is at y = 0."""
    deep, high = rng.uniform(9, 14), rng.uniform(4.5, 14.0)
    albedo, x = rng.uniform(0.28, 0.5), width / 2
    body = [box('building', -x, x, 0, deep, -0.5, high, albedo),
            box('building', -x, x, -0.3, deep + 0.3, high, high + rng.uniform(1.5, 4), 0.3,
                lean=(0.0, 0.0, 1.9))]  # fmt: skip
    for floor in range(int(high // 3)):
        for at in np.arange(-x + 1.5, x - 1.4, rng.uniform(2.4, 3.4)):
            z = 3 * floor + 1.0
            body.append(box('building', at - 0.55, at + 0.55, -0.04, 0.0, z, z + 1.3, 0.12,
                            echo=0.5))  # fmt: skip
    if rng.random() < 0.5:
        at = rng.uniform(-x + 1, x - 1)
        body.append(box('building', at - 1, at + 1, -rng.uniform(0.6, 1.4), 0, 0,
                        rng.uniform(2.4, high), albedo))  # fmt: skip
    return body


def bin_(rng: Rng) -> list[Solid]:
    """Rubbish bin on wheels."""
    x, y, high = rng.uniform(0.25, 0.6), rng.uniform(0.28, 0.45), rng.uniform(0.95, 1.3)
    return [box('bin', -x, x, -y, y, 0.05, high, rng.uniform(0.1, 0.4), lean=(-0.1, -0.1, -0.1))]


def bench(rng: Rng) -> list[Solid]:
    """Bench with its back to the houses."""
    feet = [box('bench', x - 0.04, x + 0.04, -0.2, 0.25, 0, 0.4, 0.2) for x in (-0.7, 0.7)]
    seat = box('bench', -0.8, 0.8, -0.2, 0.25, 0.4, 0.47, 0.3)
    return [seat, box('bench', -0.8, 0.8, 0.2, 0.26, 0.5, 0.85, 0.3), *feet]


def debris(rng: Rng) -> list[Solid]:
    """Sack, stone or board on the ground."""
    half = tuple(rng.uniform(0.15, 0.45, 3))
    return [ball('debris', (0, 0, half[2] * 0.6), half, rng.uniform(0.1, 0.5))]


def bicycle_rack(rng: Rng) -> list[Solid]:
    """Row of steel hoops."""
    count = int(rng.integers(3, 6))
    return [box('bicycle_rack', 0.7 * i - 0.03, 0.7 * i + 0.03, -0.4, 0.4, 0, 0.8, 0.4,
                density=10.0) for i in range(count)]  # fmt: skip


def cone(rng: Rng) -> list[Solid]:
    """Traffic cone with a reflecting collar on a square foot."""
    high = rng.uniform(0.5, 0.8)
    return [box('cone', -0.19, 0.19, -0.19, 0.19, 0, 0.05, 0.1),
            column('cone', 0, 0, 0.05, high, 0.15, 0.45, lean=(0.8, 0, 0)),
            column('cone', 0, 0, 0.45 * high, 0.7 * high, 0.1, 2.0, lean=(0.3, 0, 0))]  # fmt: skip


def barrier(rng: Rng, length: float = 2.0) -> list[Solid]:
    """Concrete or plastic road barrier, or a striped board on feet."""
    x = length / 2
    if rng.random() < 0.6:
        return [box('barrier', -x, x, -0.3, 0.3, 0, 0.3, 0.4, lean=(0, 0, 0.6)),
                box('barrier', -x, x, -0.12, 0.12, 0.3, rng.uniform(0.8, 1.0), 0.4)]  # fmt: skip
    feet = [box('barrier', at - 0.2, at + 0.2, -0.25, 0.25, 0, 0.12, 0.1)
            for at in (-0.8 * x, 0.8 * x)]  # fmt: skip
    return [*feet, box('barrier', -x, x, -0.03, 0.03, 0.2, 1.05, 1.3, density=40.0)]

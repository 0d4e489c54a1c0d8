"""Builders of people, in the frame of ``vehicles``."""

from __future__ import annotations

import numpy as np

from .solids import Solid, ball, box, column


def person(rng: np.random.Generator, kind: str = 'adult', seated: bool = False) -> list[Solid]:
    """A person walking, standing or, on a saddle, bent forward.

    Args:
        rng: Draws size, clothes and stride.
        kind: ``adult``, ``child`` or ``worker``, or the rider's kind.
        seated: Whether it rides.
    """
    tall = rng.uniform(1.05, 1.35) if kind == 'child' else rng.uniform(1.58, 1.88)
    legs, shirt, skin = rng.uniform(0.1, 0.4), rng.uniform(0.15, 0.6), 0.45
    if kind == 'worker':
        shirt = 1.6  # reflecting vest
    hip, neck, width = 0.48 * tall, 0.83 * tall, 0.13 * tall
    stride, lean = rng.uniform(0.05, 0.3), 0.18 if seated else 0.0
    thick = 0.055 * tall
    limbs = [column(kind, side * stride / 2, side * 0.09, 0.0, hip, thick, legs)
             for side in (-1, 1)]  # fmt: skip
    arms = [box(kind, -0.05 + (0.1 if seated else 0), 0.05 + (0.35 if seated else 0),
                side * width - 0.05, side * width + 0.05, hip if not seated else 0.68 * tall,
                0.8 * tall, shirt) for side in (-1, 1)]  # fmt: skip
    torso = ball(kind, (lean, 0, (hip + neck) / 2), (0.075 * tall + lean / 2, width,
                 (neck - hip) / 2 + 0.06), shirt)  # fmt: skip
    head = ball(kind, (1.5 * lean, 0, 0.92 * tall), (0.1, 0.085, 0.08 * tall), skin)
    return [*limbs, *arms, torso, head]

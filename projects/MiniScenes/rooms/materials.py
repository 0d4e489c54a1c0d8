"""Label ids of ScanNet's raw masks (NYU40) and the colors things are made of."""

from __future__ import annotations

import numpy as np

# Ids not among the 20 benchmark classes are clutter: ScanNetSegDataset maps them to "ignore".
NYU40 = dict(
    unlabeled=0, wall=1, floor=2, cabinet=3, bed=4, chair=5, sofa=6, table=7, door=8, window=9,
    bookshelf=10, picture=11, counter=12, desk=14, curtain=16, dresser=17, pillow=18, mirror=19,
    floor_mat=20, clothes=21, books=23, refrigerator=24, television=25, towel=27,
    shower_curtain=28, box=29, whiteboard=30, night_stand=32, toilet=33, sink=34, lamp=35,
    bathtub=36, bag=37, otherfurniture=39, otherprop=40,
)  # fmt: skip
CLASS_IDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)

# Families overlap on purpose: color alone must not tell a desk from a table.
_FAMILIES = dict(
    wood=[(0.55, 0.38, 0.22), (0.43, 0.28, 0.16), (0.68, 0.52, 0.34), (0.30, 0.20, 0.13)],
    pale=[(0.88, 0.86, 0.80), (0.82, 0.80, 0.76), (0.92, 0.91, 0.88)],
    plaster=[(0.86, 0.83, 0.76), (0.80, 0.81, 0.79), (0.78, 0.81, 0.85), (0.87, 0.82, 0.70),
             (0.78, 0.72, 0.64)],
    metal=[(0.62, 0.63, 0.65), (0.45, 0.46, 0.48)],
    dark=[(0.16, 0.15, 0.15), (0.24, 0.22, 0.21), (0.20, 0.22, 0.28)],
    cloth=[(0.45, 0.18, 0.18), (0.22, 0.30, 0.45), (0.42, 0.42, 0.40), (0.56, 0.50, 0.38),
           (0.28, 0.36, 0.25), (0.62, 0.60, 0.62)],
    tile=[(0.70, 0.68, 0.64), (0.58, 0.55, 0.52), (0.80, 0.79, 0.77)],
    sky=[(0.45, 0.62, 0.85), (0.35, 0.45, 0.60), (0.62, 0.76, 0.90)],
)  # fmt: skip


def color(rng: np.random.Generator, *families: str) -> np.ndarray:
    """Draw the color of one instance from one of some families; ``any`` is any color.

    Example:
        >>> color(np.random.default_rng(0), 'wood', 'dark').shape
        (3,)
    """
    family = families[rng.integers(len(families))]
    if family == 'any':
        return rng.uniform(0.1, 0.9, 3)
    shades = _FAMILIES[family]
    base = np.array(shades[rng.integers(len(shades))])
    return (base * rng.uniform(0.85, 1.15) + rng.uniform(-0.04, 0.04, 3)).clip(0.03, 0.98)

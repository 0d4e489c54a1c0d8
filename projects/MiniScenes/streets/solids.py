"""Convex solids that rays are cast against: hulls, cylinders, ellipsoids, each in a unit frame.

An affine map does not change a ray's parameter, so every solid is met as the unit cube, cylinder or
ball it is the image of. Letters: r rays, S solids. Lengths in meters, z up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

OPAQUE = np.inf


class Solid(NamedTuple):
    """One convex body, and what it is.

    Args:
        kind: Name in ``kinds.KINDS``.
        shape: ``hull`` (a box whose sides may lean), ``cylinder`` (upright) or ``ellipsoid``.
        center: (x, y, z) of its bounding box.
        half: Half extents along its own axes.
        heading: (cos, sin) of its own x axis.
        albedo: What share of the light comes back at right angles; above 1 retro-reflective.
        lean: How far the top's edge draws in, in half extents: front, rear, sides of a hull,
            the first for a cylinder (1 is a cone).
        density: Echoes per meter inside: finite for foliage, which a ray may cross.
        echo: Share of the hits that give an echo: less for glass.
        instance: Number of the thing it belongs to, 0 for none.
        moving: Whether the thing moves.
    """

    kind: str
    shape: str
    center: tuple[float, float, float]
    half: tuple[float, float, float]
    heading: tuple[float, float] = (1.0, 0.0)
    albedo: float = 0.3
    lean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    density: float = OPAQUE
    echo: float = 1.0
    instance: int = 0
    moving: bool = False

    def placed(self, x: float, y: float, z: float, heading: tuple[float, float] = (1.0, 0.0),
               **changes) -> Solid:  # fmt: skip
        """The solid turned about the z axis, then shifted."""
        (cos, sin), (a, b, c), (e, f) = heading, self.center, self.heading
        center = (x + cos * a - sin * b, y + sin * a + cos * b, z + c)
        return self._replace(center=center, heading=(cos * e - sin * f, sin * e + cos * f),
                             **changes)  # fmt: skip


def box(kind: str, x0: float, x1: float, y0: float, y1: float, z0: float, z1: float,
        albedo: float = 0.3, **more) -> Solid:  # fmt: skip
    """A hull from its ranges."""
    center = ((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2)
    half = ((x1 - x0) / 2, (y1 - y0) / 2, (z1 - z0) / 2)
    return Solid(kind, 'hull', center, half, albedo=albedo, **more)


def column(kind: str, x: float, y: float, z0: float, z1: float, radius: float,
           albedo: float = 0.3, **more) -> Solid:  # fmt: skip
    """An upright cylinder."""
    return Solid(kind, 'cylinder', (x, y, (z0 + z1) / 2), (radius, radius, (z1 - z0) / 2),
                 albedo=albedo, **more)  # fmt: skip


def ball(kind: str, center: tuple[float, float, float], half: tuple[float, float, float],
         albedo: float = 0.3, **more) -> Solid:  # fmt: skip
    """An ellipsoid."""
    return Solid(kind, 'ellipsoid', center, half, albedo=albedo, **more)


def crossing(solid: Solid, origin: np.ndarray, rays: np.ndarray
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Where rays enter and leave a solid.

    Args:
        solid: The body.
        origin: (3,) where all rays start.
        rays: (3, r) unit vectors.

    Returns:
        Distances of entry and exit (r,), entry > exit for a miss, and the cosine between the ray
        and the surface's normal at the entry (r,), 0 to 1.
    """
    cos, sin = solid.heading
    a, b, c = solid.half
    x, y, z = (float(o) - m for o, m in zip(origin, solid.center))
    start = ((cos * x + sin * y) / a, (cos * y - sin * x) / b, z / c)
    way = ((cos * rays[0] + sin * rays[1]) / a, (cos * rays[1] - sin * rays[0]) / b, rays[2] / c)
    return _SHAPES[solid.shape](start, way, solid.half, solid.lean)


def _hull(start, way, half, lean):
    """Six half spaces ``n . p <= h``; the last one entered gives the normal."""
    front, rear, side = (value / 2 for value in lean)
    planes = [((1, 0, front), 1 - front), ((-1, 0, rear), 1 - rear), ((0, 1, side), 1 - side),
              ((0, -1, side), 1 - side), ((0, 0, 1), 1), ((0, 0, -1), 1)]  # fmt: skip
    enter, leave = np.full(way[0].shape, -np.inf), np.full(way[0].shape, np.inf)
    slope = np.zeros(way[0].shape)
    for normal, level in planes:
        gap = level - sum(n * s for n, s in zip(normal, start))
        speed = sum(n * w for n, w in zip(normal, way) if n)
        length = np.sqrt(sum((n / h) ** 2 for n, h in zip(normal, half)))
        meets = gap / np.where(speed == 0, 1e-12, speed)
        inward = speed < 0
        later = inward & (meets > enter)
        enter = np.where(later, meets, enter)
        slope = np.where(later, -speed / length, slope)
        leave = np.where(inward, leave, np.minimum(leave, meets))
    return enter, leave, slope.clip(0, 1)


def _ball(start, way, half, lean):
    """Quadratic ``|start + t way| = 1``."""
    a, b = sum(w * w for w in way), sum(s * w for s, w in zip(start, way))
    root = b * b - a * (sum(s * s for s in start) - 1)
    miss = root < 0
    root = np.sqrt(np.where(miss, 0, root))
    enter, leave = (-b - root) / a, (-b + root) / a
    length = np.sqrt(sum(((s + enter * w) / h) ** 2 for s, w, h in zip(start, way, half)))
    return np.where(miss, np.inf, enter), np.where(miss, -np.inf, leave), (root / length).clip(0, 1)


def _cylinder(start, way, half, lean):
    """Quadratic of the mantle ``x^2 + y^2 = (p - q z)^2``, cut by the two lids."""
    q = lean[0] / 2
    p = 1 - q
    (x, y, z), (u, v, w) = start, way
    edge = p - q * z
    a, b = u * u + v * v - (q * w) ** 2, x * u + y * v + q * w * edge
    root = b * b - a * (x * x + y * y - edge**2)
    miss = (root < 0) | (a <= 0)  # a <= 0: steeper than the cone, which no scanner's ray is
    a, root = np.where(miss, 1, a), np.sqrt(np.where(miss, 0, root))
    enter, leave = (-b - root) / a, (-b + root) / a
    w_safe = np.where(w == 0, 1e-12, w)
    low, high = (-1 - z) / w_safe, (1 - z) / w_safe
    low, high = np.minimum(low, high), np.maximum(low, high)
    length = np.abs(p - q * (z + enter * w)) * np.sqrt(half[0] ** -2 + (q / half[2]) ** 2)
    slope = np.where(low > enter, np.abs(w) * half[2], root / np.maximum(length, 1e-9))
    enter, leave = np.maximum(enter, low), np.minimum(leave, high)
    return np.where(miss, np.inf, enter), np.where(miss, -np.inf, leave), slope.clip(0, 1)


_SHAPES = dict(hull=_hull, cylinder=_cylinder, ellipsoid=_ball)


def corners(solids: list[Solid]) -> np.ndarray:
    """(S, 8, 3) corners of the bounding boxes."""
    center = np.array([solid.center for solid in solids]).reshape(-1, 1, 3)
    half = np.array([solid.half for solid in solids]).reshape(-1, 1, 3)
    cos, sin = np.array([solid.heading for solid in solids]).reshape(-1, 2).T[..., None]
    sign = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    x, y, z = np.moveaxis(half * sign, 2, 0)
    return center + np.stack([cos * x - sin * y, sin * x + cos * y, z], 2)

"""Surfaces made of flat patches, the only primitive of the procedural rooms.

Everything is a parallelogram or a triangle, so that sampling is one vectorized formula without
trigonometry: points come out equal on every platform.

Shape letters: P patches, n points. Lengths in meters, colors 0..1, z up.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

# Corners of a circle; rounded, because the last digit of a cosine depends on the platform.
_ANGLES = np.arange(12) * (np.pi / 6)
_CIRCLE = np.round(np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1), 6)  # (12, 2)
_R2 = np.array([0.7548776662466927, 0.5698402909980532])  # low-discrepancy sequence in the square


@dataclass(frozen=True, eq=False)
class Patches:
    """P flat patches: ``origin + s u + t v`` for s, t in [0, 1].

    Args:
        origin: (P, 3) a corner.
        u: (P, 3) first edge.
        v: (P, 3) second edge.
        folded: (P,) bool, whether the patch is the triangle s + t <= 1 only.
        rgb: (P, 3) color.
        echo: (P,) how readily a depth camera sees the material: 1, less for glass.
    """

    origin: np.ndarray
    u: np.ndarray
    v: np.ndarray
    folded: np.ndarray
    rgb: np.ndarray
    echo: np.ndarray

    def __len__(self) -> int:
        return len(self.origin)

    def moved(self, cos: float, sin: float, offset: tuple[float, float, float]) -> Patches:
        """The patches turned about the z axis and then shifted."""

        def turned(vector: np.ndarray) -> np.ndarray:
            x, y, z = vector.T
            return np.stack([cos * x - sin * y, sin * x + cos * y, z], 1)

        return replace(
            self, origin=turned(self.origin) + offset, u=turned(self.u), v=turned(self.v)
        )

    def lifted(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Patches:
        """The patches shifted."""
        return replace(self, origin=self.origin + (x, y, z))

    def normal(self) -> np.ndarray:
        """(P, 3) vectors across the patches, as long as a parallelogram's area."""
        return np.cross(self.u, self.v)

    def sample(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Spread points evenly over the patches.

        Returns:
            Points (count, 3) and the patch of each (count,).
        """
        x, y, z = self.normal().T
        area = np.sqrt(x * x + y * y + z * z) * np.where(self.folded, 0.5, 1.0)
        reach = np.cumsum(area)
        steps = (np.arange(count) + rng.random()) * (reach[-1] / count)
        row = np.searchsorted(reach, steps, side='right').clip(max=len(self) - 1)  # (n,)
        st = (np.arange(count)[:, None] * _R2 + rng.random((count, 2)) * 0.2) % 1.0  # (n, 2)
        over = self.folded[row] & (st.sum(1) > 1)
        st[over] = 1 - st[over]
        points = self.origin[row] + st[:, :1] * self.u[row] + st[:, 1:] * self.v[row]
        return points, row


def join(*patches: Patches) -> Patches:
    """All patches in one."""
    names = [field.name for field in fields(Patches)]
    return Patches(*(np.concatenate([getattr(p, name) for p in patches]) for name in names))


def sheets(origin, u, v, rgb, folded: bool = False, echo: float = 1.0) -> Patches:
    """Parallelograms (or triangles) from corners and edges that broadcast to (P, 3)."""
    origin, u, v, rgb = np.broadcast_arrays(*map(np.atleast_2d, (origin, u, v, rgb)))
    size = len(origin)
    arrays = (np.array(array, float) for array in (origin, u, v, rgb))
    origin, u, v, rgb = arrays
    return Patches(origin, u, v, np.full(size, folded), rgb, np.full(size, float(echo)))


def box(low, high, rgb, without: str = '') -> Patches:
    """An axis-aligned box.

    Args:
        low: Least corner.
        high: Greatest corner.
        rgb: Color.
        without: Faces to leave out, of ``xyzXYZ`` (lower case: the face at ``low``).
    """
    low, high = np.minimum(low, high), np.maximum(low, high)
    x, y, z = np.diag(high - low)
    sides = dict(x=(low, y, z), y=(low, x, z), z=(low, x, y), X=(high, -y, -z), Y=(high, -x, -z),
                 Z=(high, -x, -y))  # fmt: skip
    origin, u, v = zip(*(side for name, side in sides.items() if name not in without))
    return sheets(origin, u, v, rgb)


def board(x0, x1, y0, y1, z0, z1, rgb) -> Patches:
    """A box given by its ranges, without the underside nobody sees."""
    return box((x0, y0, z0), (x1, y1, z1), rgb, without='z')


def legs(x0, x1, y0, y1, height, thick, rgb) -> Patches:
    """Four square posts under the corners of a rectangle."""
    corners = [(x, y) for x in (x0, x1 - thick) for y in (y0, y1 - thick)]
    return join(*(box((x, y, 0), (x + thick, y + thick, height), rgb, 'zZ') for x, y in corners))


def round_body(center, radii, z0, z1, rgb, top=None, lid: bool = True) -> Patches:
    """A twelve-sided column, possibly tapered.

    Args:
        center: (x, y) of the axis.
        radii: Half axes (a, b) at ``z0``.
        z0: Lower end.
        z1: Upper end.
        rgb: Color.
        top: Half axes at ``z1``, by default ``radii``.
        lid: Whether it is closed at ``z1``.
    """
    middle = np.array([*center, 0.0])
    low = np.c_[_CIRCLE * radii, np.full(12, z0)] + middle  # (12, 3)
    high = np.c_[_CIRCLE * (top or radii), np.full(12, z1)] + middle
    low_next, high_next = np.roll(low, -1, 0), np.roll(high, -1, 0)
    parts = [
        sheets(low, low_next - low, high - low, rgb, folded=True),
        sheets(high_next, high - high_next, low_next - high_next, rgb, folded=True),
    ]
    if lid:
        peak = middle + (0, 0, z1)
        parts.append(sheets(peak, high - peak, high_next - peak, rgb, folded=True))
    return join(*parts)


def folds(x0, x1, y, z0, z1, rgb, depth: float, pitch: float) -> Patches:
    """A sheet of cloth hanging in folds along x.

    Args:
        x0: Left end.
        x1: Right end.
        y: Middle of the folds.
        z0: Hem.
        z1: Upper edge.
        rgb: Color.
        depth: From crest to crest across, meters.
        pitch: Length of half a fold.
    """
    count = max(2, int((x1 - x0) / pitch))
    x = np.linspace(x0, x1, count + 1)
    zigzag = y + depth * (np.arange(count + 1) % 2 - 0.5)
    edge = np.stack([x, zigzag, np.full(count + 1, z0)], 1)  # (count + 1, 3)
    return sheets(edge[:-1], edge[1:] - edge[:-1], (0.0, 0.0, z1 - z0), rgb)

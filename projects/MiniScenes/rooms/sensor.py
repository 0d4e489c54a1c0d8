"""What a hand-held depth camera sees of a room: occlusion, range, noise, light.

Shape letters: n points sampled on surfaces, k cameras.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_CELLS = 36  # depth buffer: cells along an edge of the cube around the camera, 2.5 degrees each
_RANGE = 2.4  # meters at which half of the points are lost
_VIEW = 0.45  # cosine of half the field of view


class Trajectory(NamedTuple):
    """Camera positions and where they look, both (k, 3) meters."""

    eye: np.ndarray
    target: np.ndarray


def walk(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, stops: int) -> Trajectory:
    """Draw camera stops within a room; the cameras look down a little, across the room."""
    size = high - low
    eye = low + size * rng.uniform(0.2, 0.8, (stops, 3))
    eye[:, 2] = low[2] + rng.uniform(1.2, 1.75, stops)
    target = low + size * rng.uniform(0.0, 1.0, (stops, 3))
    # Opposite sides in turn, so that a walk covers most of the room and leaves holes.
    side = np.arange(stops) % 4
    target[:, 0] = np.where(side == 0, low[0], np.where(side == 2, high[0], target[:, 0]))
    target[:, 1] = np.where(side == 1, low[1], np.where(side == 3, high[1], target[:, 1]))
    target[:, 2] = low[2] + rng.uniform(0.2, 1.1, stops)
    return Trajectory(eye, target)


def exposure(points: np.ndarray, normals: np.ndarray, path: Trajectory) -> np.ndarray:
    """How well each point is seen over all stops.

    A stop sees a point in its field of view that no other point hides in its depth buffer; it
    counts by slant and range.

    Args:
        points: (n, 3).
        normals: (n, 3) unit vectors of the surfaces, of either sign.
        path: Stops of the camera.

    Returns:
        (n,) weights >= 0; zero where no stop sees the point.
    """
    total = np.zeros(len(points))
    for eye, target in zip(path.eye, path.target):
        x, y, z = (points - eye).T
        distance = np.sqrt(x * x + y * y + z * z)
        a, b, c = (target - eye) / np.sqrt(((target - eye) ** 2).sum())
        in_view = a * x + b * y + c * z > _VIEW * distance
        slant = np.abs(x * normals[:, 0] + y * normals[:, 1] + z * normals[:, 2]) / distance
        seen = in_view & ~_hidden(np.stack([x, y, z], 1), distance, slant)
        total += seen * (0.15 + slant) / (1 + (distance / _RANGE) ** 2)
    return total


def _hidden(ray: np.ndarray, distance: np.ndarray, slant: np.ndarray) -> np.ndarray:
    """Whether something nearer lies in the same cell of a cube around the camera.

    Within a cell the depth of one surface varies by the tangent of its slant: that much is allowed,
    so that a wall seen head on is hidden by the picture on it, and a floor does not hide itself.
    """
    size = np.abs(ray)
    axis = size.argmax(1)
    rows = np.arange(len(ray))
    depth = size[rows, axis]
    across = ray / depth[:, None]  # (n, 3), the two others within -1..1
    cell = ((across + 1) * (_CELLS / 2)).astype(np.int64).clip(0, _CELLS - 1)
    face = axis * 2 + (ray[rows, axis] > 0)
    one, two = cell[rows, (axis + 1) % 3], cell[rows, (axis + 2) % 3]
    key = (face * _CELLS + one) * _CELLS + two
    nearest = np.full(6 * _CELLS * _CELLS, np.inf)
    np.minimum.at(nearest, key, distance)
    across_cell = distance * (2.0 / _CELLS)
    tangent = np.sqrt((1 - slant * slant).clip(0.0)) / slant.clip(0.2)
    return distance > nearest[key] + 0.012 + across_cell * tangent


def choose(rng: np.random.Generator, weight: np.ndarray, count: int) -> np.ndarray:
    """Rows drawn without replacement, likelier with larger weight; sorted.

    Sequential Poisson sampling: the ``count`` least values of uniform / weight.

    Example:
        >>> choose(np.random.default_rng(0), np.array([0.0, 1.0, 2.0]), 2)
        array([1, 2])
    """
    with np.errstate(divide='ignore'):
        rank = np.where(weight > 0, (rng.random(len(weight)) + 1e-9) / weight, np.inf)
    kept = np.argsort(rank, kind='stable')[:count]
    return np.sort(kept[np.isfinite(rank[kept])])


def bell(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Noise of variance 1, nearly normal, from sums alone: equal on every platform."""
    return (sum(rng.random(shape) for _ in range(4)) - 2.0) * np.sqrt(3.0)


def depth_noise(rng: np.random.Generator, points: np.ndarray, path: Trajectory) -> np.ndarray:
    """Shift points along the ray of their nearest stop, more from far away (meters)."""
    offset = points[:, None] - path.eye  # (n, k, 3)
    square = (offset * offset).sum(2)
    nearest = square.argmin(1)
    rows = np.arange(len(points))
    distance = np.sqrt(square[rows, nearest])[:, None]
    ray = offset[rows, nearest] / distance
    spread = 0.004 + 0.0025 * distance * distance
    return points + ray * spread * bell(rng, len(points), 1) + 0.002 * bell(rng, len(points), 3)


def light(rng: np.random.Generator, rgb: np.ndarray, points: np.ndarray, normals: np.ndarray
          ) -> np.ndarray:  # fmt: skip
    """Colors as a camera records them.

    One lamp under the ceiling shades by slant and distance, corners near the floor are darker; each
    scan has its own exposure and white balance; pixels are noisy.

    Args:
        rng: Draws the lamp, the camera's settings and the noise.
        rgb: (n, 3) colors of the materials, 0..1.
        points: (n, 3) in the room.
        normals: (n, 3) unit vectors.

    Returns:
        (n, 3) colors, whole numbers 0..255.
    """
    low, high = points.min(0), points.max(0)
    lamp = low + (high - low) * (*rng.uniform(0.25, 0.75, 2), 1.1)
    x, y, z = (lamp - points).T
    square = x * x + y * y + z * z
    slant = np.abs(x * normals[:, 0] + y * normals[:, 1] + z * normals[:, 2]) / np.sqrt(square)
    shade = (0.7 + 0.3 * slant) * (1.1 - 0.03 * square.clip(max=9.0))
    shade = shade * (0.82 + 0.18 * ((points[:, 2] - low[2]) / 0.4).clip(0, 1))
    camera = rng.uniform(0.9, 1.1) * rng.uniform(0.96, 1.04, 3)
    seen = rgb * shade[:, None] * camera + 0.025 * bell(rng, *rgb.shape)
    return np.rint(seen.clip(0, 1) * 255)

"""One scan of one procedural room, from numbers alone.

A room is drawn from (seed, room), a scan of it from (seed, room, scan): a second scan shows the
same room from other places. Letters: n points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .materials import NYU40
from .rooms import KINDS, furnish
from .sensor import choose, depth_noise, exposure, light, walk
from .surfaces import join

_CANDIDATES = 5  # points sampled for each one kept: most lie hidden
_HOLES = 2  # patches an annotator overlooked


class Scan(NamedTuple):
    """A labeled point cloud as ScanNet stores it.

    Args:
        points: (n, 6) float32: x, y, z in meters, whole millimeters; red, green, blue 0..255.
        semantic: (n,) int64 NYU40 ids, 0 unlabeled.
        instance: (n,) int64 ids from 1, 0 unlabeled.
        axis_align_matrix: (4, 4) float64, turns the scan's axes into the room's.
    """

    points: np.ndarray
    semantic: np.ndarray
    instance: np.ndarray
    axis_align_matrix: np.ndarray


def room_kind(seed: int, room: int) -> str:
    """Kind of a room: every five rooms are one of each, in drawn order."""
    block, place = divmod(room, len(KINDS))
    return KINDS[np.random.default_rng([seed, block, 1]).permutation(len(KINDS))[place]]


def make_scan(seed: int, room: int, scan: int = 0, points: int = 12_000) -> Scan:
    """Build a room and scan it.

    Args:
        seed: Of the whole data set.
        room: Number of the room.
        scan: Number of the scan in the room.
        points: About how many points a scan has; each has 0.8 to 1.2 times as many.

    Example:
        >>> scan = make_scan(seed=0, room=3, points=2000)
        >>> scan.points.shape[1], scan.points.dtype, len(scan.points) == len(scan.semantic)
        (6, dtype('float32'), True)
    """
    parts = furnish(np.random.default_rng([seed, room, 2]), room_kind(seed, room))
    rng = np.random.default_rng([seed, room, 3, scan])
    names = np.array([NYU40[part.name] for part in parts])
    sizes = [len(part.patches) for part in parts]
    patches = join(*(part.patches for part in parts))
    owner = np.repeat(np.arange(len(parts)), sizes)  # part of each patch

    wanted = int(points * rng.uniform(0.8, 1.2))
    xyz, patch = patches.sample(rng, wanted * _CANDIDATES)
    across = patches.normal()
    across = across / np.sqrt((across * across).sum(1, keepdims=True)).clip(1e-12)
    low, high = xyz.min(0), xyz.max(0)
    path = walk(rng, low, high, stops=int(rng.integers(5, 8)))
    weight = exposure(xyz, across[patch], path) * patches.echo[patch]
    kept = choose(rng, np.minimum(weight, 1.2), wanted)
    xyz, patch = xyz[kept], patch[kept]

    rgb = light(rng, patches.rgb[patch], xyz, across[patch])
    xyz = depth_noise(rng, xyz, path)
    part = owner[patch]
    semantic, instance = names[part], part + 1
    overlooked = _overlooked(rng, xyz)
    semantic, instance = np.where(overlooked, 0, semantic), np.where(overlooked, 0, instance)

    xyz, align = _own_axes(rng, xyz, (low + high) / 2)
    order = rng.permutation(len(xyz))
    cloud = np.concatenate([np.round(xyz, 3), rgb], 1).astype(np.float32)
    return Scan(cloud[order], semantic[order].astype(np.int64), instance[order].astype(np.int64),
                align)  # fmt: skip


def _overlooked(rng: np.random.Generator, xyz: np.ndarray) -> np.ndarray:
    """Points without a label: a few spots and one point in a hundred."""
    missing = rng.random(len(xyz)) < 0.01
    for center in xyz[rng.integers(len(xyz), size=_HOLES)]:
        offset = xyz - center
        missing |= (offset * offset).sum(1) < rng.uniform(0.1, 0.25) ** 2
    return missing


def _own_axes(rng: np.random.Generator, xyz: np.ndarray, middle: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Give a scan its own origin and heading; returns it and the matrix back to the room."""
    tangent = rng.uniform(-0.15, 0.15)
    cos = 1 / np.sqrt(1 + tangent * tangent)
    sin = tangent * cos
    shift = rng.uniform(-0.3, 0.3, 3) * (1, 1, 0.1)
    x, y, z = (xyz - (middle[0], middle[1], 0)).T
    turned = np.stack([cos * x - sin * y, sin * x + cos * y, z], 1) + shift
    back = np.eye(4)
    back[:2, :2] = [[cos, sin], [-sin, cos]]
    back[:2, 3] = [-cos * shift[0] - sin * shift[1], sin * shift[0] - cos * shift[1]]
    back[2, 3] = -shift[2]
    return turned, back

"""Label ids of SemanticKITTI and nuScenes-lidarseg for everything in a procedural street.

Ids as published: SemanticKITTI's ``semantic-kitti.yaml`` (Behley et al., ICCV 2019) and the 32
categories of nuScenes-lidarseg (Fong et al., RA-L 2022).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Kind(NamedTuple):
    """One sort of thing.

    Args:
        kitti: SemanticKITTI id at rest.
        moving: SemanticKITTI id in motion.
        nuscenes: nuScenes-lidarseg id.
        thing: Whether SemanticKITTI numbers its instances.
    """

    kitti: int
    moving: int
    nuscenes: int
    thing: bool = False


def _stuff(kitti: int, nuscenes: int) -> Kind:
    return Kind(kitti, kitti, nuscenes)


KINDS = dict(
    unlabeled=_stuff(0, 0), outlier=_stuff(1, 0),
    car=Kind(10, 252, 17, True), truck=Kind(18, 258, 23, True),
    bus=Kind(13, 257, 16, True), bendy_bus=Kind(13, 257, 15, True),
    trailer=Kind(20, 259, 22, True), construction_vehicle=Kind(20, 259, 18, True),
    bicycle=Kind(11, 11, 14, True), motorcycle=Kind(15, 15, 21, True),
    bicyclist=Kind(31, 253, 14, True), motorcyclist=Kind(32, 255, 21, True),
    adult=Kind(30, 254, 2, True), child=Kind(30, 254, 3, True), worker=Kind(30, 254, 4, True),
    road=_stuff(40, 24), lane_marking=_stuff(60, 24), parking=_stuff(44, 24),
    sidewalk=_stuff(48, 26), other_ground=_stuff(49, 25), terrain=_stuff(72, 27),
    building=_stuff(50, 28), fence=_stuff(51, 28), wall=_stuff(52, 28),
    pole=_stuff(80, 28), traffic_sign=_stuff(81, 28),
    vegetation=_stuff(70, 30), trunk=_stuff(71, 30),
    barrier=_stuff(99, 9), cone=_stuff(99, 12), bin=_stuff(99, 11), debris=_stuff(99, 10),
    bicycle_rack=_stuff(99, 13), bench=_stuff(99, 29), ego=_stuff(1, 31),
)  # fmt: skip
NAMES = tuple(KINDS)
ID = {name: number for number, name in enumerate(NAMES)}  # a scan's own ids, rows of the tables
_THING = np.array([kind.thing for kind in KINDS.values()])
_KITTI = np.array([[kind.kitti, kind.moving] for kind in KINDS.values()], np.uint32)
_NUSCENES = np.array([kind.nuscenes for kind in KINDS.values()], np.uint8)


def semantickitti_labels(kind: np.ndarray, moving: np.ndarray, instance: np.ndarray) -> np.ndarray:
    """Labels as SemanticKITTI stores them.

    Args:
        kind: (n,) rows of ``KINDS``.
        moving: (n,) bool.
        instance: (n,) 0 to 65535.

    Returns:
        (n,) uint32: semantic id in the lower 16 bits, the instance of things in the upper ones.

    Example:
        >>> label = semantickitti_labels(np.array([ID['car']]), np.array([True]), np.array([7]))
        >>> int(label[0]) & 0xFFFF, int(label[0]) >> 16
        (252, 7)
    """
    upper = np.where(_THING[kind], instance, 0).astype(np.uint32) << np.uint32(16)
    return _KITTI[kind, moving.astype(int)] | upper


def nuscenes_labels(kind: np.ndarray) -> np.ndarray:
    """(n,) uint8 raw lidarseg ids of rows of ``KINDS`` (n,)."""
    return _NUSCENES[kind]

"""Kinds of things carry the published ids of both data sets."""

import numpy as np

from projects.MiniScenes.streets.kinds import (
    ID,
    KINDS,
    nuscenes_labels,
    semantickitti_labels,
)

# The keys of learning_map in semantic-kitti.yaml.
SEMANTICKITTI = {0, 1, 10, 11, 13, 15, 16, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 52, 60, 70,
                 71, 72, 80, 81, 99, 252, 253, 254, 255, 256, 257, 258, 259}  # fmt: skip


def test_every_id_is_one_of_the_data_sets():
    for kind in KINDS.values():
        assert {kind.kitti, kind.moving} <= SEMANTICKITTI and 0 <= kind.nuscenes <= 31


def test_moving_things_have_their_own_ids_and_stuff_has_no_instances():
    kind = np.array([ID[name] for name in ('car', 'car', 'bicyclist', 'road', 'bus')])
    moving = np.array([False, True, True, False, True])
    label = semantickitti_labels(kind, moving, np.array([5, 6, 65535, 8, 9]))
    assert label.dtype == np.uint32
    assert (label & 0xFFFF).tolist() == [10, 252, 253, 40, 257]
    assert (label >> 16).tolist() == [5, 6, 65535, 0, 9]


def test_nuscenes_counts_riders_as_their_vehicles():
    kind = np.array([ID[name] for name in ('bicycle', 'bicyclist', 'cone', 'bendy_bus', 'ego')])
    label = nuscenes_labels(kind)
    assert label.dtype == np.uint8 and label.tolist() == [14, 14, 12, 15, 31]


def test_all_classes_of_both_data_sets_can_occur():
    ids = {i for kind in KINDS.values() for i in (kind.kitti, kind.moving)}
    assert ids >= {10, 11, 13, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 60, 70, 71, 72, 80,
                   81, 252, 253, 254, 255, 257, 258, 259}  # fmt: skip
    assert {kind.nuscenes for kind in KINDS.values()} >= {
        2, 3, 4, 9, 12, 14, 15, 16, 17, 18, 21, 22, 23, 24, 25, 26, 27, 28, 30, 31
    }  # fmt: skip

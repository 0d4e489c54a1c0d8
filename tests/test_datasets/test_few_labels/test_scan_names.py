"""Scans are found by any end of their path that tells them apart."""

import tracemalloc

import pytest

from projects.SRKD.base import UsageError
from projects.SRKD.datasets.few_labels.scan_names import find_scans

ROOMS = [f'data/scannet/points/scene{i:04d}_0{j}.bin' for i in range(4) for j in range(2)]
DRIVES = [f'sequences/{s}/velodyne/{i:06d}.bin' for s in ('00', '08') for i in range(3)]


@pytest.mark.parametrize(
    'name',
    ['scene0001_01', 'scene0001_01.bin', 'points/scene0001_01', ROOMS[3], ROOMS[3][:-4],
     'points\\scene0001_01.bin'],
)  # fmt: skip
def test_a_scan_has_several_names(name):
    assert find_scans([name], ROOMS, 'labeled') == [3]


def test_scans_come_in_the_order_of_the_data_set_and_once():
    names = ['scene0003_00', 'scene0000_01', 'scene0003_00.bin']
    assert find_scans(names, ROOMS, 'labeled') == [1, 6]


def test_frames_of_one_number_are_told_apart_by_their_drive():
    assert find_scans(['08/velodyne/000001', '00/velodyne/000001.bin'], DRIVES, 'x') == [1, 4]
    match = r"x names '000001', which fits 2 scans, sequences/00/.*000001.bin and sequences/08/.*"
    with pytest.raises(UsageError, match=match):
        find_scans(['000001'], DRIVES, 'x')


def test_key_frames_of_nuscenes_have_two_endings():
    path = 'samples/LIDAR_TOP/n015-0800__LIDAR_TOP__15.pcd.bin'
    for name in ('n015-0800__LIDAR_TOP__15.pcd', 'n015-0800__LIDAR_TOP__15.pcd.bin'):
        assert find_scans([name], [path], 'x') == [0]


def test_the_nearest_scan_is_named():
    match = "labeled names the scan 'scene001_01', which is not among the 8 of the data set; "
    with pytest.raises(UsageError, match=match + "nearest: 'scene0001_01'"):
        find_scans(['scene001_01'], ROOMS, 'labeled')
    with pytest.raises(UsageError, match=r"'ene0001_01', which is not among"):
        find_scans(['ene0001_01'], ROOMS, 'labeled')


def test_ends_of_paths_that_nobody_asks_for_are_not_kept():
    paths = [f'/data/some/where/scannet/points/scene{i:06d}_00.bin' for i in range(20_000)]
    tracemalloc.start()
    try:
        assert find_scans(['scene010000_00', 'points/scene000003_00.bin'], paths, 'x') == [3, 10000]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20  # those of all of them take a hundred times that

"""Every naming rule on a real file name of its data set."""

import math
from pathlib import Path

import pytest

from projects.SRKD.datasets.batches.scene_rule import scene_of


@pytest.mark.parametrize(
    'path, scene',
    [
        ('points/scene0470_00.bin', 'scene0470'),
        ('/data/scannet/points/scene0470_02.bin', 'scene0470'),
        ('points\\scene0470_02.bin', 'scene0470'),
        ('points/Area_1_office_2.bin', 'Area_1_office_2'),
        ('training/velodyne_reduced/000123.bin', '000123'),
        ('points/scene_new.v2.bin', 'scene_new.v2'),
    ],
)
def test_a_room_has_a_scene_and_no_time(path, scene):
    place = scene_of(path)
    assert place.scene == scene
    assert math.isnan(place.time)


@pytest.mark.parametrize(
    'path, scene, time',
    [
        ('sequences/08/velodyne/000120.bin', 'sequence 08', 12.0),
        ('/data/semantickitti/sequences/21/velodyne/000001.bin', 'sequence 21', 0.1),
        (
            'samples/LIDAR_TOP/n015-2018-07-24-11-22-45+0800__LIDAR_TOP__1532402927647951.pcd.bin',
            'n015-2018-07-24-11-22-45+0800',
            1532402927.647951,
        ),
    ],
)
def test_a_frame_has_a_sequence_and_a_time_in_seconds(path, scene, time):
    place = scene_of(path)
    assert place.scene == scene
    assert place.time == pytest.approx(time, abs=1e-5)


def test_real_files_follow_the_rules(realdata):
    lidar = sorted((realdata / 'nuscenes/samples/LIDAR_TOP').glob('*.bin'))
    places = [scene_of(path) for path in lidar]
    assert len({place.scene for place in places}) == 2  # three sweeps of two logs
    same_log = [place.time for place in places if place.scene.startswith('n008')]
    assert abs(same_log[0] - same_log[1]) == pytest.approx(8.8, abs=0.1)
    kitti = sorted(Path(realdata / 'semantickitti/sequences').glob('*/velodyne/*.bin'))
    assert [scene_of(path) for path in kitti] == [('sequence 00', 0.0), ('sequence 08', 0.0)]

import pytest

from projects.SRKD.base.inside import is_inside, wandering_paths


@pytest.mark.parametrize(
    ('path', 'inside'),
    [
        ('data/kitti/a.bin', True),
        ('data/kitti', True),
        ('data/kitti/x/../a.bin', True),
        ('data/kitti/../nuscenes/a.bin', False),
        ('data/kitti2/a.bin', False),
        ('/etc/shadow', False),
        ('../data/kitti/a.bin', False),
        ('http://example.org/data/kitti/a.bin', False),
    ],
)
def test_a_path_is_inside_by_its_letters(path, inside):
    assert is_inside(path, ['data/kitti/']) == inside


def test_the_root_of_all_holds_every_file():
    assert is_inside('/mnt/a.bin', ['/'])


def test_servers_are_folders_too():
    assert is_inside('s3://a/b/c.bin', ['s3://a/b'])
    assert not is_inside('s3://a/b/../c.bin', ['s3://a/b'])


def test_paths_that_leave_are_found_wherever_they_stand():
    entry = dict(
        lidar_points=dict(lidar_path='a.bin', num=3),
        sweeps=[dict(lidar_path='/a'), dict(lidar_path='b')],
        images=dict(CAM=dict(img_path='../c.png', path=7)),
        matrix=[[1, 2], [3, 4]],
        token='/not/a/key/of/paths',
        name_path='s3://d',
    )
    found = [place[key] for place, key in wandering_paths(entry)]
    assert found == ['/a', '../c.png', 's3://d']

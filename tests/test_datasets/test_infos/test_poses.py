"""Poses are read as KITTI defines them; files that are missing or malformed are refused."""

import numpy as np
import pytest
from toy_sequence import LIDAR, write_sequence

from projects.SRKD.datasets.infos.poses import read_poses


@pytest.fixture
def sequence(tmp_path):
    return write_sequence(tmp_path / 'sequences/00')


def test_lidar_poses_come_back(sequence):
    poses = read_poses(sequence, scans=3)
    assert poses.shape == (3, 4, 4) and poses.dtype == np.float64
    np.testing.assert_allclose(poses, LIDAR, atol=1e-9)


@pytest.mark.parametrize('name', ['poses.txt', 'calib.txt'])
def test_a_missing_file_is_named_with_its_neighbor(sequence, name):
    (sequence / name).rename(sequence / f'_{name}')
    match = rf'sequences/00/{name} does not exist, expected it .* nearest name .*/_{name}'
    with pytest.raises(FileNotFoundError, match=match):
        read_poses(sequence)


@pytest.mark.parametrize('lines', [0, 3])
def test_too_few_poses_are_refused(sequence, lines):
    text = (sequence / 'poses.txt').read_text().splitlines(keepends=True)
    (sequence / 'poses.txt').write_text(''.join(text[:lines]))
    match = rf'poses.txt has {lines} poses, expected at least 4: one per scan of .*00/velodyne'
    with pytest.raises(ValueError, match=match):
        read_poses(sequence, scans=4)


@pytest.mark.parametrize('line, match', [
    ('1 2 3', 'line 4 of .*poses.txt has 3 numbers, expected the 12 finite numbers of a 3 x 4'),
    ('1 0 0 0 0 1 0 0 0 0 1 nan', 'line 4 of .*poses.txt has 12 numbers, expected the 12 finite'),
    ('1 0 0 0 0 1 0 0 0 0 1 x', 'line 4 of .*poses.txt holds something that is no number'),
])  # fmt: skip
def test_a_malformed_line_is_refused(sequence, line, match):
    with (sequence / 'poses.txt').open('a') as stream:
        stream.write(line + '\n')
    with pytest.raises(ValueError, match=match):
        read_poses(sequence)


def test_a_calibration_without_lidar_is_refused(sequence):
    (sequence / 'calib.txt').write_text('P0: 1 2\nP1: 3 4\n')
    match = r'calib.txt has no line "Tr:" \(lidar to camera\), it has P0, P1'
    with pytest.raises(ValueError, match=match):
        read_poses(sequence)

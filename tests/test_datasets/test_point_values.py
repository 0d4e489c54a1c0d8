import numpy as np
import pytest

from projects.SRKD.base import UsageError
from projects.SRKD.datasets.point_values import check_point_values

RANGES = {3: (0.0, 1.0)}


@pytest.fixture
def scan():
    """Like a frame of KITTI: meters around the sensor, intensities in hundredths."""
    rng = np.random.default_rng(0)
    coord = np.c_[rng.uniform(-60, 60, (5000, 2)), rng.uniform(-2, 3, 5000)]
    return np.c_[coord, rng.integers(0, 100, 5000) / 100].astype(np.float32)


def read_as_float32(content: bytes, columns: int = 4) -> np.ndarray:
    values = np.frombuffer(content[: len(content) // (4 * columns) * 4 * columns], np.float32)
    return values.reshape(-1, columns)


def test_a_scan_in_meters_passes(scan):
    check_point_values(scan, '000000.bin', RANGES)


@pytest.mark.parametrize('damage, message', [
    (lambda s: s + np.float32([448262, 5411933, 0, 0]), 'only 0.5 m: .*subtract an offset'),
    (lambda s: s * np.float32([1000, 1000, 1000, 1]), 'are these millimeters'),
    (lambda s: np.r_[s, np.float32([[1e9, 1e9, 1e9, 0]])], r'coordinates up to 1e\+09 m'),
    (lambda s: s * np.float32([1, 1, 1, 255]), 'column 3, expected 0 to 1'),
    (lambda s: s * np.float32([1, 1, 1, 1e30]), 'column 3, expected 0 to 1'),
    (lambda s: s * np.float32([1, 1, 1, -1]), 'column 3, expected 0 to 1'),
    (lambda s: read_as_float32(s.astype('f8').tobytes()), 'coordinates up to|NaN or infinite'),
    (lambda s: read_as_float32(s.astype('>f4').tobytes()), 'coordinates up to|NaN or infinite'),
    (lambda s: read_as_float32(s[:, :3].tobytes()), 'column 3, expected 0 to 1'),
    (lambda s: read_as_float32(np.c_[s, np.ones(len(s), np.float32)].tobytes()), 'column 3'),
    (lambda s: read_as_float32(b'VERSION .7 FIELDS x y z ' + bytes(8) + s.tobytes()), 'up to'),
    (lambda s: read_as_float32(b'\x00' + s.tobytes()), 'coordinates up to|NaN or infinite'),
])  # fmt: skip
def test_what_a_scan_cannot_be_is_refused_with_the_file(scan, damage, message):
    with pytest.raises(UsageError, match=f'points file 000000.bin has .*({message})'):
        check_point_values(damage(scan), '000000.bin', RANGES)


def test_one_point_far_away_is_no_reason_to_refuse_a_scan(scan):
    scan[0, :3] = 9000
    check_point_values(scan, '000000.bin', RANGES)


def test_a_feature_without_a_range_may_be_anything_but_absurd(scan):
    scan[:, 3] *= 255
    check_point_values(scan, '000000.bin')
    scan[7, 3] = 1e30
    with pytest.raises(UsageError, match=r'values from 0 to 1e\+30 in column 3'):
        check_point_values(scan, '000000.bin')

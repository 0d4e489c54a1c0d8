"""One scan in a file: packing, rows read back, damage found."""

import os

import numpy as np
import pytest
import torch

from projects.SRKD.base import UsageError
from projects.SRKD.distill.cache.file import (
    SceneFile,
    check_scene,
    pack,
    probe,
    unpack_logits,
    write_scene,
)


def arrays(rows: int = 9) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return dict(
        points=rng.integers(-1, rows, 40).astype(np.int32),
        backbone=rng.standard_normal((rows, 3)).astype(np.float16),
        single=rng.standard_normal((rows, 1)).astype(np.float32),
        kept=rng.integers(0, 200, (rows, 5)).astype(np.uint8),
    )


def test_rows_are_read_as_they_were_written(tmp_path):
    expected, path = arrays(), tmp_path / 'deep/000.npy'
    assert write_scene(path, expected) == path.stat().st_size
    scene = SceneFile(path)
    assert scene.size == 40
    for name, values in expected.items():
        rows = np.array([3, 3, 0, len(values) - 1])
        found = scene.read(name, rows)
        assert found.dtype == values.dtype and np.array_equal(found, values[rows])
        assert scene.read(name, rows[:0]).shape == (0, *values.shape[1:])
    plain = np.load(path)  # any reader of numpy will do
    assert all(np.array_equal(plain[name], values) for name, values in expected.items())


def test_a_file_is_mapped_and_not_read(tmp_path):
    values = np.arange(2**20, dtype=np.float32).reshape(-1, 4)
    write_scene(tmp_path / 'a.npy', dict(points=np.zeros(1, np.int32), big=values))
    scene = SceneFile(tmp_path / 'a.npy')
    stored = scene._record
    while isinstance(stored.base, np.ndarray) and not isinstance(stored, np.memmap):
        stored = stored.base
    assert isinstance(stored, np.memmap)
    assert np.array_equal(scene.read('big', np.array([70_000])), values[70_000:70_001])


def test_a_tap_without_a_map_of_its_own_has_the_finest_rows(tmp_path):
    content = arrays() | {'kept.rows': np.array([2, -1, 0], np.int32)}
    write_scene(tmp_path / 'a.npy', content)
    scene, rows = SceneFile(tmp_path / 'a.npy'), np.array([0, 1, 2, 1])
    assert scene.tap_rows('backbone', rows) is rows
    assert scene.tap_rows('kept', rows).tolist() == [2, -1, 0, -1]


@pytest.mark.parametrize(('dtype', 'error'), [('float16', 1e-3), ('float32', 1e-7)])
def test_features_are_packed_up_to_their_dtype(dtype, error):
    feat, rows = torch.randn(20, 6), torch.arange(20).flip(0)
    packed = pack('tap', feat, rows, dtype)
    assert set(packed) == {'tap', 'tap.rows'} and packed['tap'].dtype == dtype
    np.testing.assert_allclose(packed['tap'], feat.numpy(), rtol=error)
    assert np.array_equal(packed['tap.rows'], rows.numpy())
    assert set(pack('tap', feat, None, dtype)) == {'tap'}


@pytest.mark.parametrize(('classes', 'kind'), [(30, np.uint8), (300, np.int16)])
def test_left_out_logits_share_their_probability(classes, kind):
    logits = 4 * torch.randn(50, classes)
    packed = pack('head', logits, None, 'float32', top=8)
    assert packed['head'].shape == (50, 8) and packed['head.classes'].dtype == kind
    parts = [torch.from_numpy(packed[f'head{part}']) for part in ('', '.classes', '.rest')]
    found = unpack_logits(*parts, classes).double().softmax(1)
    for row, expected in zip(found, logits.double().softmax(1)):
        kept = expected.argsort(descending=True)[:8]
        torch.testing.assert_close(row[kept], expected[kept], rtol=1e-5, atol=1e-9)
        others = np.setdiff1d(np.arange(classes), kept)
        share = expected[others].sum() / len(others)
        torch.testing.assert_close(row[others], share.expand(len(others)), rtol=1e-5, atol=1e-9)


def test_values_that_a_dtype_does_not_hold_are_refused():
    feat = torch.full((2, 3), 7e4)
    with pytest.raises(ValueError, match=r"'tap' .* up to 7e\+04, .* float16 .*--dtype fp32"):
        pack('tap', feat, None, 'float16')
    assert np.array_equal(pack('tap', feat, None, 'float32')['tap'], feat.numpy())
    with pytest.raises(ValueError, match=r"'tap' .* up to nan, expected finite ones"):
        pack('tap', feat * torch.nan, None, 'float32')


def test_a_failed_write_leaves_nothing_and_an_old_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / 'a.npy'
    write_scene(path, arrays())
    before = path.read_bytes()

    def stop(*unused):
        raise OSError('no space left')

    monkeypatch.setattr(os, 'fsync', stop)
    with pytest.raises(OSError, match='no space left'):
        write_scene(path, arrays(4))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('damage', ['flipped bit', 'cut'])
def test_damage_is_found_by_name(tmp_path, damage):
    path = tmp_path / '000007.npy'
    write_scene(path, arrays(200))
    check_scene(path)
    content = bytearray(path.read_bytes())
    content[600] ^= 1
    path.write_bytes(content if damage == 'flipped bit' else content[:-300])
    with pytest.raises(ValueError, match=r'000007.npy of the teacher cache is damaged \(.*delete'):
        check_scene(path)


def test_a_flipped_bit_of_a_header_is_found_or_changes_nothing(tmp_path):
    path, expected = tmp_path / 'a.npy', arrays()
    write_scene(path, expected)
    content, harmless = path.read_bytes(), 0
    for bit in range(0, 8 * (len(content) - np.load(path).nbytes), 7):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            check_scene(path)
        except UsageError:
            continue
        harmless += 1  # one kind of blank for another, say
        found = np.load(path)
        assert all(np.array_equal(found[name], values) for name, values in expected.items()), bit
    assert harmless < 5


def test_a_disk_that_does_not_answer_is_not_taken_for_damage(tmp_path):
    with pytest.raises(IsADirectoryError):
        check_scene(tmp_path)


@pytest.mark.parametrize('rows', [0, 1, 3])
def test_arrays_of_any_length_lie_where_they_are_read_without_a_copy(tmp_path, rows):
    content = arrays(9) | dict(kept=np.zeros((rows, 5), np.uint8), rest=np.ones(rows, np.float32))
    write_scene(tmp_path / 'a.npy', content)
    check_scene(tmp_path / 'a.npy')
    scene = SceneFile(tmp_path / 'a.npy')
    for name, values in content.items():
        assert scene._record[name].flags.aligned and scene._record[name].flags.c_contiguous
        assert np.array_equal(scene.read(name, np.arange(len(values))), values)


@pytest.mark.parametrize(
    ('size', 'rows'),
    [(1, [0] * 8), (3, [0, 0, 0, 0, 1, 1, 1, 2]), (8, range(8)), (71, range(0, 71, 10))],
)
def test_a_probe_spreads_over_the_cloud_and_holds_its_ends(size, rows):
    cloud = torch.rand(size, 5)
    np.testing.assert_array_equal(probe(cloud), cloud[list(rows)])

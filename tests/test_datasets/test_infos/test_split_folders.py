import numpy as np
import pytest

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.datasets.infos.split_folders import split_entries


def write(root, columns=4, kind=np.uint32):
    for split, count in dict(train=2, val=1).items():
        (root / split).mkdir()
        for i in range(count):
            np.zeros((5, columns), np.float32).tofile(root / f'{split}/{i}.bin')
            np.zeros(5, kind).tofile(root / f'{split}/{i}.label')


def test_each_scan_is_listed_with_its_labels_in_order(tmp_path):
    write(tmp_path, columns=6, kind=np.int64)
    found = split_entries(tmp_path, 6, 8)
    assert {split: len(entries) for split, entries in found.items()} == dict(train=2, val=1)
    assert found['train'][1] == dict(
        lidar_points=dict(lidar_path='train/1.bin', num_pts_feats=6),
        pts_semantic_mask_path='train/1.label',
    )


def test_what_does_not_fit_together_is_told(tmp_path):
    write(tmp_path)
    with pytest.raises(UsageError, match='must hold 6 numbers of float32 a point, but got 80 byt'):
        split_entries(tmp_path, 6, 4)
    with pytest.raises(UsageError, match='must hold 8 bytes for each of the 5 points of .*got 20'):
        split_entries(tmp_path, 4, 8)
    (tmp_path / 'val/0.label').unlink()
    with pytest.raises(FileMissingError, match='has no labels: .*val/0.label does not exist'):
        split_entries(tmp_path, 4, 4)
    (tmp_path / 'val/0.bin').unlink()
    with pytest.raises(FileMissingError, match=r'must hold .*val/\*.bin, but got none'):
        split_entries(tmp_path, 4, 4)

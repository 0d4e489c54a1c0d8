"""Lists of scans of strangers: numbers of scans that are there, or a sentence."""

import os
import pickle

import numpy as np
import pytest
from mmdet3d.datasets import ScanNetSegDataset
from mmdet3d.registry import DATASETS

from projects.SRKD import compat
from projects.SRKD.base import FileMissingError, UsageError

compat.apply()


class Attack:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def data_set(root, scene_idxs, **more):
    infos = [dict(lidar_points=dict(lidar_path=f'{i}.bin')) for i in range(3)]
    (root / 'a.pkl').write_bytes(pickle.dumps(dict(metainfo={}, data_list=infos)))
    config = dict(type='ScanNetSegDataset', data_root=str(root), ann_file='a.pkl', pipeline=[],
                  metainfo=dict(classes=ScanNetSegDataset.METAINFO['classes']),
                  scene_idxs=scene_idxs)  # fmt: skip
    return DATASETS.build(config | more)


def test_a_list_is_followed(tmp_path):
    np.save(tmp_path / 'a.npy', np.array([2, 0, 2], np.int64))
    for asked in ('a.npy', [2, 0, 2], np.array([2, 0, 2], np.uint8)):
        found = data_set(tmp_path, asked)
        paths = [found.get_data_info(i)['lidar_path'] for i in range(len(found))]
        assert [os.path.basename(path) for path in paths] == ['2.bin', '0.bin', '2.bin']
    assert len(data_set(tmp_path, 'none.npy', test_mode=True)) == 3


def test_objects_are_refused_and_run_nothing(tmp_path):
    marker = tmp_path / 'ran'
    np.save(tmp_path / 'a.npy', np.array([Attack(marker), 1], dtype=object), allow_pickle=True)
    said = r'scene_idxs .*a.npy must be an array of whole numbers .* but got .*bject.*was run'
    with pytest.raises(UsageError, match=said):
        data_set(tmp_path, 'a.npy')
    assert not marker.exists()
    np.load(tmp_path / 'a.npy', allow_pickle=True)
    assert marker.exists()  # the attack is real


@pytest.mark.parametrize(
    ('numbers', 'told'),
    [
        ([0, 3], 'must be numbers from 0 to 2, the scans of the info file, but got 3: it belongs'),
        ([0, -1], 'from 0 to 2, .* but got -1'),
        ([0.5], r'must be a list of whole numbers, but got float64 of shape \(1,\)'),
        ([[0]], r'int64 of shape \(1, 1\)'),
        ([], 'must be a list of whole numbers'),
        (['a'], 'must be a list of whole numbers'),
        ([True], 'must be a list of whole numbers'),
    ],
)
def test_other_numbers_are_refused(tmp_path, numbers, told):
    np.save(tmp_path / 'a.npy', np.array(numbers))
    with pytest.raises(UsageError, match=told):
        data_set(tmp_path, 'a.npy')
    with pytest.raises(UsageError, match=f'^scene_idxs {told}' if told[0] == 'm' else told):
        data_set(tmp_path, numbers)


def test_a_damaged_file_and_one_that_is_not_there_are_told(tmp_path):
    np.save(tmp_path / 'a.npy', np.arange(3))
    whole = (tmp_path / 'a.npy').read_bytes()
    np.savez(tmp_path / 'b.npz', a=np.arange(3))
    for content in (b'', b'x', whole[:-3], whole[:30], (tmp_path / 'b.npz').read_bytes()):
        (tmp_path / 'a.npy').write_bytes(content)
        with pytest.raises(UsageError, match='must be an array of whole numbers .* but got .+;'):
            data_set(tmp_path, 'a.npy')
    with pytest.raises(FileMissingError, match='b.npy does not exist; the nearest name .*b.npz'):
        data_set(tmp_path, 'b.npy')

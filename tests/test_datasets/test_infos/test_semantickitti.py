"""Info files of what is there of SemanticKITTI: those of mmdet3d's converter, bad input named."""

import pickle
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from toy_kitti import converter

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.datasets.infos.semantickitti import SPLITS, write_semantickitti_infos

TOOL = Path(__file__).parents[3] / 'tools/dataset_converters/semantickitti_infos.py'


@pytest.fixture
def root(tmp_path):
    for sequence, scans in ((0, 2), (10, 1), (8, 2), (11, 1)):
        for folder, width, tail in (('velodyne', 16, 'bin'), ('labels', 4, 'label')):
            place = tmp_path / f'sequences/{sequence:02d}/{folder}'
            place.mkdir(parents=True)
            for k in range(scans):
                np.zeros(7 * width, np.uint8).tofile(place / f'{k:06d}.{tail}')
    return tmp_path


def infos(root, split):
    return pickle.loads((root / f'semantickitti_infos_{split}.pkl').read_bytes())['data_list']


def test_entries_are_those_of_mmdet3d_for_what_is_there(root):
    theirs = converter('semantickitti_converter')
    assert {split: list(SPLITS[split]) for split in SPLITS} == {
        split: theirs.fold_split[split] for split in ('train', 'val')
    }
    with pytest.warns(UserWarning, match='left out, .* sequences/01, .*, sequences/09$'):
        assert write_semantickitti_infos(root) == dict(train=3, val=2)
    for split in SPLITS:
        whole = {info['lidar_points']['lidar_path']: info
                 for info in theirs.get_semantickitti_info(split)['data_list']}  # fmt: skip
        for info in infos(root, split):
            other = whole[info['lidar_points']['lidar_path']]
            assert {**info, 'sample_id': other['sample_id']} == other


@pytest.mark.filterwarnings('ignore:left out')
@pytest.mark.parametrize('change, said', [
    (lambda root: shutil.rmtree(root / 'sequences/08'), 'holds no scan of a sequence of val, '
     'expected .*08/velodyne/.*bin or the like; '),
    (lambda root: (root / 'sequences/00/labels/000001.label').unlink(), '000001.bin has no labels: '
     '.*000001.label does not exist; the nearest name there is .*000000.label'),
    (lambda root: (root / 'sequences/00/labels/000001.label').write_bytes(bytes(24)),
     r'000001.label has 24 bytes, expected 4 \(uint32\) for each of the 7 points of .*000001.bin'),
    (lambda root: (root / 'sequences/08/velodyne/000001.bin').write_bytes(bytes(20)),
     '000001.bin has 20 bytes, expected 16 for each of its points'),
    (lambda root: (root / 'sequences/08/velodyne/000001.bin').write_bytes(b''),
     '000001.bin has 0 bytes, expected 16 for each of its points'),
])  # fmt: skip
def test_what_does_not_fit_is_named_before_anything_is_written(root, change, said):
    change(root)
    with pytest.raises(UsageError, match=said):
        write_semantickitti_infos(root)
    assert not list(root.glob('*.pkl'))


@pytest.mark.filterwarnings('ignore:left out')
def test_the_tool_says_what_it_wrote_or_what_is_wrong(root, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), str(root)])
    runpy.run_path(str(TOOL), run_name='__main__')
    assert capsys.readouterr().out == f'3 + 2 scans in {root}\n'
    monkeypatch.setattr(sys, 'argv', [str(TOOL), str(root / 'nowhere')])
    with pytest.raises(SystemExit, match='^2$'):
        runpy.run_path(str(TOOL), run_name='__main__')
    assert 'nowhere receives the info files; it does not exist' in capsys.readouterr().err
    with pytest.raises(FileMissingError, match='no scan of a sequence of train'):
        write_semantickitti_infos(root / 'sequences')

"""Masks of ScanNet200: raw ids of the aggregated segments, one for each exported point."""

import json
from pathlib import Path

import numpy as np
import pytest

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.datasets.infos.scannet200 import write_scannet200_masks

TABLE = 'meta_data/scannetv2-labels.combined.tsv'
SEGMENTS = 'scans/scene0000_00/scene0000_00_vh_clean_2.0.010000.segs.json'
GROUPS = 'scans/scene0000_00/scene0000_00.aggregation.json'
POINTS = 'points/scene0000_00.bin'


@pytest.fixture
def root(tmp_path):
    for folder in ('meta_data', 'scans/scene0000_00', 'points'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'meta_data/scannetv2_train.txt').write_text('scene0000_00\n')
    (tmp_path / 'meta_data/scannetv2_val.txt').write_text('')
    (tmp_path / TABLE).write_text('id\traw_category\tcount\n1191\tmattress\t1\n2\tchair\t9\n')
    (tmp_path / SEGMENTS).write_text(json.dumps(dict(segIndices=[7, 7, 0, 12, 3, 0])))
    groups = [dict(label='mattress', segments=[0, 3]), dict(label='chair', segments=[7])]
    (tmp_path / GROUPS).write_text(json.dumps(dict(segGroups=groups)))
    np.zeros((6, 6), np.float32).tofile(tmp_path / POINTS)
    return tmp_path


def test_points_get_the_raw_id_of_their_segments_object(root):
    assert write_scannet200_masks(root) == 1
    mask = np.fromfile(root / 'semantic_mask_200/scene0000_00.bin', np.int64)
    assert mask.tolist() == [2, 2, 1191, 0, 1191, 1191]


def test_labels_that_the_table_lacks_are_told(root):
    (root / TABLE).write_text('id\traw_category\n2\tchair\n')
    with pytest.warns(UserWarning, match='1 labels are not in .*combined.tsv .*: mattress'):
        write_scannet200_masks(root)
    assert (root / 'semantic_mask_200/scene0000_00.bin').stat().st_size == 6 * 8


@pytest.mark.parametrize('path, content, said', [
    (TABLE, 'raw_category,id\nchair,2\n', 'combined.tsv has raw_category,id, expected the columns '
     'id and raw_category between tabulators'),
    (TABLE, '', 'combined.tsv has no row, expected the columns'),
    (SEGMENTS, '{"segIndices": [1, 2]}', r'segs.json has 2 segIndices, expected one for each of '
     'the 6 points of .*scene0000_00.bin'),
    (SEGMENTS, '{"segIndices": [1, ', 'segs.json is no JSON: '),
    (GROUPS, '{"groups": []}', 'aggregation.json has no segGroups'),
])  # fmt: skip
def test_files_of_another_form_are_named_and_nothing_is_written(root, path, content, said):
    (root / path).write_text(content)
    with pytest.raises(UsageError, match=said):
        write_scannet200_masks(root)
    assert not (root / 'semantic_mask_200').exists()


@pytest.mark.parametrize('path', [TABLE, SEGMENTS, GROUPS, POINTS, 'meta_data/scannetv2_val.txt'])
def test_a_missing_file_is_named(root, path):
    (root / path).unlink()
    with pytest.raises(FileMissingError, match=f'{Path(path).name} do(es)? not exist; '):
        write_scannet200_masks(root)

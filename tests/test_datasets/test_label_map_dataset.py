"""A data set of any classes, described by its config alone."""

import mmengine
import numpy as np
import pytest

from projects.SRKD.datasets.label_map_dataset import LabelMapSegDataset

METAINFO = dict(
    classes=('car', 'road', 'tree'), seg_label_mapping={0: 3, 1: 0, 2: 2, 3: 1, 4: 0}, max_label=4
)
PIPELINE = [
    dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=4, use_dim=4),
    dict(type='LoadAnnotations3D', with_bbox_3d=False, with_label_3d=False,
         with_seg_3d=True),
    dict(type='PointSegClassMapping'),
]  # fmt: skip


@pytest.fixture
def root(tmp_path):
    np.zeros((6, 4), np.float32).tofile(tmp_path / 'a.bin')
    np.array([0, 1, 2, 3, 4, 4]).tofile(tmp_path / 'a.label')
    entry = dict(lidar_points=dict(lidar_path='a.bin'), pts_semantic_mask_path='a.label')
    mmengine.dump(dict(metainfo={}, data_list=[entry]), tmp_path / 'infos.pkl')
    return tmp_path


def dataset(root, metainfo=METAINFO, **kwargs):
    prefix = dict(pts='', pts_semantic_mask='')
    return LabelMapSegDataset(
        data_root=str(root), ann_file='infos.pkl', metainfo=metainfo, data_prefix=prefix,
        pipeline=PIPELINE, **kwargs)  # fmt: skip


def test_labels_are_merged_as_the_config_says(root):
    data = dataset(root)
    assert data[0]['pts_semantic_mask'].tolist() == [3, 0, 2, 1, 0, 0]
    assert data.metainfo['label2cat'] == {0: 'car', 1: 'road', 2: 'tree'}
    assert data.ignore_index == data.metainfo['ignore_index'] == 3


def test_another_ignored_label_is_kept(root):
    changed = METAINFO | dict(seg_label_mapping={0: 255, 1: 0, 2: 2, 3: 1, 4: 0})
    assert dataset(root, changed, ignore_index=255)[0]['pts_semantic_mask'][0] == 255


def test_classes_without_a_palette_get_colors_that_differ(root):
    palette = dataset(root).metainfo['palette']
    assert len({tuple(color) for color in palette}) == 3
    assert np.min(palette) >= 0 and np.max(palette) <= 255
    own = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert dataset(root, METAINFO | dict(palette=own)).metainfo['palette'] == own


def test_the_config_it_is_built_from_stays_as_it_was(root):
    before = {key: METAINFO[key] for key in METAINFO}
    dataset(root)
    assert before == METAINFO


def test_a_map_that_leaves_raw_ids_out_is_refused(root):
    changed = METAINFO | dict(seg_label_mapping={0: 3, 1: 0, 3: 2, 4: 1}, max_label=6)
    match = (
        r'seg_label_mapping of LabelMapSegDataset leaves out raw id 2 and 2 more of 0 to 6, '
        r'expected all \(the ignored label is 3\); the nearest ids in it are 1, 3, 0'
    )
    with pytest.raises(ValueError, match=match):
        dataset(root, changed)


def test_classes_that_do_not_fit_the_map_are_refused(root):
    with pytest.raises(ValueError, match='maps raw id 2 to class 2, expected 0 to 1'):
        dataset(root, METAINFO | dict(classes=('car', 'road')), ignore_index=3)


def test_one_raw_id_for_each_class_will_do(root):
    ids = dict(classes=('car', 'road', 'tree'), seg_valid_class_ids=(4, 1, 2), max_label=6)
    data = dataset(root, ids)
    assert data.seg_label_mapping.tolist() == [3, 1, 2, 3, 0, 3, 3]
    assert data[0]['pts_semantic_mask'].tolist() == [3, 1, 2, 3, 0, 0]


@pytest.mark.parametrize('ids', [(4, 1), (4, 1, 2, 3), ()])
def test_another_number_of_raw_ids_than_classes_is_refused(root, ids):
    metainfo = dict(classes=METAINFO['classes'], seg_valid_class_ids=ids)
    match = (
        r"LabelMapSegDataset needs metainfo\['seg_label_mapping'\], or .*'seg_valid_class_ids'\] "
        rf'of one raw id for each of its 3 classes, but got {len(ids)}'
    )
    with pytest.raises(ValueError, match=match):
        dataset(root, metainfo)


def test_a_data_set_without_classes_is_refused(root):
    with pytest.raises(
        ValueError, match=r"LabelMapSegDataset needs metainfo\['classes'\], but got"
    ):
        dataset(root, dict(seg_label_mapping={0: 0}))

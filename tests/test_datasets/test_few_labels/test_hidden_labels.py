"""Entries whose scans count as unlabeled."""

import numpy as np
import pytest

from projects.SRKD.datasets import LoadAnnotations3D
from projects.SRKD.datasets.few_labels.hidden_labels import HIDDEN, hide_labels, is_hidden


@pytest.mark.parametrize('ignore_index', [0, 3, 255, -1])
def test_every_path_of_a_mask_goes_and_every_label_is_the_ignored_one(ignore_index):
    info = dict(
        lidar_points=dict(lidar_path='a.bin'),
        pts_semantic_mask_path='a.label',
        pts_instance_mask_path='a.label',
        seg_label_mapping=np.array([1, 0]),
    )
    assert not is_hidden(info)
    hide_labels([info], ignore_index)
    assert is_hidden(info)
    assert set(info) == {'lidar_points', 'seg_label_mapping', HIDDEN}
    assert info['seg_label_mapping'][ignore_index] == ignore_index  # what the loader hands on
    assert (info['seg_label_mapping'] == ignore_index).all()


def test_the_loader_gives_each_point_the_ignored_label_and_no_instance():
    info = dict(points=np.zeros((5, 4)), lidar_path='a.bin')
    hide_labels([info], 7)
    step = LoadAnnotations3D(
        with_bbox_3d=False, with_label_3d=False, with_mask_3d=True, with_seg_3d=True, known_ids=[1]
    )
    results = step(info)
    assert results['pts_semantic_mask'].tolist() == [7] * 5
    assert results['pts_instance_mask'].tolist() == [0] * 5
    assert results['pts_semantic_mask'].dtype == np.int64


def test_labels_before_points_are_refused_by_name():
    info = dict(lidar_path='a.bin')
    hide_labels([info], 7)
    step = LoadAnnotations3D(with_bbox_3d=False, with_label_3d=False, with_seg_3d=True)
    with pytest.raises(ValueError, match=r'before the points of a\.bin .* LoadPointsFromFile'):
        step(info)

"""Statistics of data sets and of every wrapper around them."""

import tracemalloc

import numpy as np
import pytest
from mmdet3d.datasets import CBGSDataset
from mmengine.dataset import BaseDataset, ClassBalancedDataset, ConcatDataset, RepeatDataset
from mmengine.runner.runner import _SlicedDataset
from torch.utils.data import Subset, TensorDataset

from projects.SRKD.datasets.batches.scene_statistics import SceneStatistics, scene_statistics

LABELS = {'scene0000_00': [1], 'scene0000_01': [1, 2], 'scene0003_00': [5, 5, 5]}
SCENES = ['scene0000', 'scene0000', 'scene0003']


def test_scenes_and_histograms_follow_the_indices(write_scannet):
    statistics = scene_statistics(write_scannet(LABELS))
    assert statistics.scene.tolist() == SCENES
    assert np.isnan(statistics.time).all()
    assert statistics.histogram.sum(axis=1).tolist() == [1, 2, 3]
    assert statistics.classes[4] == 'chair'
    assert len(statistics) == 3 and statistics.known


def test_resampled_scenes_repeat(write_scannet):
    statistics = scene_statistics(write_scannet(LABELS, scene_idxs=[2, 0, 2]))
    assert statistics.scene.tolist() == ['scene0003', 'scene0000', 'scene0003']
    assert statistics.histogram.sum(axis=1).tolist() == [3, 1, 3]


def test_serialized_data_sets_are_read_too(write_scannet):
    info_file = write_scannet(LABELS).ann_file
    statistics = scene_statistics(BaseDataset(info_file, data_prefix={}, serialize_data=True))
    assert statistics.scene.tolist() == SCENES
    assert statistics.histogram is None  # an empty pipeline loads no masks


def test_scans_without_a_lidar_path_have_no_scene():
    class Images(BaseDataset):
        def load_data_list(self):
            return [dict(img_path='0.png'), dict(img_path='1.png')]

    assert not scene_statistics(Images()).known


def test_sequences_have_times(write_semantickitti):
    statistics = scene_statistics(write_semantickitti({('00', 0): [10], ('08', 25): [40]}))
    assert statistics.scene.tolist() == ['sequence 00', 'sequence 08']
    np.testing.assert_allclose(statistics.time, [0.0, 2.5])


def test_wrappers_repeat_and_reorder_rows(write_scannet):
    dataset = write_scannet(LABELS)
    dataset.get_cat_ids = lambda i: [0] if i else list(range(20))

    def points(wrapped):
        statistics = scene_statistics(wrapped)
        assert len(statistics) == len(wrapped)
        return statistics.histogram.sum(axis=1).tolist()

    assert points(RepeatDataset(dataset, times=2)) == [1, 2, 3, 1, 2, 3]
    assert points(ConcatDataset([dataset, dataset])) == [1, 2, 3, 1, 2, 3]
    assert points(Subset(dataset, [2, 0])) == [3, 1]
    assert points(_SlicedDataset(dataset, 2)) == [1, 2]
    assert points(_SlicedDataset(RepeatDataset(dataset, times=2), 4)) == [1, 2, 3, 1]
    # classes 1 to 19 are in one of three scans: repeat factor sqrt(0.9 * 3) = 1.6, rounded up
    assert points(ClassBalancedDataset(dataset, oversample_thr=0.9)) == [1, 1, 2, 3]
    balanced = CBGSDataset(dataset)
    assert points(balanced) == [[1, 2, 3][i] for i in balanced.sample_indices]


def test_a_part_without_masks_leaves_the_whole_without(write_scannet):
    with_masks, without = write_scannet(LABELS), write_scannet(LABELS, pipeline=[])
    statistics = scene_statistics(ConcatDataset([with_masks, without]))
    assert statistics.scene.tolist() == SCENES * 2
    assert statistics.histogram is None and statistics.classes == ()


def test_an_unknown_wrapper_is_refused_by_name(write_scannet):
    class Shuffled:
        dataset = write_scannet(LABELS)

    with pytest.raises(TypeError, match='the indices of Shuffled .* expected one of Repeat'):
        scene_statistics(Shuffled())


def test_a_foreign_data_set_tells_nothing():
    statistics = scene_statistics(TensorDataset())
    assert not statistics.known and len(statistics) == 0
    assert isinstance(statistics, SceneStatistics)


def test_entries_of_a_serialized_data_set_are_not_held_together():
    class Boxes(BaseDataset):
        def load_data_list(self):
            boxes = [dict(bbox_3d=[float(i)] * 7) for i in range(200)]
            return [dict(lidar_points=dict(lidar_path=f'{i}.bin'), instances=boxes)
                    for i in range(300)]  # fmt: skip

    dataset = Boxes()
    one = len(dataset.data_bytes) / len(dataset)
    tracemalloc.start()
    try:
        assert len(scene_statistics(dataset)) == 300
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60 * one  # lists and dicts of one entry take some ten times its bytes

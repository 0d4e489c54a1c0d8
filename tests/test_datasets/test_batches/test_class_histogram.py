"""Counts against labels written by hand; the cache is trusted exactly as long as it is true."""

import errno
import os
import shutil
from pathlib import Path

import mmdet3d
import mmengine
import numpy as np
import pytest
from mmdet3d.registry import DATASETS
from mmengine.config import Config

from projects.SRKD.base import files
from projects.SRKD.datasets.batches import class_histogram
from projects.SRKD.datasets.batches.class_histogram import (
    MaskReader,
    cache_path,
    class_histograms,
    elsewhere,
)
from projects.SRKD.datasets.batches.scene_statistics import scene_statistics

# NYU40 ids of ScanNet: 1 wall, 2 floor, 5 chair, 39 otherfurniture; 0 and 13 are ignored
LABELS = {'scene0000_00': [1, 1, 2, 0], 'scene0001_00': [5, 5, 5, 39], 'scene0002_00': [0, 13]}
WALL, FLOOR, CHAIR, OTHER = 0, 1, 4, 19


@pytest.fixture
def reads(monkeypatch):
    """Paths of masks read, in order."""
    paths = []
    original = MaskReader.__call__
    monkeypatch.setattr(
        MaskReader, '__call__', lambda self, path: paths.append(path) or original(self, path)
    )
    return paths


def counts(dataset):
    return class_histograms(dataset, dataset.data_list)


def test_histograms_count_the_classes_of_training_and_not_the_ignored_points(write_scannet):
    expected = np.zeros((3, 20), np.int64)
    expected[0, [WALL, FLOOR]] = 2, 1
    expected[1, [CHAIR, OTHER]] = 3, 1
    histogram = counts(write_scannet(LABELS))
    assert histogram.dtype == np.int64
    np.testing.assert_array_equal(histogram, expected)


def test_histograms_of_semantickitti_drop_instance_ids_and_merge_moving_classes(
    write_semantickitti,
):
    dataset = write_semantickitti(
        {('00', 0): [10, 252 + (7 << 16), 40 + (1 << 16), 0], ('00', 1): [50]}
    )
    expected = np.zeros((2, 19), np.int64)
    expected[0, [0, 8]] = 2, 1  # car and moving car, road; unlabeled is not counted
    expected[1, 12] = 1
    np.testing.assert_array_equal(counts(dataset), expected)


def test_a_second_start_reads_only_the_spot_checks(write_scannet, reads):
    labels = {f'scene{i:04d}_00': [1] * (i + 1) for i in range(30)}
    first = counts(write_scannet(labels))
    assert len(reads) == 30
    second = counts(write_scannet(labels))
    assert len(reads) == 30 + 8
    np.testing.assert_array_equal(first, second)


def test_repeated_scenes_are_read_once(write_scannet, reads):
    histogram = counts(write_scannet(LABELS, scene_idxs=[1, 1, 0, 1]))
    assert len(reads) == 2
    np.testing.assert_array_equal(histogram[:, CHAIR], [3, 3, 0, 3])


def test_a_subset_leaves_a_cache_that_the_whole_completes(write_scannet, reads):
    counts(write_scannet(LABELS, scene_idxs=[0]))
    assert len(reads) == 1
    histogram = counts(write_scannet(LABELS))
    assert len(reads) == 1 + 1 + 2  # one spot check, two new ones
    np.testing.assert_array_equal(histogram.sum(axis=1), [3, 4, 0])


def test_masks_rewritten_under_the_same_names_are_noticed(write_scannet):
    counts(write_scannet(LABELS))
    changed = {**LABELS, 'scene0001_00': [1, 1, 1, 1]}
    np.testing.assert_array_equal(counts(write_scannet(changed))[1, [WALL, CHAIR]], [4, 0])


def test_another_class_mapping_makes_the_cache_stale(write_scannet, reads):
    dataset = write_scannet(LABELS)
    counts(dataset)
    dataset.seg_label_mapping = dataset.seg_label_mapping.copy()
    dataset.seg_label_mapping[5] = WALL
    np.testing.assert_array_equal(counts(dataset)[1, [WALL, CHAIR]], [3, 0])
    assert len(reads) == 6


def test_another_info_file_makes_the_cache_stale(write_scannet, reads):
    counts(write_scannet(LABELS))
    more = {**LABELS, 'scene0003_00': [2]}
    assert counts(write_scannet(more)).shape == (4, 20)
    assert len(reads) == 3 + 4


@pytest.mark.parametrize('damage', [b'', b'not a zip file', 'half'])
def test_a_damaged_cache_is_built_anew(write_scannet, damage):
    dataset = write_scannet(LABELS)
    expected = counts(dataset)
    path = cache_path(dataset)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage == 'half' else damage)
    np.testing.assert_array_equal(counts(dataset), expected)
    assert path.read_bytes() == whole


def test_the_cache_moves_with_the_data_set(write_scannet, reads, tmp_path):
    dataset = write_scannet(LABELS)
    counts(dataset)
    moved = tmp_path / 'elsewhere'
    shutil.move(tmp_path / 'scannet', moved)
    for info in dataset.data_list:
        info['pts_semantic_mask_path'] = info['pts_semantic_mask_path'].replace(
            str(tmp_path / 'scannet'), str(moved)
        )
    dataset.ann_file = str(moved / 'infos_train.pkl')
    counts(dataset)
    assert len(reads) == 3 + 3  # spot checks of all three


def refuse_below(monkeypatch, *folders, error):
    """Let no new file be made in these folders, as on a mount for reading alone."""
    make = files._new_part

    def refuse(path):
        if any(path.is_relative_to(folder) for folder in folders):
            raise OSError(error, os.strerror(error))
        return make(path)

    monkeypatch.setattr(files, '_new_part', refuse)


@pytest.mark.parametrize('error', [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_what_a_data_folder_does_not_take_is_kept_in_the_cache_folder(
    write_scannet, reads, monkeypatch, tmp_path, error
):
    dataset = write_scannet(LABELS)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    refuse_below(monkeypatch, dataset.data_root, error=error)
    histogram = counts(dataset)
    assert sorted(os.listdir(dataset.data_root)) == ['infos_train.pkl', 'points', 'semantic_mask']
    assert elsewhere(cache_path(dataset)).is_file()
    np.testing.assert_array_equal(counts(dataset), histogram)
    assert len(reads) == 3 + 3  # all, then spot checks of all three


def test_where_nothing_can_be_written_it_costs_a_warning_and_nothing_else(
    write_scannet, monkeypatch, tmp_path
):
    dataset = write_scannet(LABELS)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    refuse_below(monkeypatch, dataset.data_root, tmp_path / 'cache', error=errno.EROFS)
    with pytest.warns(UserWarning, match='could not be kept at .*infos_train.classes.npz'):
        histogram = counts(dataset)
    assert histogram.shape == (3, 20)
    assert sorted(os.listdir(dataset.data_root)) == ['infos_train.pkl', 'points', 'semantic_mask']


def test_without_an_info_file_nothing_is_kept(write_scannet):
    dataset = write_scannet(LABELS)
    dataset.ann_file = ''
    assert cache_path(dataset) is None
    assert counts(dataset).shape == (3, 20)


def test_a_missing_mask_is_named(write_scannet):
    dataset = write_scannet(LABELS)
    os.remove(dataset.data_list[1]['pts_semantic_mask_path'])
    with pytest.raises(FileNotFoundError, match='scene0001_00.bin, which does not exist'):
        counts(dataset)


def test_labels_beyond_the_mapping_are_named(write_scannet):
    with pytest.raises(
        ValueError,
        match='labels from 1 to 77, but the class mapping of ScanNetSegDataset covers 0 to 41',
    ):
        counts(write_scannet({'scene0000_00': [1, 77]}))


def test_a_pipeline_without_masks_gives_no_histogram(write_scannet):
    dataset = write_scannet(LABELS, pipeline=[])
    assert not MaskReader.usable(dataset, dataset.data_list)
    assert scene_statistics(dataset).histogram is None


def test_progress_is_drawn_on_request(write_scannet, capsys):
    dataset = write_scannet(LABELS)
    class_histograms(dataset, dataset.data_list, progress=True)
    assert 'masks: 3/3' in capsys.readouterr().err


def test_real_semantickitti_frames_are_counted_as_a_loop_counts_them(realdata, tmp_path):
    root = realdata / 'semantickitti'
    config = Config.fromfile(
        Path(mmdet3d.__file__).parent / '.mim/configs/_base_/datasets/semantickitti.py'
    )
    frames = ['sequences/00/{}/000000.{}', 'sequences/08/{}/000000.{}']
    entries = [
        dict(
            lidar_points=dict(lidar_path=name.format('velodyne', 'bin'), num_pts_feats=4),
            pts_semantic_mask_path=name.format('labels', 'label'),
        )
        for name in frames
    ]
    mmengine.dump(dict(metainfo={}, data_list=entries), tmp_path / 'infos.pkl')
    config.train_dataloader.dataset.update(
        data_root=str(root), ann_file=str(tmp_path / 'infos.pkl')
    )
    statistics = scene_statistics(DATASETS.build(config.train_dataloader.dataset))

    expected = np.zeros((2, 19), np.int64)
    for row, name in zip(expected, frames):
        raw = np.fromfile(root / name.format('labels', 'label'), np.int32) & 0xFFFF
        for label, count in zip(*np.unique(raw, return_counts=True)):
            if config.labels_map[int(label)] < 19:
                row[config.labels_map[int(label)]] += count
    np.testing.assert_array_equal(statistics.histogram, expected)
    assert expected.sum() > 200_000
    assert statistics.scene.tolist() == ['sequence 00', 'sequence 08']


def test_the_place_of_a_mask_is_made_relative_once(write_scannet, monkeypatch):
    asked = []
    portable = class_histogram._portable
    monkeypatch.setattr(class_histogram, '_portable', lambda *a: asked.append(1) or portable(*a))
    counts(write_scannet(LABELS))
    assert len(asked) == len(LABELS)  # a second of 100,000

"""Scans for the teacher: the training set without its augmentation, or in views; each scan once."""

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import ConfigDict
from toy import minkunet, write_scannet
from toy_training import NUM_CLASSES, plain_config

from projects.SRKD.distill.cache_writing.scans import (
    CleanScans,
    ReplayedScans,
    training_scans,
    with_identity,
)


@pytest.fixture
def config(tmp_path):
    write_scannet(tmp_path / 'data', train=4)
    return plain_config(tmp_path / 'data', tmp_path, minkunet(num_classes=NUM_CLASSES))


def test_points_come_as_they_lie_in_the_file(config, tmp_path):
    scans = CleanScans(config)
    assert len(scans) == 4
    for scan, name in enumerate(scans.table['path']):
        file = np.fromfile(tmp_path / 'data' / name, np.float32).reshape(-1, 6)
        points, row, size, sample = scans.load(scan)
        assert size == 400 and row.tolist() == list(range(400))
        np.testing.assert_array_equal(points[:, :3], file[:, :3])
        np.testing.assert_allclose(points[:, 3:], file[:, 3:] / 255, rtol=1e-6)
        assert sample.lidar_path.endswith(name)


def test_a_file_that_a_resampled_list_repeats_counts_once(config):
    config.train_dataloader.dataset.scene_idxs = [3, 1, 3, 3, 0]
    table = CleanScans(config).table
    names = ['points/scene0001_01.bin', 'points/scene0000_01.bin', 'points/scene0000_00.bin']
    assert table == dict(path=names, bytes=[9600] * 3, scan=[0, 1, 0, 0, 2])


def test_wrappers_are_looked_into(config):
    inner = config.train_dataloader.dataset
    config.train_dataloader.dataset = ConfigDict(type='RepeatDataset', times=5, dataset=inner)
    assert len(CleanScans(config)) == 4


def test_points_that_the_test_pipeline_leaves_out_keep_their_numbers(config):
    pipeline = config.test_dataloader.dataset.pipeline
    crop = dict(type='PointsRangeFilter', point_cloud_range=[0, 0, 0, 1, 9, 9])
    config.test_dataloader.dataset.pipeline = [*pipeline[:-1], crop, pipeline[-1]]
    points, row, size, _ = CleanScans(config).load(0)
    assert size == 400 and 100 < len(points) == len(row) < 300
    config.test_dataloader.dataset.pipeline = pipeline
    torch.testing.assert_close(CleanScans(config).load(0)[0][row], points)


def test_facts_follow_data_and_pipeline(config, tmp_path):
    before = CleanScans(config).facts
    assert before['data']['scans'] == 4 and before == CleanScans(config).facts
    config.test_dataloader.dataset.pipeline.insert(-1, dict(type='CenterShift'))
    after = CleanScans(config).facts
    assert after['data'] == before['data'] and after['pipeline'] != before['pipeline']
    for folder, size in (('points', 24), ('semantic_mask', 8)):
        with open(tmp_path / f'data/{folder}/scene0001_00.bin', 'ab') as file:
            file.write(bytes(size))
    assert CleanScans(config).facts['data'] != before['data']


def test_the_size_of_all_is_judged_by_their_files(config):
    scans = CleanScans(config)
    scans.table['bytes'] = [100, 200, 300, 50]
    assert scans.share([1, 2, 3]) == (200 + 300 + 50) / 200
    scans.table['bytes'] = [0] * 4
    assert scans.share([1, 2, 3]) == 3


def test_a_test_pipeline_that_draws_is_refused(config):
    config.test_dataloader.dataset.pipeline.insert(-1, dict(type='PointSample', num_points=100))
    with pytest.raises(ValueError, match='changes points at random, expected one that only loads'):
        CleanScans(config)


def test_joined_data_sets_are_refused(config):
    inner = config.train_dataloader.dataset
    config.train_dataloader.dataset = ConfigDict(type='ConcatDataset', datasets=[inner, inner])
    with pytest.raises(ValueError, match='ConcatDataset joins 2 data sets, .* numbers alike'):
        CleanScans(config)


def test_identity_is_added_once_and_behind_loading():
    steps = [dict(type='LoadPointsFromFile'), dict(type='LoadPointsFromMultiSweeps'),
             dict(type='LoadAnnotations3D'), dict(type='Pack3DDetInputs')]  # fmt: skip
    kinds = [step['type'] for step in with_identity(steps)]
    assert kinds == ['LoadPointsFromFile', 'LoadPointsFromMultiSweeps', 'AddPointIdentity',
                     'LoadAnnotations3D', 'Pack3DDetInputs']  # fmt: skip
    assert with_identity(with_identity(steps)) == with_identity(steps)
    with pytest.raises(ValueError, match=r'must load points by .* got \[.Pack3DDetInputs.\]'):
        with_identity(steps[-1:])


JITTER = dict(type='RandomJitterPoints', jitter_std=[0.05] * 3, clip_range=[-0.1, 0.1])


@pytest.fixture
def replayed(config):
    """The same config, shown in views."""
    dataset = config.train_dataloader.dataset
    replay = dict(type='ReplayViews', views=3, transforms=[JITTER, *dataset.pipeline[3:]])
    dataset.pipeline = [*dataset.pipeline[:3], replay]
    return config


def test_a_pipeline_that_ends_with_views_is_shown_in_them(replayed):
    scans = training_scans(replayed)
    assert isinstance(scans, ReplayedScans) and str(scans) == '3 views of each of 4 scans'
    assert len(scans) == 12 and scans.facts['views'] == 3 and 'pipeline' not in scans.facts
    dataset = DATASETS.build(replayed.train_dataloader.dataset)
    met = set()
    while len(met) < 12:
        for scan in range(4):
            sample = dataset[scan]
            replay = sample['data_samples'].replay
            shown = scans.load(4 * replay['view'] + scan)
            assert torch.equal(shown.points, sample['inputs']['points'])
            assert shown.row.tolist() == list(range(shown.size)) and shown.size == 400
            met.add((scan, replay['view']))


def test_views_of_a_scan_that_a_list_repeats_count_once(replayed):
    replayed.train_dataloader.dataset.scene_idxs = [3, 1, 3, 0]
    scans, dataset = training_scans(replayed), replayed.train_dataloader.dataset
    assert len(scans) == 9 and scans.table['scan'] == [0, 1, 0, 2]
    sample = DATASETS.build(dataset)[2]  # the scan of index 0 again
    shown = scans.load(3 * sample['data_samples'].replay['view'])
    assert torch.equal(shown.points, sample['inputs']['points'])
    scans.table['bytes'] = [100, 200, 50]
    assert scans.share([0, 3, 4, 8]) == (100 + 100 + 200 + 50) / 100


def test_a_pipeline_without_views_is_shown_clean(config):
    scans = training_scans(config)
    assert isinstance(scans, CleanScans) and str(scans) == '4 scans' and scans.facts['views'] == 0


def test_the_first_of_many_views_are_those_of_few(replayed):
    few, many = training_scans(replayed), training_scans(replayed, 5)
    assert len(many) == 20 and many.facts == few.facts | dict(views=5)
    for file in range(len(few)):
        assert torch.equal(few.load(file).points, many.load(file).points)


@pytest.mark.parametrize('views', [0, -1])
def test_a_number_of_views_that_is_no_count_is_refused(replayed, views):
    match = f'views of ReplayViews must be an integer of at least 1, but got {views}'
    with pytest.raises(ValueError, match=match):
        training_scans(replayed, views)


def test_a_number_of_views_of_clean_scans_is_refused(config):
    match = r'\(--views\) must be left out where clean scans are cached, but got 4: for views, end'
    with pytest.raises(ValueError, match=match):
        training_scans(config, 4)


def test_views_must_come_last(replayed):
    replayed.train_dataloader.dataset.pipeline.append(dict(type='CenterShift'))
    with pytest.raises(ValueError, match='goes on behind ReplayViews, .* CenterShift included'):
        training_scans(replayed)


def test_draws_in_front_of_views_are_refused(replayed):
    replayed.train_dataloader.dataset.pipeline.insert(3, JITTER)
    match = 'first scan is another cloud each time: a transform in front of ReplayViews draws'
    with pytest.raises(ValueError, match=match):
        training_scans(replayed)


@pytest.mark.parametrize('seed', range(3))
def test_rare_draws_in_front_of_views_are_refused_too(replayed, seed):
    np.random.seed(seed)
    steps = replayed.train_dataloader.dataset.pipeline
    mix = dict(type='Mix3D', p=0.2, pre_transform=list(steps[:3]))
    steps.insert(3, mix)
    with pytest.raises(ValueError, match='first scan is another cloud each time: a transform in'):
        training_scans(replayed)


def test_draws_without_effect_in_front_of_views_are_not(replayed):
    steps = replayed.train_dataloader.dataset.pipeline
    steps.insert(3, dict(type='RandomFlip3D', sync_2d=False, flip_ratio_bev_horizontal=0.0))
    assert len(training_scans(replayed)) == 12


def empty(results):
    results['inputs']['points'] = results['inputs']['points'][:0]
    return results


@pytest.mark.parametrize('last', [lambda results: None, empty])
def test_a_view_that_leaves_nothing_is_refused(replayed, monkeypatch, last):
    scans = training_scans(replayed)
    monkeypatch.setattr(scans.replay, 'transforms', [*scans.replay.transforms, last])
    with pytest.raises(ValueError, match=r'view 1 of points/scene0000_01.bin leaves nothing of'):
        scans.load(5)

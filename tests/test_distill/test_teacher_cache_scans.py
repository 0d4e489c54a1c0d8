"""Clean scans: the training set without its augmentation, each file once."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from toy import minkunet, write_scannet
from toy_training import NUM_CLASSES, plain_config

from projects.SRKD.distill.teacher_cache_scans import CleanScans, with_identity


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
    with pytest.raises(ValueError, match=r'loads no points, .* got \[.Pack3DDetInputs.\]'):
        with_identity(steps[-1:])

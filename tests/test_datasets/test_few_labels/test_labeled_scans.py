"""Labeled scans alone: those that PartialLabels keeps, in an epoch of the same length."""

import copy

import pytest
from mmdet3d.registry import DATASETS
from toy import minkunet, write_scannet
from toy_training import NUM_CLASSES, plain_config

from projects.SRKD.datasets import LabeledScans, PartialLabels

SCANS = 6


@pytest.fixture
def inner(tmp_path):
    write_scannet(tmp_path / 'data', train=SCANS)
    config = plain_config(tmp_path / 'data', tmp_path / 'run', minkunet(num_classes=NUM_CLASSES))
    return config.train_dataloader.dataset


def build(kind, inner, **options):
    return DATASETS.build(dict(type=kind.__name__, dataset=copy.deepcopy(inner), **options))


@pytest.mark.parametrize('seed', range(4))
def test_the_scans_are_those_whose_labels_partial_labels_keeps(inner, seed):
    part = build(PartialLabels, inner, labeled=2, seed=seed)
    alone = build(LabeledScans, inner, labeled=2, seed=seed)
    assert alone.names == part.names
    shown = {alone[i]['data_samples'].lidar_path.split('/')[-1] for i in range(len(alone))}
    assert shown == {name.split('/')[-1] for name in part.names}


@pytest.mark.parametrize('labeled', [1, 2, 4, 5, 6])
def test_an_epoch_is_as_long_as_that_of_all_scans(inner, labeled):
    alone = build(LabeledScans, inner, labeled=labeled)
    assert len(alone) == SCANS
    often = [alone.get_data_info(i)['lidar_points']['lidar_path'] for i in range(SCANS)]
    counts = [often.count(path) for path in set(often)]
    assert len(counts) == labeled and max(counts) - min(counts) <= 1


def test_labels_are_there_in_every_repetition(inner):
    alone = build(LabeledScans, inner, labeled=1)
    for i in range(len(alone)):
        label = alone[i]['data_samples'].gt_pts_seg.pts_semantic_mask
        assert (label != alone.dataset.ignore_index).any()

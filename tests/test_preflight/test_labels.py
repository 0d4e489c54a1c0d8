"""A pipeline that hands no labels on is told before the network asks for them."""

import random
from pathlib import Path

import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from toy_kitti import small_streets
from toy_runner import runner_of

from projects.MiniScenes.rooms import write_scannet
from projects.SRKD.base import UsageError
from projects.SRKD.preflight.labels import check_training_labels

DATA = Path(__file__).parents[2] / 'configs/_base_/datasets'


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    base = tmp_path_factory.mktemp('data')
    return {
        'mini-scannet-seg': write_scannet(base / 'rooms', 2, 1, seed=0, points=500),
        'mini-kitti-3d': small_streets(base / 'streets', 3, 2, azimuth_steps=360),
    }


def training(root, name, change):
    """The training data of a base file, its pipeline changed."""
    cfg = Config.fromfile(DATA / f'{name}.py').train_dataloader.dataset
    cfg.data_root = f'{root}/'
    cfg.pipeline = change([step for step in cfg.pipeline if step.type != 'ObjectSample'])
    return DATASETS.build(cfg)


def packing(*keys):
    return lambda steps: [*steps[:-1], dict(type='Pack3DDetInputs', keys=list(keys))]


def without(*kinds):
    return lambda steps: [step for step in steps if step.type not in kinds]


CASES = [
    ('mini-scannet-seg', packing('points'), 'without pts_semantic_mask: expected a step that load'),
    ('mini-scannet-seg', packing('pts_semantic_mask'), 'without points'),
    ('mini-scannet-seg', without('LoadAnnotations3D', 'LoadSegAnnotationsChecked',
                                 'PointSegClassMapping'), 'without pts_semantic_mask'),
    ('mini-kitti-3d', packing('points'), 'without gt_labels_3d'),
    ('mini-kitti-3d', packing('points', 'gt_labels_3d'), 'without gt_bboxes_3d'),
]  # fmt: skip


@pytest.mark.parametrize(('name', 'change', 'message'), CASES)
def test_a_sample_without_points_or_labels_is_refused(roots, name, change, message):
    runner = runner_of(training(roots[name], name, change))
    with pytest.raises(UsageError, match=rf'train_dataloader makes of .*\.bin a .*{message}'):
        check_training_labels(runner)


@pytest.mark.parametrize('name', ['mini-scannet-seg', 'mini-kitti-3d'])
def test_the_pipelines_that_are_shipped_pass_and_nobody_notices_the_look(roots, name):
    runner = runner_of(training(roots[name], name, list))
    states = random.getstate(), torch.get_rng_state()
    check_training_labels(runner)
    assert random.getstate() == states[0] and torch.equal(torch.get_rng_state(), states[1])

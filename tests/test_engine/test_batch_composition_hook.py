"""Logged composition against batches whose pairs can be counted by hand."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
import torch
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.hooks import LoggerHook
from mmengine.logging import MessageHub
from mmengine.structures import InstanceData

from projects.SRKD.engine.batch_composition_hook import (
    BatchCompositionHook,
    class_overlap,
    cross_scene_pairs,
)


def sample(path=None, points=None, boxes=None):
    data = Det3DDataSample(metainfo={} if path is None else dict(lidar_path=path))
    if points is not None:
        data.gt_pts_seg = PointData(pts_semantic_mask=torch.tensor(points, dtype=torch.int64))
    if boxes is not None:
        data.gt_instances_3d = InstanceData(labels_3d=torch.tensor(boxes, dtype=torch.int64))
    return data


def kitti(frame):
    return f'sequences/00/velodyne/{frame:06d}.bin'


def test_pairs_of_one_room_do_not_count_as_cross_scene():
    batch = [
        sample(f'points/{name}.bin') for name in ('scene0000_00', 'scene0000_01', 'scene0001_00')
    ]
    assert cross_scene_pairs(batch, window=20.0) == (2, 3)


def test_frames_count_by_the_window():
    batch = [sample(kitti(frame)) for frame in (0, 100, 300)]  # 0 s, 10 s, 30 s
    assert cross_scene_pairs(batch, window=20.0) == (2, 3)
    assert cross_scene_pairs(batch, window=5.0) == (3, 3)


def test_one_sample_or_no_path_gives_no_pairs():
    assert cross_scene_pairs([sample(kitti(0))], 20.0) == (0, 0)
    assert cross_scene_pairs([sample(kitti(0)), sample()], 20.0) == (0, 0)


def test_overlap_is_shared_over_held_classes_without_ignored_points():
    # {0, 1} and {1, 2}: 1/3; {0, 1} and {0, 1}: 1; {1, 2} and {0, 1}: 1/3; 20 and -1 are ignored
    batch = [sample(points=[0, 0, 1, 20]), sample(points=[1, 2, -1]), sample(points=[1, 0])]
    total, pairs = class_overlap(batch, n_classes=20)
    assert pairs == 3 and total == pytest.approx(1 / 3 + 1 + 1 / 3)
    assert class_overlap(batch[:2], n_classes=None) == (pytest.approx(1 / 4), 1)


def test_overlap_falls_back_to_boxes():
    batch = [sample(boxes=[0, 0, 2]), sample(boxes=[2, -1])]
    assert class_overlap(batch, n_classes=3) == (0.5, 1)


def test_empty_scans_are_not_compared_with_each_other():
    batch = [sample(points=[]), sample(points=[20]), sample(points=[3])]
    assert class_overlap(batch, n_classes=20) == (0.0, 2)
    assert class_overlap([sample(), sample()], n_classes=20) == (0.0, 0)


@pytest.fixture
def runner():
    dataset = SimpleNamespace(metainfo=dict(classes=tuple('abc')))
    return SimpleNamespace(
        hooks=[LoggerHook(interval=2)],
        train_dataloader=SimpleNamespace(dataset=dataset, batch_sampler=SimpleNamespace()),
        message_hub=MessageHub.get_instance(uuid4().hex),  # a hub of its own
    )


def logged(runner):
    scalars = runner.message_hub.log_scalars
    assert not any('loss' in key for key in scalars)  # mmengine would add such a key to the loss
    return {key: value.current() for key, value in scalars.items()}


def test_the_logged_values_are_means_over_the_logging_interval(runner):
    hook = BatchCompositionHook()
    hook.before_train(runner)
    apart = [sample('scene0000_00.bin', [0]), sample('scene0001_00.bin', [0])]
    close = [sample('scene0000_00.bin', [0]), sample('scene0000_01.bin', [0, 1])]
    far = [sample('scene0000_00.bin', [0]), sample('scene0001_01.bin', [1])]
    values = []
    for step, batch in enumerate([apart, close, far]):
        hook.before_train_iter(runner, step, dict(data_samples=batch))
        values.append(logged(runner))
    assert values == [
        {'train/cross_scene_pairs': 1.0, 'train/class_overlap': 1.0},
        {'train/cross_scene_pairs': 0.5, 'train/class_overlap': 0.75},
        {'train/cross_scene_pairs': 0.5, 'train/class_overlap': 0.25},
    ]  # the last two batches


def test_nothing_is_logged_without_pairs(runner):
    hook = BatchCompositionHook(interval=5)
    hook.before_train(runner)
    hook.before_train_iter(runner, 0, dict(data_samples=[sample('scene0000_00.bin', [0])]))
    hook.before_train_iter(runner, 1, dict(inputs=1))
    hook.before_train_iter(runner, 2, None)
    assert logged(runner) == {}


def test_the_window_is_that_of_the_batch_sampler(runner):
    runner.train_dataloader.batch_sampler.window = 5.0
    batch = dict(data_samples=[sample(kitti(0)), sample(kitti(100))])
    for window, expected in ((None, 1.0), (20.0, 0.0)):
        hook = BatchCompositionHook(window=window)
        hook.before_train(runner)
        hook.before_train_iter(runner, 0, batch)
        assert logged(runner)['train/cross_scene_pairs'] == expected


def test_an_interval_of_zero_is_refused():
    with pytest.raises(ValueError, match='positive number of iterations, but got interval=0'):
        BatchCompositionHook(interval=0)

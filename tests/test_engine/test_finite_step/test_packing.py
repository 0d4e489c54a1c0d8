"""Batches as plain data and back."""

import os

import numpy as np
import pytest
import torch
from mmdet3d.structures import (
    Box3DMode,
    CameraInstance3DBoxes,
    DepthInstance3DBoxes,
    Det3DDataSample,
    LiDARInstance3DBoxes,
    LiDARPoints,
    PointData,
)
from mmengine.structures import InstanceData
from toy import batch
from toy_detectors import scenes

from projects.SRKD.base import UsageError
from projects.SRKD.compat.safe_pickle import load_checkpoint
from projects.SRKD.distill import Features
from projects.SRKD.engine.finite_step.packing import LARGE, pack, tensors_in, unpack


def through_a_file(value, folder):
    torch.save(pack(value), folder / 'packed.pth')
    return unpack(load_checkpoint(folder / 'packed.pth'))


def same(one, other):
    """Whether two structures are of the same classes and hold the same."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, 'metainfo_items'):
        parts = ('metainfo_items', 'items')
        return all(same(*(dict(getattr(e, part)()) for e in (one, other))) for part in parts)
    return same(vars(one), vars(other)) if hasattr(one, '__dict__') else one == other


@pytest.mark.parametrize('made', [batch, scenes])
def test_a_batch_comes_back_as_it_was(tmp_path, made):
    assert same(through_a_file(made(), tmp_path), made())


@pytest.mark.parametrize(
    'kind', [LiDARInstance3DBoxes, CameraInstance3DBoxes, DepthInstance3DBoxes]
)
def test_boxes_are_neither_moved_nor_widened(tmp_path, kind):
    with_yaw, without = kind(torch.rand(3, 7)), kind(torch.rand(2, 6), box_dim=6, with_yaw=False)
    for boxes in (with_yaw, without, kind(torch.rand(2, 9), box_dim=9)):
        back = through_a_file(boxes, tmp_path)
        assert type(back) is kind and torch.equal(back.tensor, boxes.tensor)
        assert (back.box_dim, back.with_yaw) == (boxes.box_dim, boxes.with_yaw)
        assert torch.equal(back.corners, boxes.corners)


def test_points_features_classes_and_modes_come_back(tmp_path):
    points = LiDARPoints(torch.rand(4, 5), points_dim=5, attribute_dims=dict(height=3))
    back = through_a_file(points, tmp_path)
    assert torch.equal(back.height, points.height) and back.rotation_axis == points.rotation_axis
    features = Features(torch.rand(4, 2), torch.ones(4, 4).int(), 1, (8, 8, 8))
    assert same(through_a_file(features, tmp_path), features)
    meta = dict(kind=LiDARInstance3DBoxes, mode=Box3DMode.LIDAR, lidar2img=np.eye(4), n=np.int64(3))
    assert same(through_a_file(meta, tmp_path), meta)


class OwnSample(Det3DDataSample):
    pass


def test_a_sample_of_a_users_class_becomes_the_class_that_it_inherits(tmp_path):
    sample = OwnSample(metainfo=dict(lidar_path='a.bin'), gt_pts_seg=PointData(x=torch.ones(2)))
    back = through_a_file(sample, tmp_path)
    assert type(back) is Det3DDataSample and back.lidar_path == 'a.bin'
    assert torch.equal(back.gt_pts_seg.x, torch.ones(2))


def test_what_is_no_data_is_left_out(tmp_path):
    value = dict(net=torch.nn.ReLU(), kind=dict, odd=np.array([{}], object), good=1)
    assert through_a_file(value, tmp_path) == dict(net=None, kind=None, odd=None, good=1)


@pytest.mark.parametrize('name', ['OSError', 'points_cam2img', 'os.system', 3])
def test_a_file_may_name_structures_alone(name):
    for packed in (dict(_is=name), dict(_is='class', name=name)):
        with pytest.raises(UsageError, match='must be one of mmdet3d.structures or mmengine'):
            unpack(packed)


class Hostile:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_file_that_calls_something_stays_inert(tmp_path):
    torch.save(dict(_is=Hostile(f'touch {tmp_path}/ran')), tmp_path / 'bad.pth')
    with pytest.raises(UsageError):
        unpack(load_checkpoint(tmp_path / 'bad.pth'))
    assert not (tmp_path / 'ran').exists()


def test_small_tensors_are_copied_and_large_ones_shared():
    small, large = torch.zeros(3), torch.zeros(LARGE // 4)
    packed = pack([small, large, np.zeros(3)])
    small += 1
    large += 1
    assert packed[0].sum() == 0 and packed[1].sum() == LARGE // 4


def test_tensors_are_found_under_the_names_that_a_reader_knows():
    found = [path for path, _ in tensors_in(pack(scenes()))]
    assert ('inputs', 'points', 1) in found
    assert ('data_samples', 0, 'gt_instances_3d', 'bboxes_3d') in found
    sample = Det3DDataSample(metainfo=dict(matrix=torch.ones(2)), gt_instances_3d=InstanceData())
    assert [*tensors_in(pack(sample))] == []

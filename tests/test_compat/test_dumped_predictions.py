"""Predictions that mmengine's ``DumpResults`` has written are read as data."""

import copy
import io
import os
import pickle

import mmengine
import numpy as np
import pytest
import torch
from mmdet3d.structures import (
    Box3DMode,
    CameraInstance3DBoxes,
    DepthInstance3DBoxes,
    LiDARInstance3DBoxes,
)
from mmengine.evaluator import DumpResults
from mmengine.structures import BaseDataElement
from toy import batch, build, minkunet
from toy_detectors import pointpillars, scenes

from projects.SRKD import compat
from projects.SRKD.base import UsageError

compat.apply()


def equal(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, (torch.Tensor, np.ndarray)):
        return one.dtype == other.dtype and bool((one == other).all())
    if hasattr(one, 'tensor'):
        return vars(one).keys() == vars(other).keys() and equal(vars(one), vars(other))
    return one == other


@pytest.mark.parametrize(
    ('network', 'data'),
    [(pointpillars, lambda: scenes((90, 60))), (minkunet, lambda: batch((90, 60)))],
)
def test_a_dumped_file_comes_back(network, data, tmp_path):
    model = build(network(4)).eval()
    with torch.no_grad():
        found = model(**model.data_preprocessor(data(), False), mode='predict')
    metric = DumpResults(str(tmp_path / 'dumped.pkl'))
    metric.process({}, [sample.to_dict() for sample in found])
    metric.evaluate(len(found))
    read = mmengine.load(tmp_path / 'dumped.pkl')
    with (tmp_path / 'dumped.pkl').open('rb') as file:
        assert len(read) == 2 and equal(read, pickle.load(file))
    if network is pointpillars:
        boxes = read[0]['pred_instances_3d']['bboxes_3d']
        assert isinstance(boxes, LiDARInstance3DBoxes) and boxes.bev.shape == (len(boxes), 5)


@pytest.mark.parametrize('protocol', [2, 4, 5])
@pytest.mark.parametrize(
    'kind', [CameraInstance3DBoxes, DepthInstance3DBoxes, LiDARInstance3DBoxes]
)
def test_boxes_of_every_kind_come_back_and_work(kind, protocol):
    boxes = kind(torch.rand(3, 9), box_dim=9)
    content = dict(a=boxes, again=boxes, mode=Box3DMode.LIDAR, kind=kind, t=torch.arange(4).half(),
                   empty=kind(torch.zeros(0, 7)), part=torch.rand(4, 4)[1:, ::2])  # fmt: skip
    found = loaded(pickle.dumps(content, protocol))
    assert equal(found, content) and found['again'] is found['a']
    assert torch.equal(found['a'].corners, boxes.corners)


def loaded(raw):
    return mmengine.load(io.BytesIO(raw), file_format='pkl')


class Called:
    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def state(**changes):
    return dict(tensor=torch.zeros(2, 7), box_dim=7, with_yaw=True) | changes


@pytest.mark.parametrize(
    'attack',
    [
        Called(LiDARInstance3DBoxes, [[1.0] * 7]),
        Called(object.__new__, LiDARInstance3DBoxes),
        Called(Box3DMode, 7),
        Called(Box3DMode, 'LIDAR'),
        Called(torch.storage._load_from_bytes, b'cos\nmkdir\n.'),
        Called(torch.storage._load_from_bytes, 'text'),
        Called(torch.storage._load_from_bytes),
    ],
)
def test_nothing_is_called_with_arguments_of_the_files_choice(attack):
    with pytest.raises(UsageError):
        loaded(pickle.dumps([attack], 4))


@pytest.mark.parametrize(
    ('wrong', 'told'),
    [
        (state(tensor=[1, 2]), 'no rows of numbers'),
        (state(tensor=torch.zeros(7)), 'no rows of numbers'),
        (state(tensor=torch.zeros(2, 7, dtype=torch.int64)), 'no rows of numbers'),
        (state(box_dim=9), 'boxes have 7 numbers each'),
        (state(tensor=torch.zeros(2, 3), box_dim=3), 'boxes have 3 numbers each'),
        (state(with_yaw=7), 'whether they have a yaw'),
    ],
)
def test_boxes_of_other_attributes_are_refused(wrong, told):
    boxes = object.__new__(LiDARInstance3DBoxes)
    vars(boxes).update(wrong)
    with pytest.raises(UsageError, match=told):
        loaded(pickle.dumps(boxes, 4))


def test_a_state_that_is_no_dict_is_refused():
    name = f'{LiDARInstance3DBoxes.__module__}\n{LiDARInstance3DBoxes.__name__}\n'.encode()
    with pytest.raises(UsageError, match='boxes have no attributes'):
        loaded(b'\x80\x02c' + name + b')\x81]K\x01ab.')
    with pytest.raises(UsageError, match='made of their attributes alone'):
        loaded(b'\x80\x02c' + name + b'K\x01\x85\x81.')


def test_a_storage_runs_nothing_either(tmp_path):
    marker = tmp_path / 'ran'
    file = io.BytesIO()
    torch.save(Called(os.mkdir, str(marker)), file, _use_new_zipfile_serialization=False)
    attack = pickle.dumps(Called(torch.storage._load_from_bytes, file.getvalue()), 4)
    with pytest.raises(UsageError, match='a checkpoint that holds something else'):
        loaded(attack)
    assert not marker.exists()


def test_other_elements_are_still_refused():
    with pytest.raises(UsageError, match='the pickle names mmengine.*BaseDataElement, expected'):
        loaded(pickle.dumps(copy.copy(BaseDataElement())))

"""What channels of heads stand for: as many as the layers have, and told apart."""

import copy

import pytest
import torch
from toy import build, minkunet
from zoo_detectors import small

from projects.SRKD.base import UsageError
from projects.SRKD.models.head_classes import (
    channel_meaning,
    channel_order,
    check_head,
    class_count,
    task_ids,
    task_names,
)

NETWORKS = ('pointpillars', 'second', 'pointpillars-nus', 'centerpoint-pillar', 'point-rcnn')
CLASSES = {'pointpillars-nus': 10, 'centerpoint-pillar': 10}


def config(name):
    return minkunet() if name == 'segmentor' else small(name) if name != 'point-rcnn' else rcnn()


def rcnn():
    from zoo_detectors import teacher

    return teacher('point-rcnn')


@pytest.mark.parametrize('name', [*NETWORKS, 'segmentor'])
def test_every_output_of_a_head_has_a_meaning_for_each_channel(name):
    cfg = config(name)
    count = class_count(cfg)
    assert count == (5 if name == 'segmentor' else CLASSES.get(name, 3))
    names = [f'class {i}' for i in range(count)]
    network, known = build(cfg), {}
    for path, module in network.named_modules():
        meaning = channel_meaning(cfg, path, names)
        if meaning is None:
            continue
        last = next((m for m in reversed(list(module.modules())) if hasattr(m, 'weight')), module)
        assert len(meaning) == len(last.weight), path
        known[path] = meaning
        if path.endswith(('conv_cls', 'conv_seg', 'heatmap', 'cls_layers')):
            told = {entry[1] if isinstance(entry, tuple) else entry for entry in meaning}
            assert told <= set(names) and told
    assert len(known) >= (1 if name == 'segmentor' else 2)
    hidden = [path for path in known if path.endswith(('shared_conv', 'heatmap.0', 'cls_layers.0'))]
    assert not hidden


@pytest.mark.parametrize('path', ['backbone', 'neck.deblocks.0', 'bbox_head', 'voxel_encoder'])
def test_features_have_no_meaning_by_channel(path):
    assert channel_meaning(small('pointpillars'), path, ('a', 'b', 'c')) is None


def test_channels_are_anchors_times_classes():
    meaning = channel_meaning(small('pointpillars'), 'bbox_head.conv_cls', ('ped', 'cyc', 'car'))
    assert len(set(meaning)) == len(meaning) == 18
    (owner, z, size, turn), kind = meaning[4]  # second anchor, second class
    assert (owner, z, size, turn, kind) == ('ped', -0.6, (0.8, 0.6, 1.73), 1.57, 'cyc')


def test_a_softmax_has_a_background():
    cfg = copy.deepcopy(small('pointpillars'))
    cfg.bbox_head.loss_cls.use_sigmoid = False
    meaning = channel_meaning(cfg, 'bbox_head.conv_cls', ('ped', 'cyc', 'car'))
    assert len(meaning) == 24 and meaning[3][1] == 'background'


@pytest.mark.parametrize('student, teacher, order', [
    ('abc', 'abc', [0, 1, 2]), ('abc', 'cab', [1, 2, 0]), ('ab', 'abc', None), ('abc', 'ab', None),
    ('ab', 'ac', None), ('aab', 'aba', None), ('aab', 'aab', [0, 1, 2])])  # fmt: skip
def test_only_permutations_have_an_order(student, teacher, order):
    found = channel_order(tuple(student), tuple(teacher))
    assert (None if found is None else found.tolist()) == order
    if found is not None:
        values = torch.tensor([ord(each) for each in teacher])[found]
        assert values.tolist() == [ord(each) for each in student]


def test_tasks_have_their_ids_and_names():
    cfg = small('centerpoint-pillar')
    assert task_names(cfg)[:3] == ('car', 'truck', 'construction_vehicle')
    assert task_ids(cfg, 'pts_bbox_head.task_heads.2.reg') == (3, 4)
    assert task_ids(cfg, 'pts_bbox_head.shared_conv') is None
    assert task_ids(small('pointpillars'), 'bbox_head.conv_cls') is None


def test_a_head_that_contradicts_itself_is_refused():
    cfg = copy.deepcopy(small('pointpillars'))
    check_head(cfg)
    cfg.train_cfg.assigner = cfg.train_cfg.assigner[:2]
    with pytest.raises(UsageError, match='student.bbox_head.num_classes is 3, .*assigner has 2'):
        check_head(cfg, 'student')

"""One class: enough for boxes, not for a softmax over points."""

import pytest
from mmengine.config import Config

from projects.SRKD.base import UsageError
from projects.SRKD.preflight.single_class import check_more_than_one_class


def segmentor(**head):
    return dict(type='Segmentor', decode_head=dict(type='Head', **head))


@pytest.mark.parametrize('inside', [False, True])
def test_segmentation_into_one_class_is_refused(inside):
    student = segmentor(num_classes=1)
    model = dict(type='DistillSegmentor', student=student, teacher={}) if inside else student
    with pytest.raises(UsageError, match='decode_head.num_classes=1: a softmax over one class'):
        check_more_than_one_class(Config(dict(model=model)), ('train',))


@pytest.mark.parametrize(
    'model',
    [
        segmentor(num_classes=2),
        segmentor(num_classes=1, loss_decode=dict(use_sigmoid=True)),
        dict(type='Detector', bbox_head=dict(num_classes=1)),
    ],
)
def test_what_can_learn_is_taken(model):
    check_more_than_one_class(Config(dict(model=model)), ('train',))

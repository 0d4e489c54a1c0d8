"""The teacher's scores beside the student's, under the names of its own classes."""

from types import SimpleNamespace

import pytest

from projects.SRKD.base import UsageError
from projects.SRKD.engine import TeacherValLoop


def loop(own, **more):
    """As much of a loop as knows how classes are named."""
    made = TeacherValLoop.__new__(TeacherValLoop)
    meta = dict(classes=own, **more) if own else None
    made.evaluator = SimpleNamespace(dataset_meta=meta, teacher=SimpleNamespace(dataset_meta=meta))
    return made


def teacher(*names):
    return SimpleNamespace(classes=names or None, checkpoint='t.pth')


@pytest.mark.parametrize('own, names, expected', [
    (('Car', 'Van'), ('Van', 'Car'), ('Van', 'Car')), (('Car', 'Van'), ('Car',), ('Car',)),
    (('Car', 'Van'), ('Car', 'Van'), ('Car', 'Van')), (('Car', 'Van'), (), ('Car', 'Van')),
])  # fmt: skip
def test_a_detector_is_scored_under_its_own_names(own, names, expected):
    made = loop(own)
    made._name_classes(teacher(*names))
    assert made.evaluator.teacher.dataset_meta['classes'] == expected
    assert made.evaluator.dataset_meta['classes'] == own


def test_a_segmentor_of_another_order_is_refused_with_both_lists():
    made = loop(('road', 'car'), label2cat={0: 'road', 1: 'car'})
    made._name_classes(teacher('road', 'car'))
    with pytest.raises(UsageError, match='t.pth numbers the classes car, road and .* road, car'):
        made._name_classes(teacher('car', 'road'))


def test_data_without_names_are_left_alone():
    made = loop(None)
    made._name_classes(teacher('car', 'road'))
    assert made.evaluator.teacher.dataset_meta is None

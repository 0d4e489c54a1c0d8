"""Samples carry the names that their labels number."""

import pytest
from mmdet3d.datasets import Det3DDataset, Seg3DDataset
from mmdet3d.structures import Det3DDataSample

from projects.SRKD.compat import mmdet3d_class_names as cure


class Data:
    metainfo = dict(classes=['road', 'car'])


@pytest.mark.parametrize('dataset', [Det3DDataset, Seg3DDataset])
def test_the_cure_wraps_once(dataset):
    cure.apply()
    before = dataset.prepare_data
    cure.apply()
    assert dataset.prepare_data is before and not hasattr(before.__wrapped__, '__wrapped__')


def test_a_sample_is_given_the_names():
    prepare = cure._naming(lambda self, index: dict(data_samples=Det3DDataSample(), index=index))
    example = prepare(Data(), 3)
    assert example['data_samples'].metainfo['classes'] == ('road', 'car')
    assert example['index'] == 3


@pytest.mark.parametrize('example', [None, dict(points=1), dict(data_samples=[1, 2])])
def test_what_is_no_sample_is_left_alone(example):
    assert cure._naming(lambda self, index: example)(Data(), 0) is example


def test_data_without_names_give_none():
    prepare = cure._naming(lambda self, index: dict(data_samples=Det3DDataSample()))
    data = Data()
    data.metainfo = {}
    assert 'classes' not in prepare(data, 0)['data_samples'].metainfo

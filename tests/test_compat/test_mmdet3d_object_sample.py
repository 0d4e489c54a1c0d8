"""Objects that are pasted into a scan follow from the scan's seed."""

import pytest
from mmdet3d.datasets.transforms.dbsampler import BatchSampler

from projects.SRKD.base import seeded


def test_what_was_sampled_before_does_not_matter():
    objects = [dict(number=number) for number in range(20)]
    fresh, used = BatchSampler(objects, 'Car'), BatchSampler(objects, 'Car')
    used.sample(7)
    with seeded(3):
        expected = fresh.sample(5)
    with seeded(3):
        assert used.sample(5) == expected
    assert len({one['number'] for one in expected}) == 5


@pytest.mark.parametrize('number', [3, 4, 9])
def test_no_more_are_sampled_than_there_are(number):
    sampler = BatchSampler(['a', 'b', 'c'], 'Car')
    assert sorted(sampler.sample(number)) == ['a', 'b', 'c']


def test_every_object_has_its_turn():
    sampler = BatchSampler(list(range(10)), 'Car')
    with seeded(1):
        assert {one for _ in range(40) for one in sampler.sample(3)} == set(range(10))

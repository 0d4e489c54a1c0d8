"""Samples tell what their labels number.

Breaks: class ids travel to the model without the names of their classes, so that nobody there can
    tell a teacher's "0, Car" from a student's "0, Pedestrian"; and ``ObjectSample``, which has a
    list of its own, pastes objects under other numbers than those of the data set (as
    ``ObjectNameFilter`` keeps others than it names).
Where: mmdet3d 1.4.0 ``Det3DDataset.__init__`` and ``.prepare_data``, ``Seg3DDataset.prepare_data``.
Delete when: mmdet3d's data samples carry the names of their classes.
"""

from __future__ import annotations

import functools

from mmdet3d.datasets import Det3DDataset, Seg3DDataset
from mmdet3d.structures import Det3DDataSample


def apply() -> bool:
    """Have data sets write ``classes`` into the metainfo of samples, and transforms follow them."""
    if not hasattr(Det3DDataset.__init__, '__wrapped__'):
        Det3DDataset.__init__ = _following(Det3DDataset.__init__)
    for dataset in (Det3DDataset, Seg3DDataset):
        if not hasattr(dataset.prepare_data, '__wrapped__'):
            dataset.prepare_data = _naming(dataset.prepare_data)
    return True


def _following(init):
    @functools.wraps(init)
    def __init__(self, *args, **kwargs) -> None:
        init(self, *args, **kwargs)
        from ..datasets.class_names import follow_classes  # registers: only after the cures

        follow_classes(self)

    return __init__


def _naming(prepare_data):
    @functools.wraps(prepare_data)
    def prepare(self, index: int):
        example = prepare_data(self, index)
        sample = example.get('data_samples') if isinstance(example, dict) else None
        if isinstance(sample, Det3DDataSample) and self.metainfo.get('classes'):
            sample.set_metainfo(dict(classes=tuple(self.metainfo['classes'])))
        return example

    return prepare

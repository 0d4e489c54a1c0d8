"""Samples tell what their labels number.

Breaks: class ids travel to the model without the names of their classes, so that nobody there can
    tell a teacher's "0, Car" from a student's "0, Pedestrian"; and ``ObjectSample``, which has a
    list of its own, pastes objects under other numbers than those of the data set.
Where: mmdet3d 1.4.0 ``Det3DDataset.prepare_data`` and ``Seg3DDataset.prepare_data``.
Delete when: mmdet3d's data samples carry the names of their classes.
"""

from __future__ import annotations

import functools

from mmdet3d.datasets import Det3DDataset, Seg3DDataset
from mmdet3d.structures import Det3DDataSample


def apply() -> bool:
    """Have both kinds of data sets write ``classes`` into the metainfo of their samples."""
    for dataset in (Det3DDataset, Seg3DDataset):
        if not hasattr(dataset.prepare_data, '__wrapped__'):
            dataset.prepare_data = _naming(dataset.prepare_data)
    return True


def _naming(prepare_data):
    @functools.wraps(prepare_data)
    def prepare(self, index: int):
        from ..datasets.class_names import check_transform_classes  # registers: after the cures

        check_transform_classes(self)
        example = prepare_data(self, index)
        sample = example.get('data_samples') if isinstance(example, dict) else None
        if isinstance(sample, Det3DDataSample) and self.metainfo.get('classes'):
            sample.set_metainfo(dict(classes=tuple(self.metainfo['classes'])))
        return example

    return prepare

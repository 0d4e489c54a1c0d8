"""Labels of a part of a data set's classes, in the order in which a config names them.

Breaks: ``metainfo=dict(classes=('chair', 'table'))`` changes names and scores, and not the labels
    of the points, which stay those of all 20 classes: two classes train on others' labels, or the
    run ends in "Target 20 is out of bounds". An ``ignore_index`` of one's own is left out likewise.
Where: mmdet3d 1.4.0 ``datasets/seg3d_dataset.py``: ``Seg3DDataset.get_seg_label_mapping`` reads
    ``METAINFO``, unlike ``get_label_mapping`` beside it (ScanNet and S3DIS).
Delete when: both follow the config.
"""

from collections.abc import Mapping
from importlib.util import find_spec

import numpy as np


def get_seg_label_mapping(self, metainfo: Mapping | None = None) -> np.ndarray:
    """Stands for mmdet3d's method: raw id -> number of its class, ``(ids + 1,)`` int64."""
    largest = max(len(self.METAINFO['seg_all_class_ids']), *self.label_mapping)
    mapping = np.full(largest + 1, self.ignore_index, dtype=np.int64)
    for raw, number in self.label_mapping.items():
        mapping[raw] = number
    return mapping


def apply() -> bool:
    """Replace the method; data sets with one of their own keep it."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.datasets import Seg3DDataset

    Seg3DDataset.get_seg_label_mapping = get_seg_label_mapping
    return True

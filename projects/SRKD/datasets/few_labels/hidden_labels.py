"""Scans without labels: how an entry of a data set says so, and what its points get instead.

Whatever asks the data set for an entry (its own pipeline, mixing transforms that draw a partner,
replayed views) meets the mark, so no label of such a scan reaches a loss.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping

import numpy as np

HIDDEN = 'hidden_label'
"""Key of an entry whose scan counts as unlabeled; its value is the label of all its points."""

_MASKS = ('pts_semantic_mask_path', 'pts_instance_mask_path', 'pts_panoptic_mask_path')


def hide_labels(infos: Iterable[MutableMapping], ignore_index: int) -> None:
    """Mark entries of a data set as unlabeled, in place.

    The paths of masks go, so nothing opens a mask, and the label mapping of the entry maps all to
    ``ignore_index``. :class:`.LoadAnnotations3D` reads the mark.

    Args:
        infos: Entries as ``Seg3DDataset.data_list`` holds them.
        ignore_index: Label of points without a class.

    Example:
        >>> entry = dict(pts_semantic_mask_path='a.label')
        >>> hide_labels([entry], 2)
        >>> entry['hidden_label'], entry['seg_label_mapping'].tolist(), sorted(entry)
        (2, [2, 2, 2], ['hidden_label', 'seg_label_mapping'])
    """
    mapping = np.full(max(ignore_index, 0) + 1, ignore_index, np.int64)
    for info in infos:
        for name in _MASKS:
            info.pop(name, None)
        info[HIDDEN] = ignore_index
        info['seg_label_mapping'] = mapping


def is_hidden(info: MutableMapping) -> bool:
    """Whether the scan of an entry counts as unlabeled."""
    return HIDDEN in info

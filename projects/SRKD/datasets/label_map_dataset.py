"""A segmentation data set whose classes are whatever its config merges raw label ids into."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

import numpy as np
from mmdet3d.datasets import Seg3DDataset
from mmdet3d.registry import DATASETS

from ..base import UsageError
from .label_map import check_label_map, nearest_ids

_TURN = 0.618034  # golden ratio: hues of neighboring classes lie far apart


@DATASETS.register_module()
class LabelMapSegDataset(Seg3DDataset):
    """``Seg3DDataset`` with classes and label map from the config, mapping every raw id.

    mmdet3d's data sets have fixed classes, of which a config picks some; here ``metainfo`` holds
    all there is to know, so a data set in a known layout needs no class of its own. A raw id that
    the map leaves out is refused, where ``SemanticKittiDataset`` takes it for class 0.

    Args:
        metainfo: ``classes`` (names in order), ``seg_label_mapping`` (raw id -> class number or
            ``ignore_index``) or, in its place, ``seg_valid_class_ids`` (the one raw id of every
            class; the others are ignored), optionally ``max_label`` (largest raw id, default the
            largest named) and ``palette`` (a color per class).
        ignore_index: Label of points without a class, by default the number of classes.
        kwargs: As for ``Seg3DDataset``.

    Raises:
        UsageError: If the map does not fit the class list or leaves raw ids out.
    """

    def __init__(
        self, metainfo: Mapping | None = None, ignore_index: int | None = None, **kwargs
    ) -> None:
        metainfo = dict(metainfo or {})
        classes = metainfo.setdefault('classes', self.METAINFO['classes'])
        if not classes:
            raise UsageError(f"{type(self).__name__} needs metainfo['classes'], but got none")
        if ignore_index is None:
            ignore_index = len(classes)
        if not metainfo.get('seg_label_mapping'):
            metainfo['seg_label_mapping'] = self._one_id_each(metainfo, ignore_index)
        metainfo.setdefault('max_label', max(metainfo['seg_label_mapping']))
        super().__init__(metainfo=metainfo, ignore_index=ignore_index, **kwargs)

    def _one_id_each(self, metainfo: Mapping, ignore_index: int) -> dict[int, int]:
        ids, classes = metainfo.get('seg_valid_class_ids') or (), metainfo['classes']
        if len(ids) != len(classes):
            raise UsageError(
                f"{type(self).__name__} needs metainfo['seg_label_mapping'], or "
                f"metainfo['seg_valid_class_ids'] of one raw id for each of its {len(classes)} "
                f'classes, but got {len(ids)}'
            )
        ignored = dict.fromkeys(range(metainfo.get('max_label', max(ids)) + 1), ignore_index)
        return ignored | {raw: number for number, raw in enumerate(ids)}

    def get_label_mapping(self, new_classes: Sequence[str]) -> tuple[dict, dict, tuple]:
        """Classes are numbered as listed; see ``get_seg_label_mapping`` for the raw ids."""
        numbers = tuple(range(len(new_classes)))
        return dict(zip(numbers, numbers)), dict(enumerate(new_classes)), numbers

    def get_seg_label_mapping(self, metainfo: Mapping) -> np.ndarray:
        """The map as an array, ``(max_label + 1,)`` int64."""
        label_map, max_label = metainfo['seg_label_mapping'], metainfo['max_label']
        name = type(self).__name__
        check_label_map(label_map, metainfo['classes'], self.ignore_index, max_label, name)
        left_out = [raw for raw in range(max_label + 1) if raw not in label_map]
        if left_out:
            raise UsageError(
                f'seg_label_mapping of {name} leaves out raw id {left_out[0]} and '
                f'{len(left_out) - 1} more of 0 to {max_label}, expected all (the ignored label is '
                f'{self.ignore_index}); the nearest ids in it are '
                f'{nearest_ids(left_out[0], list(label_map))}'
            )
        return np.array([label_map[raw] for raw in range(max_label + 1)], np.int64)

    def _update_palette(self, new_classes: Sequence[str], palette: list | None) -> list:
        own = self.METAINFO['palette']
        if palette is None and own is not None:
            names = self.METAINFO['classes']
            palette = [own[names.index(name)] for name in new_classes]
        if palette is None:
            hues = [(i * _TURN) % 1 for i in range(len(new_classes))]
            palette = [
                [round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.7, 0.9)] for hue in hues
            ]
        return super()._update_palette(new_classes, palette)

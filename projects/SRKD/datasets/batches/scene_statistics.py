"""What a batch sampler must know of a data set: scene, time and classes of every scan.

Shape letters: n scans, L classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from mmdet3d.datasets import CBGSDataset
from mmengine.dataset import BaseDataset, ClassBalancedDataset, RepeatDataset
from mmengine.runner.runner import _SlicedDataset
from torch.utils.data import ConcatDataset, Dataset, Subset

from ...base import UsageTypeError
from ..few_labels.hidden_labels import HIDDEN, is_hidden
from ..few_labels.unlabeled_frames import UnlabeledFrames
from .class_histogram import MASK, MaskReader, class_histograms
from .scene_rule import scene_of

_WRAPPERS = ('RepeatDataset', 'ConcatDataset', 'ClassBalancedDataset', 'CBGSDataset', 'Subset')
_COLUMNS = ('scene', 'time', 'histogram', 'labeled')  # of SceneStatistics: a row for each scan


@dataclass(frozen=True, eq=False)
class SceneStatistics:
    """Facts about the n scans of a data set, in the order of its indices.

    Args:
        scene: (n,) str, scene id; None if the data set does not tell.
        time: (n,) float64, seconds within the scene, NaN where it is no sequence; None with
            ``scene``.
        histogram: (n, L) int64, points per class; None if there are no masks.
        classes: L names, () without histograms.
        labeled: (n,) bool, whether a scan has labels (see ``PartialLabels``); None if all have. The
            classes of the others count as unknown: their rows of ``histogram`` are zeros.
    """

    scene: np.ndarray | None = None
    time: np.ndarray | None = None
    histogram: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    labeled: np.ndarray | None = None

    @property
    def known(self) -> bool:
        """Whether there is anything to compose batches by."""
        return self.scene is not None or self.histogram is not None

    def __len__(self) -> int:
        columns = (getattr(self, name) for name in _COLUMNS)
        return next((len(column) for column in columns if column is not None), 0)

    def take(self, rows) -> SceneStatistics:
        """The same facts about the scans ``rows``, which may repeat."""
        columns = {name: getattr(self, name) for name in _COLUMNS}
        taken = {name: c if c is None else c[rows] for name, c in columns.items()}
        return SceneStatistics(**taken, classes=self.classes)


def scene_statistics(dataset: Dataset, progress: bool = False) -> SceneStatistics:
    """Find scene, time and class histogram of every scan of a data set.

    Scenes follow from file names (``scene_rule.scene_of``), histograms from the masks as the data
    set's own pipeline reads and maps them (``class_histogram.class_histograms``, cached).

    Args:
        dataset: A data set of MMEngine or MMDetection3D, possibly wrapped (repeated, concatenated,
            class balanced, sliced).
        progress: Whether to draw a progress bar while masks are read.

    Returns:
        Statistics with ``len(dataset)`` rows; fields the data set does not offer are None.

    Raises:
        UsageTypeError: For a wrapper whose indices can't be followed to scans.
    """
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    if isinstance(dataset, _SlicedDataset):
        return scene_statistics(dataset._dataset, progress).take(slice(len(dataset)))
    if isinstance(dataset, UnlabeledFrames):
        known = scene_statistics(dataset.dataset, progress)
        return replace(known, labeled=np.zeros(len(dataset), dtype=bool))
    if isinstance(dataset, RepeatDataset):
        rows = np.arange(len(dataset)) % len(dataset.dataset)
        return scene_statistics(dataset.dataset, progress).take(rows)
    if isinstance(dataset, ClassBalancedDataset):
        return scene_statistics(dataset.dataset, progress).take(dataset.repeat_indices)
    if isinstance(dataset, CBGSDataset):
        return scene_statistics(dataset.dataset, progress).take(dataset.sample_indices)
    if isinstance(dataset, Subset):
        return scene_statistics(dataset.dataset, progress).take(list(dataset.indices))
    if isinstance(dataset, ConcatDataset):
        return _concatenate([scene_statistics(part, progress) for part in dataset.datasets])
    if isinstance(dataset, BaseDataset):
        return _read(dataset, progress)
    if hasattr(dataset, 'dataset') or hasattr(dataset, 'datasets'):
        raise UsageTypeError(
            f'scene_statistics cannot follow the indices of {type(dataset).__name__} '
            f'to the scans it wraps; expected one of {", ".join(_WRAPPERS)}.'
        )
    return SceneStatistics()


def _read(dataset: BaseDataset, progress: bool) -> SceneStatistics:
    infos = list(_entries(dataset))
    paths = [info['lidar_path'] for info in infos]
    scene = time = histogram = None
    classes: tuple[str, ...] = ()
    if all(paths):
        places = [scene_of(path) for path in paths]
        scene = np.array([place.scene for place in places], dtype=str)  # (n,)
        time = np.array([place.time for place in places], dtype=np.float64)  # (n,)
    hidden = np.array([is_hidden(info) for info in infos], dtype=bool)  # (n,)
    shown = [info for info in infos if not is_hidden(info)]
    if shown and MaskReader.usable(dataset, shown):
        counts = class_histograms(dataset, shown, progress)
        histogram = np.zeros((len(infos), counts.shape[1]), counts.dtype)  # (n, L)
        histogram[~hidden] = counts
        classes = tuple(dataset.metainfo['classes'])
    return SceneStatistics(scene, time, histogram, classes, ~hidden if hidden.any() else None)


def _entries(dataset: BaseDataset) -> Iterator[dict]:
    """What is read of every entry, and no more: 100,000 entries with their boxes are gigabytes."""
    # get_data_info copies each entry deeply: minutes for a large info file
    whole = not dataset.serialize_data and len(dataset.data_list) == len(dataset)
    infos = dataset.data_list if whole else map(dataset.get_data_info, range(len(dataset)))
    for info in infos:
        read = {name: info[name] for name in (MASK, HIDDEN) if name in info}
        yield read | dict(lidar_path=info.get('lidar_points', info).get('lidar_path'))


def _concatenate(parts: list[SceneStatistics]) -> SceneStatistics:
    """Facts of one data set after another; what one part lacks, the whole lacks."""
    whole = _labels_as_columns(parts)
    columns = {}
    for name in _COLUMNS:
        column = [getattr(part, name) for part in whole]
        columns[name] = None if any(c is None for c in column) else np.concatenate(column)
    classes = next((part.classes for part in whole if part.classes), ())
    return SceneStatistics(**columns, classes=classes if columns['histogram'] is not None else ())


def _labels_as_columns(parts: list[SceneStatistics]) -> list[SceneStatistics]:
    """Give every part the columns about labels that one of them has.

    A part all of whose scans are unlabeled has classes, too: unknown ones.
    """
    if all(part.labeled is None for part in parts):
        return parts
    width = next((p.histogram.shape[1] for p in parts if p.histogram is not None), None)
    whole = []
    for part in parts:
        labeled, histogram = part.labeled, part.histogram
        if labeled is None:
            labeled = np.ones(len(part), dtype=bool)
        if histogram is None and width is not None and not labeled.any():
            histogram = np.zeros((len(part), width), np.int64)
        whole.append(replace(part, labeled=labeled, histogram=histogram))
    return whole

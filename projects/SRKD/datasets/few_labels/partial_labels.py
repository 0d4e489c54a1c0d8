"""Data sets of which some scans, or all, count as unlabeled.

Shape letters: n scans, k of them labeled, L classes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from numbers import Integral, Real

import numpy as np
from mmdet3d.datasets import Seg3DDataset
from mmdet3d.registry import DATASETS
from mmengine.dataset import RepeatDataset
from mmengine.logging import print_log

from ...base import UsageError, UsageTypeError
from ...base.checks import check_count
from ..batches.class_histogram import MaskReader, class_histograms
from .hidden_labels import hide_labels
from .label_draw import draw_scans
from .scan_names import find_scans

_LISTED = 12  # names in a line of the log


@DATASETS.register_module()
class UnlabeledScans(RepeatDataset):
    """Scans without labels: every point gets the data set's ``ignore_index``.

    A wrapper around a data set for training, whose masks need not exist and are not read. Its
    points teach a student through distillation terms alone; task losses leave ignored points out.
    Joined with labeled scans by mmengine's ``ConcatDataset`` (``metainfo`` of both must agree).

    Args:
        dataset: Config of a segmentation data set (``Seg3DDataset``) for training, or the data set
            itself, whose entries are changed then.
        lazy_init: As for ``RepeatDataset``.

    Raises:
        UsageTypeError: If ``dataset`` is no segmentation data set.
        UsageError: If it is in test mode.

    Example:
        .. code-block:: python

            train_dataloader = dict(dataset=dict(
                _delete_=True, type='UnlabeledScans', dataset=_base_.train_dataloader.dataset))
    """

    def __init__(self, dataset: Mapping | Seg3DDataset, lazy_init: bool = False) -> None:
        if isinstance(dataset, Mapping):
            # data sets that insist on masks (nuScenes) are told that there need be none
            kind = DATASETS.get(dataset['type'])
            if isinstance(kind, type) and issubclass(kind, Seg3DDataset):
                dataset = {**dataset, 'load_eval_anns': False}
            dataset = DATASETS.build(dataset)
        name = type(self).__name__
        if not isinstance(dataset, Seg3DDataset):
            raise UsageTypeError(
                f'dataset of {name} must be a segmentation data set (a Seg3DDataset), but got '
                f'{type(dataset).__name__}: wrappers such as RepeatDataset go around {name}, and '
                'UnlabeledFrames is for detection'
            )
        if dataset.test_mode:
            raise UsageError(
                f'dataset of {name} must be one for training, but got test_mode=True: scores need '
                'all labels'
            )
        super().__init__(dataset, times=1, lazy_init=lazy_init)

    def full_init(self) -> None:
        """Load the entries and hide labels."""
        if not self._fully_initialized:
            super().full_init()
            self._hide()

    def _hide(self) -> None:
        hide_labels(self.dataset.data_list, self.dataset.ignore_index)


@DATASETS.register_module()
class PartialLabels(UnlabeledScans):
    """A training set of which few scans keep their labels; the others count as unlabeled.

    What learning from few labels is measured on. Labels are hidden by scan, never by point: in the
    entries of the data set, so neither its pipeline nor a transform that mixes in another scan nor
    a batch sampler sees them. Scans stay where they are, a cache of the teacher fits as before.

    A draw of few scans easily misses a class. So it is repeated until every class that occurs in
    the data set has ``min_points`` labeled points, at most 10,000 times; then the best draw is kept
    and a warning names the classes that lack points. The points are counted in the masks, once:
    the counts are kept beside the info file (``class_histogram``).

    Scans for which the info file names no mask count as unlabeled without a draw; ``labeled=1.0``
    takes all labels that there are.

    Args:
        dataset: As for :class:`UnlabeledScans`.
        labeled: Number of labeled scans (int), their share of the scans (float in (0, 1], at least
            one scan), or their names: ``scene0001_00``, ``08/velodyne/000120``, see
            :func:`.find_scans`.
        seed: Of the draw, which follows from it and the data set alone.
        min_points: Points that every class should have in the labeled scans together.
        stratified: Whether the draw is repeated for the sake of classes; False reads no mask.
        lazy_init: As for ``RepeatDataset``.

    Attributes:
        names: Paths of the labeled scans.

    Raises:
        UsageTypeError: If ``labeled`` is neither number, share nor names.
        UsageError: If a number is out of range, a name fits no scan, or there are no masks.

    Example:
        .. code-block:: python

            train_dataloader = dict(dataset=dict(
                _delete_=True, type='PartialLabels', labeled=4, seed=0,
                dataset=_base_.train_dataloader.dataset))
    """

    def __init__(
        self,
        dataset: Mapping | Seg3DDataset,
        labeled: int | float | Sequence[str],
        seed: int = 0,
        min_points: int = 200,
        stratified: bool = True,
        lazy_init: bool = False,
    ) -> None:
        _check_labeled(labeled)
        check_count(min_points=min_points)
        if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
            raise UsageError(f'seed of PartialLabels must be an integer >= 0, but got {seed!r}')
        self._labeled, self._seed = labeled, int(seed)
        self._min_points, self._stratified = min_points, stratified
        self.names: list[str] = []
        super().__init__(dataset, lazy_init)

    def _hide(self) -> None:
        by_path = {}  # a resampled list names a scan several times, by one entry
        for info in self.dataset.data_list:
            if info.get('pts_semantic_mask_path'):
                by_path.setdefault(info['lidar_points']['lidar_path'], info)
        if not by_path:
            raise UsageError(
                f'the info file {self.dataset.ann_file} names no pts_semantic_mask_path, expected '
                'the masks that PartialLabels is to hide: take UnlabeledScans for scans without any'
            )
        paths = list(by_path)
        drawn = self._draw(paths, list(by_path.values()))
        self.names = [paths[place] for place in drawn]
        kept = set(self.names)
        hide_labels(
            (e for e in self.dataset.data_list if e['lidar_points']['lidar_path'] not in kept),
            self.dataset.ignore_index,
        )

    def _draw(self, paths: list[str], infos: list[dict]) -> list[int]:
        """Places of the labeled scans."""
        histogram = None
        if self._stratified and MaskReader.usable(self.dataset, infos):
            histogram = class_histograms(self.dataset, infos)  # (n, L)
        if isinstance(self._labeled, Real):
            count = _count(self._labeled, len(paths))
            drawn = draw_scans(count, len(paths), self._seed, histogram, self._min_points).tolist()
        else:
            drawn = find_scans(self._labeled, paths, 'labeled of PartialLabels')
        shown = ', '.join(paths[place] for place in drawn[:_LISTED])
        more = f' and {len(drawn) - _LISTED} more' if len(drawn) > _LISTED else ''
        _log(f'{len(drawn)} of {len(paths)} scans keep their labels: {shown}{more}')
        if histogram is not None:
            self._tell_lacking(histogram, drawn)
        return drawn

    def _tell_lacking(self, histogram: np.ndarray, drawn: list[int]) -> None:
        points = histogram[drawn].sum(axis=0)  # (L,)
        lacking = (points < self._min_points) & histogram.any(axis=0)
        if lacking.any():
            classes = self.dataset.metainfo['classes']
            told = ', '.join(f'{classes[c]} ({points[c]})' for c in np.flatnonzero(lacking))
            _log(
                f'classes with fewer than {self._min_points} labeled points: {told}; more labeled '
                'scans, another seed or names would help',
                logging.WARNING,
            )


def _log(message: str, level: int = logging.INFO) -> None:
    print_log(f'PartialLabels: {message}', logger='current', level=level)


def _check_labeled(labeled: int | float | Sequence[str]) -> None:
    told = 'labeled of PartialLabels must be'
    if isinstance(labeled, Integral) and not isinstance(labeled, bool):
        if labeled < 1:
            raise UsageError(f'{told} at least 1 scan, but got {labeled}: for none, UnlabeledScans')
    elif isinstance(labeled, Real) and not isinstance(labeled, bool):
        if not 0 < labeled <= 1:
            raise UsageError(
                f'{told} a share of the scans in (0, 1] where it is a float, but got {labeled}; a '
                'number of scans is an int'
            )
    elif (
        isinstance(labeled, (str, bool, Mapping))
        or not isinstance(labeled, Sequence)
        or not labeled
        or not all(isinstance(name, str) for name in labeled)
    ):
        raise UsageTypeError(
            f'{told} a number of scans, a share in (0, 1] or a list of their names, but got '
            f'{labeled!r}'
        )


def _count(labeled: int | float, total: int) -> int:
    """How many scans a number or a share means."""
    if not isinstance(labeled, Integral):
        return max(1, round(labeled * total))
    if labeled > total:
        raise UsageError(
            f'labeled of PartialLabels must be at most the number of scans with masks, {total}, '
            f'but got {labeled}'
        )
    return int(labeled)

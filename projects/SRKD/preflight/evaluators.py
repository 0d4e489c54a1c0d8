"""Whether metrics score the data set that is tested, and can."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mmdet3d.evaluation import NuScenesMetric
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.runner import Runner

from ..base import UsageError
from ..datasets.nuscenes_splits import check_frames, check_version
from ..evaluation import NuScenesPartMetric
from .built import built_datasets, built_loops, frames_of, is_local


def check_annotation_files(runner: Runner) -> None:
    """Refuse a metric that reads another info file than the data set it scores.

    It would read it after the last frame only.

    Raises:
        UsageError: Names both files and the keys to set.
    """
    for split, metric, dataset in _scored(runner):
        told = getattr(metric, 'ann_file', None)
        if not told or not is_local(told) or not is_local(dataset.ann_file):
            continue
        if os.path.realpath(told) != os.path.realpath(dataset.ann_file):
            raise UsageError(
                f'{split}_evaluator scores {told} and {split}_dataloader reads {dataset.ann_file}: '
                f'expected one file, see {split}_evaluator.ann_file and '
                f'{split}_dataloader.dataset.data_root and ann_file'
            )


def check_nuscenes(runner: Runner) -> None:
    """Refuse what nuScenes' devkit would refuse after the last frame.

    That are tables of a version that are not there, info files of another version, and a part of a
    split where :class:`~projects.SRKD.evaluation.NuScenesPartMetric` is not asked for.

    Raises:
        FileMissingError: If there are no tables of the data set's version.
        UsageError: If the frames are not those of the version, or not all of its split.
    """
    for split, metric, dataset in _scored(runner):
        if isinstance(metric, NuScenesMetric) and not metric.format_only:
            _check_tables(split, metric, dataset)


def _check_tables(split: str, metric: NuScenesMetric, dataset: BaseDataset) -> None:
    key = f"{split}_dataloader.dataset.metainfo.version ('v1.0-trainval' unless set)"
    folder = check_version(metric.data_root, dataset.metainfo['version'], key)
    advice = f"{split}_evaluator.type='NuScenesPartMetric' scores the part"
    check_frames(
        folder,
        {frame.token for frame in frames_of(dataset)},
        dataset.ann_file,
        key,
        None if isinstance(metric, NuScenesPartMetric) else advice,
    )


def _scored(runner: Runner) -> Iterator[tuple[str, BaseMetric, BaseDataset]]:
    """Metrics of val and test, each with the one data set it scores."""
    datasets = list(built_datasets(runner))
    for split, loop in built_loops(runner):
        own = [dataset for name, dataset in datasets if name == split]
        for metric in getattr(getattr(loop, 'evaluator', None), 'metrics', ()):
            if len(own) == 1:
                yield split, metric, own[0]

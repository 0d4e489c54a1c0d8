"""Whether the files are there that the info files name: scans, masks and sweeps.

An info file may name what was never downloaded, SemanticKITTI's of mmdet3d always does; a loader
then stops at the first such scan, hours into an epoch that was shuffled well.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmdet3d.datasets import Seg3DDataset
from mmdet3d.datasets.transforms import LoadPointsFromMultiSweeps
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner

from ..base import FileMissingError, UsageError, nearest_path
from ..datasets.steps import steps_of
from .built import Listing, built_datasets, frames_of, is_local


def check_samples(runner: Runner) -> None:
    """Refuse a data set of which nothing is left.

    Raises:
        UsageError: Names its info file.
    """
    for split, dataset in built_datasets(runner):
        if len(dataset) == 0:
            raise UsageError(f'the info file {dataset.ann_file} lists no sample for {split}, '
                             'expected one at least')  # fmt: skip


def check_files(runner: Runner) -> None:
    """Refuse info files that name scans, masks or sweeps which are not there.

    Says so, too, where a pipeline adds earlier scans and no entry names one.

    Raises:
        FileMissingError: For the first data set that lacks some: how many, the first, the nearest.
    """
    listing = Listing()
    for split, dataset in built_datasets(runner):
        for what, paths in _named(dataset):
            known = [path for path in paths if path and is_local(path)]
            lacking = [path for path in known if path not in listing]
            if lacking:
                raise FileMissingError(
                    f'{len(lacking)} of the {len(known)} {what} that {dataset.ann_file} names for '
                    f'{split} are not there, the first is {lacking[0]}; {nearest_path(lacking[0])}'
                )
        if _adds_sweeps(dataset) and not any(frame.sweeps for frame in frames_of(dataset)):
            runner.logger.warning(f'{split} is to add earlier scans (LoadPointsFromMultiSweeps), '
                                  f'and {dataset.ann_file} names none')  # fmt: skip


def _named(dataset: BaseDataset) -> Iterator[tuple[str, list[str]]]:
    frames = frames_of(dataset)
    yield 'scans', [frame.points for frame in frames]
    unlabeled = dataset.test_mode and not getattr(dataset, 'load_eval_anns', True)
    if isinstance(dataset, Seg3DDataset) and not unlabeled:
        yield 'semantic masks', [frame.mask for frame in frames]
    if _adds_sweeps(dataset):
        yield 'sweeps', [path for frame in frames for path in frame.sweeps]


def _adds_sweeps(dataset: BaseDataset) -> bool:
    return any(isinstance(step, LoadPointsFromMultiSweeps) and step.sweeps_num > 0
               for step in steps_of(dataset.pipeline))  # fmt: skip

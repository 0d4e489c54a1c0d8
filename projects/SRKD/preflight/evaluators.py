"""Whether metrics score the data set that is tested, and can."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from mmdet3d.evaluation import NuScenesMetric
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.runner import Runner
from nuscenes.utils.splits import create_splits_scenes

from ..base import FileMissingError, UsageError, nearest_path
from ..evaluation import NuScenesPartMetric
from .built import built_datasets, built_loops, frames_of, is_local

_SCORED = {'v1.0-mini': 'mini_val', 'v1.0-trainval': 'val'}  # by mmdet3d


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
    root, version = Path(metric.data_root), dataset.metainfo['version']
    key = f"{split}_dataloader.dataset.metainfo.version ('v1.0-trainval' unless set)"
    if version not in _SCORED:
        raise UsageError(f'{key} is {version!r}, mmdet3d scores {" and ".join(_SCORED)}')
    if not (root / version).is_dir():
        raise FileMissingError(f'the tables {root / version} do not exist, expected those of '
                               f'{key}; {nearest_path(root / version)}')  # fmt: skip
    samples, scenes = (json.loads((root / version / f'{name}.json').read_text())
                       for name in ('sample', 'scene'))  # fmt: skip
    names = {scene['token']: scene['name'] for scene in scenes}
    places = {sample['token']: names[sample['scene_token']] for sample in samples}
    scored = create_splits_scenes()[_SCORED[version]]
    listed = {frame.token for frame in frames_of(dataset)}
    strange = [token for token in listed if places.get(token) not in scored]
    if strange:
        raise UsageError(
            f'{len(strange)} of the {len(listed)} key frames of {dataset.ann_file} are not in the '
            f'split {_SCORED[version]} of {root / version}, the first is {strange[0]!r}: expected '
            f'the version of the info file as {key}'
        )
    lacking = [token for token, scene in places.items() if scene in scored and token not in listed]
    if lacking and not isinstance(metric, NuScenesPartMetric):
        parts = sorted({places[token] for token in lacking})
        raise UsageError(
            f'{len(lacking)} of the {len(lacking) + len(listed)} key frames of the split '
            f'{_SCORED[version]} are not in {dataset.ann_file}, those of {", ".join(parts[:5])}'
            f'{", ..." if len(parts) > 5 else ""}: nuscenes-devkit scores whole splits; '
            f"{split}_evaluator.type='NuScenesPartMetric' scores the part"
        )


def _scored(runner: Runner) -> Iterator[tuple[str, BaseMetric, BaseDataset]]:
    """Metrics of val and test, each with the one data set it scores."""
    datasets = list(built_datasets(runner))
    for split, loop in built_loops(runner):
        own = [dataset for name, dataset in datasets if name == split]
        for metric in getattr(getattr(loop, 'evaluator', None), 'metrics', ()):
            if len(own) == 1:
                yield split, metric, own[0]

"""What a teacher is shown of a config's training scans: each clean, or in the views of ReplayViews.

Shape letters: P points of a file of the cache (a clean scan or a view), n of them shown to the
teacher, D columns of a point.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmcv.transforms import Compose
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmdet3d.structures import Det3DDataSample
from mmengine.config import Config
from torch import Tensor
from torch.utils.data import Dataset

from ...base import UsageError, generator_states
from ...base.provenance import digest
from ...datasets import AddPointIdentity, UnlabeledScans
from ...datasets.replay_views import ReplayViews
from ...models.data_preprocessor import IDENTITY_COLUMNS

_LOADS = 50  # a change with probability 0.1 escapes once in 200 times


class Shown(NamedTuple):
    """One cloud for the teacher.

    Attributes:
        points: ``(n, D)``.
        row: ``(n,)`` int64, their numbers among the points of the file.
        size: P.
        sample: Packed with them.
    """

    points: Tensor
    row: Tensor
    size: int
    sample: Det3DDataSample


class TrainingScans(ABC):
    """The scans of a config's training set; a file of the cache holds one, or one view of it.

    Every scan counts once, also where a resampled list of the data set names it several times.

    Args:
        cfg: With ``train_dataloader``.

    Attributes:
        table: ``path`` (below the data root) and ``bytes`` of each scan's points, and the ``scan``
            at every index of the data set.
        facts: What a cache of these scans depends on.

    Raises:
        UsageError: If several data sets are joined.
    """

    def __init__(self, cfg: Config) -> None:
        config = innermost(cfg.train_dataloader.dataset)
        self.dataset = _entries(cfg.train_dataloader.dataset)
        self.index: list[int] = []  # of each scan in the data set
        self.table = self._table()
        data = dict(type=config.type, scans=len(self.index), digest=digest(self.table))
        self.facts: dict[str, Any] = dict(data=data, views=0)

    def __len__(self) -> int:
        """Number of files."""
        return len(self.index) * (self.facts['views'] or 1)

    def __str__(self) -> str:
        scans, views = f'{len(self.index)} scans', self.facts['views']
        return f'{views} views of each of {scans}' if views else scans

    def _table(self) -> dict[str, list]:
        first: dict[str, int] = {}
        root = str(self.dataset.data_root or '.')
        scan, size = [], []
        for i in range(len(self.dataset)):
            path = self.dataset.get_data_info(i)['lidar_points']['lidar_path']
            name = path if '://' in path else os.path.relpath(path, root).replace(os.sep, '/')
            if name not in first:
                first[name] = len(first)
                self.index.append(i)
                size.append(os.path.getsize(path) if os.path.isfile(path) else 0)
            scan.append(first[name])
        return dict(path=list(first), bytes=size, scan=scan)

    @abstractmethod
    def load(self, file: int) -> Shown:
        """What the teacher sees for a file of the cache."""

    def draws(self) -> bool:
        """Whether the first file is another one each time.

        Where loading it moves a generator, a transform may change points rarely: then many loads
        are compared.
        """
        before = generator_states()
        first = self.load(0).points
        loads = 1 if generator_states() == before else _LOADS
        return any(not torch.equal(first, self.load(0).points) for _ in range(loads))

    def share(self, files: Sequence[int]) -> float:
        """How many times the first of some files they all are, judged by the size of their scans.

        In remote storage sizes are unknown and all scans count the same.
        """
        size = [self.table['bytes'][file % len(self.index)] for file in files]
        return sum(size) / size[0] if size[0] else len(files)


class CleanScans(TrainingScans):
    """Scans without augmentation: the training set through the transforms of the test pipeline.

    Args:
        cfg: With ``train_dataloader`` and ``test_dataloader``.

    Raises:
        UsageError: If the test pipeline loads no points or changes them at random.
    """

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        pipeline = with_identity(innermost(cfg.test_dataloader.dataset).pipeline)
        self.pipeline = Compose([TRANSFORMS.build(step) for step in pipeline])
        self.facts['pipeline'] = digest(pipeline)
        if self.draws():
            raise UsageError(
                'the test pipeline of the config changes points at random, expected one that only '
                'loads: the cache holds what the teacher says about the clean scan'
            )

    def load(self, file: int) -> Shown:
        """Read one scan; its points are numbered as they lie in its file."""
        results, size = self.dataset.get_data_info(self.index[file]), 0
        for step in self.pipeline.transforms:
            results = step(results)
            if isinstance(step, AddPointIdentity):
                size = len(results['points'])
        cloud = results['inputs']['points']
        points = cloud[:, :-IDENTITY_COLUMNS].contiguous()
        return Shown(points, cloud[:, -IDENTITY_COLUMNS].long(), size, results['data_samples'])


class ReplayedScans(TrainingScans):
    """Scans in the views that a training shows: file ``view S + scan`` of S scans.

    Args:
        cfg: With ``train_dataloader``, whose pipeline ends with ``ReplayViews``.
        views: Number of views of each scan; None: as the config says.

    Raises:
        UsageError: If the pipeline goes on behind ``ReplayViews``, or views draw from elsewhere.
    """

    def __init__(self, cfg: Config, views: int | None = None) -> None:
        super().__init__(cfg)
        *steps, last = innermost(cfg.train_dataloader.dataset).pipeline
        last = last if views is None else dict(last, views=views)
        self.loading, self.replay = Compose(steps), TRANSFORMS.build(last)
        if not isinstance(self.replay, ReplayViews):
            raise UsageError(
                'the training pipeline goes on behind ReplayViews, expected it last: its '
                f'transforms hold all of the pipeline behind loading, {_kind(last)} included'
            )
        self.facts |= self.replay.facts
        if self.draws():
            raise UsageError(
                'a view of the first scan is another cloud each time: a transform in front of '
                'ReplayViews draws at random, or one in it has a generator of its own, expected '
                'all draws in it, from the generators of random, numpy and torch'
            )

    def load(self, file: int) -> Shown:
        """Replay one view."""
        view, scan = divmod(file, len(self.index))
        results = self.dataset.get_data_info(self.index[scan])
        results['dataset'] = self.dataset  # for transforms that mix scans
        results = self.replay.replay(self.loading(results), view)
        if results is None or not len(results['inputs']['points']):
            raise UsageError(
                f'view {view} of {self.table["path"][scan]} leaves nothing of the scan, expected '
                'points: look at the range and crop transforms in ReplayViews'
            )
        points = results['inputs']['points']
        return Shown(points, torch.arange(len(points)), len(points), results['data_samples'])


def training_scans(cfg: Config, views: int | None = None) -> TrainingScans:
    """Scans as a training of this config needs them cached.

    Args:
        cfg: With ``train_dataloader`` and ``test_dataloader``.
        views: Number of views of each scan; None: as the config says.

    Raises:
        UsageError: If views are asked for where the pipeline has no ``ReplayViews``.
    """
    pipeline = innermost(cfg.train_dataloader.dataset).pipeline
    if any(is_kind(step, ReplayViews) for step in pipeline):
        return ReplayedScans(cfg, views)
    if views is not None:
        raise UsageError(
            f'views (--views) must be left out where clean scans are cached, but got {views}: for '
            'views, end the training pipeline with ReplayViews'
        )
    return CleanScans(cfg)


def with_identity(pipeline: Sequence[Mapping]) -> list[Mapping]:
    """A pipeline with ``AddPointIdentity`` behind the loading of points, unless it has one."""
    kinds = [_kind(step) for step in pipeline]
    if AddPointIdentity.__name__ in kinds:
        return list(pipeline)
    loaders = [i for i, kind in enumerate(kinds) if kind.startswith('LoadPoints')]
    if not loaders:
        raise UsageError(
            f'the test pipeline must load points by a LoadPoints... transform, but got {kinds}'
        )
    place = loaders[-1] + 1
    return [*pipeline[:place], dict(type=AddPointIdentity.__name__), *pipeline[place:]]


def _kind(step: Mapping) -> str:
    return str(step['type']).split('.')[-1]


def is_kind(step: Mapping, kind: type) -> bool:
    """Whether a step of a config is of a class, or of one below it."""
    found = TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type']
    return isinstance(found, type) and issubclass(found, kind)


def _entries(config: Mapping) -> Dataset:
    """The data set whose entries a training loads.

    Where labels are hidden, what mixes scans by their labels must find them hidden here, too.
    """
    kind = DATASETS.get(config['type'])
    if isinstance(kind, type) and issubclass(kind, UnlabeledScans):
        return DATASETS.build(config).dataset
    if config.get('dataset') is not None:
        return _entries(config['dataset'])
    return DATASETS.build(dict(config, pipeline=[]))


def innermost(dataset: Mapping) -> Mapping:
    """The data set inside wrappers, to which point identities refer."""
    while 'type' in dataset and dataset.get('dataset') is not None:
        dataset = dataset['dataset']
    if 'datasets' in dataset:
        raise UsageError(
            f'{dataset["type"]} joins {len(dataset["datasets"])} data sets, whose scans '
            'AddPointIdentity numbers alike: a teacher cache needs one data set'
        )
    return dataset

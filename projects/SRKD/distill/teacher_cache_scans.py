"""The training scans of a config as its test pipeline gives them, their points numbered.

Shapes: P raw points of a scan, n of them left by the pipeline, D columns of a point.
"""

import os
from collections.abc import Mapping, Sequence

import torch
from mmcv.transforms import Compose
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmdet3d.structures import Det3DDataSample
from mmengine.config import Config
from torch import Tensor

from ..analysis.config_files import digest
from ..datasets import AddPointIdentity
from ..models.data_preprocessor import IDENTITY_COLUMNS


class CleanScans:
    """Scans without augmentation: the training set through the transforms of the test pipeline.

    Every file counts once, also where a resampled list of the data set names it several times.

    Args:
        cfg: With ``train_dataloader`` and ``test_dataloader``.

    Attributes:
        table: ``path`` (below the data root) and ``bytes`` of each scan's points, and the ``scan``
            at every index of the data set.
        facts: What a cache of these scans depends on.

    Raises:
        ValueError: If several data sets are joined, or the test pipeline loads no points or changes
            them at random.
    """

    def __init__(self, cfg: Config) -> None:
        pipeline = with_identity(_innermost(cfg.test_dataloader.dataset).pipeline)
        self.pipeline = Compose([TRANSFORMS.build(step) for step in pipeline])
        config = _innermost(cfg.train_dataloader.dataset)
        self.dataset = DATASETS.build(dict(config, pipeline=[]))
        self.index: list[int] = []  # of each scan in the data set
        self.table = self._table()
        data = dict(type=config.type, scans=len(self), digest=digest(self.table))
        self.facts = dict(data=data, pipeline=digest(pipeline))
        if not torch.equal(self.load(0)[0], self.load(0)[0]):
            raise ValueError(
                'the test pipeline of the config changes points at random, expected one that only '
                'loads: the cache holds what the teacher says about the clean scan'
            )

    def __len__(self) -> int:
        return len(self.index)

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

    def load(self, scan: int) -> tuple[Tensor, Tensor, int, Det3DDataSample]:
        """Read one scan.

        Returns:
            Points ``(n, D)``, their rows in the file ``(n,)`` int64, P, and the packed sample.
        """
        results, size = self.dataset.get_data_info(self.index[scan]), 0
        for step in self.pipeline.transforms:
            results = step(results)
            if isinstance(step, AddPointIdentity):
                size = len(results['points'])
        cloud = results['inputs']['points']
        points = cloud[:, :-IDENTITY_COLUMNS].contiguous()
        return points, cloud[:, -IDENTITY_COLUMNS].long(), size, results['data_samples']

    def share(self, scans: Sequence[int]) -> float:
        """How many times the first of some scans they all are, judged by the size of their files.

        In remote storage sizes are unknown and all scans count the same.
        """
        size = self.table['bytes']
        return sum(size[scan] for scan in scans) / size[scans[0]] if size[scans[0]] else len(scans)


def with_identity(pipeline: Sequence[Mapping]) -> list[Mapping]:
    """A pipeline with ``AddPointIdentity`` behind the loading of points, unless it has one."""
    kinds = [str(step['type']).split('.')[-1] for step in pipeline]
    if AddPointIdentity.__name__ in kinds:
        return list(pipeline)
    loaders = [i for i, kind in enumerate(kinds) if kind.startswith('LoadPoints')]
    if not loaders:
        raise ValueError(
            f'the test pipeline loads no points, expected a LoadPoints... transform, got {kinds}'
        )
    place = loaders[-1] + 1
    return [*pipeline[:place], dict(type=AddPointIdentity.__name__), *pipeline[place:]]


def _innermost(dataset: Mapping) -> Mapping:
    """The data set inside wrappers, to which point identities refer."""
    while 'type' in dataset and dataset.get('dataset') is not None:
        dataset = dataset['dataset']
    if 'datasets' in dataset:
        raise ValueError(
            f'{dataset["type"]} joins {len(dataset["datasets"])} data sets, whose scans '
            'AddPointIdentity numbers alike: a teacher cache needs one data set'
        )
    return dataset

"""The range of the points stands in model, pipelines and metric: is it one range?"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, MutableMapping, Sequence

from mmdet3d.evaluation import KittiMetric
from mmdet3d.registry import METRICS
from mmengine.config import Config
from mmengine.logging import print_log

from ..base import UsageError
from ..datasets.class_names import inner_datasets
from ..distill.teacher import teacher_config
from ..models.geometry import check_geometry, narrower, output_stride
from .classes import transforms

RANGE_FILTERS = ('PointsRangeFilter', 'ObjectRangeFilter')


def check_geometry_of_config(cfg: Config, splits: Sequence[str] = ('train', 'val', 'test')) -> None:
    """Refuse a config whose network, pipelines and metrics look at different places.

    A ``KittiMetric`` without ``pcd_limit_range``, whose own default drops what lies outside
    0 to 70.4 m ahead, 40 m to the side and -3 to 0 m of height, gets the range of the points.

    Args:
        cfg: The config; metrics are changed in place.
        splits: Loaders the run will use.

    Raises:
        UsageError: On the first place that disagrees: its key, both values and what would fit.
    """
    model, name, reach, slack = cfg.get('model'), None, None, 0.0
    if isinstance(model, Mapping) and 'type' in model:
        student = teacher_config(model)
        grid = check_geometry(student, 'student' if 'student' in model else 'model')
        if grid is not None:
            reach, name = grid.point_cloud_range, 'the voxel_layer of the data_preprocessor'
            slack = max(grid.voxel_size[:2]) * (output_stride(student) or 1) / 2
    for key, value in _filters(cfg, splits):
        if reach is None:
            reach, name = tuple(value), key
        elif 'ObjectRangeFilter' in key and narrower(reach, value, slack):
            raise UsageError(
                f'point_cloud_range of {key} is {_told(value)}, but that of {name} is '
                f'{_told(reach)}: objects would be trained on where the network sees nothing'
            )
        elif narrower(value, reach, slack):
            print_log(
                f'point_cloud_range of {key}, {_told(value)}, leaves part of the map empty that '
                f'{name} has, {_told(reach)}',
                logger='current',
                level=logging.WARNING,
            )
    if reach is not None:
        _limit_metrics(cfg, splits, reach, name)


def _filters(cfg: Config, splits: Sequence[str]) -> Iterator[tuple[str, Sequence[float]]]:
    for split in splits:
        loader = cfg.get(f'{split}_dataloader') or {}
        for dataset in inner_datasets(loader.get('dataset')):
            for transform in transforms(dataset.get('pipeline')):
                kind = str(transform.get('type')).split('.')[-1]
                if kind in RANGE_FILTERS and transform.get('point_cloud_range') is not None:
                    key = f'{kind} in the pipeline of {split}_dataloader'
                    yield key, transform['point_cloud_range']


def _limit_metrics(cfg: Config, splits: Sequence[str], reach: Sequence[float], name: str) -> None:
    for split in splits:
        evaluator = cfg.get(f'{split}_evaluator')
        for metric in evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]:
            if not isinstance(metric, MutableMapping) or not _is_kitti(metric):
                continue
            limit = metric.get('pcd_limit_range')
            if limit is None:
                metric['pcd_limit_range'] = list(reach)
                place = f'pcd_limit_range of {split}_evaluator'
                print_log(f'{place} is set to {_told(reach)}', logger='current')
            elif narrower(limit, reach, 1.0):  # mmdet3d's own is 1 m lower than its range
                raise UsageError(
                    f'pcd_limit_range of {split}_evaluator is {_told(limit)}, but the '
                    f'point_cloud_range of {name} is {_told(reach)}: what is found outside the '
                    'limit is not counted, what is to be found is; leave it out, or give at least '
                    'that range'
                )


def _is_kitti(metric: Mapping) -> bool:
    kind = metric.get('type')
    kind = METRICS.get(kind) if isinstance(kind, str) else kind
    return isinstance(kind, type) and issubclass(kind, KittiMetric)


def _told(numbers: Sequence[float]) -> str:
    return f'[{", ".join(f"{number:g}" for number in numbers)}]'

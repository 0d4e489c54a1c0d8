"""What a metric will call its scores, known before anything is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

from mmdet3d.evaluation import IndoorMetric, KittiMetric, NuScenesMetric, SegMetric
from mmengine.evaluator import BaseMetric

from .kitti_metric import DIFFICULTIES, MIN_OVERLAPS, VIEWS, KittiMetricWithCeiling
from .nuscenes_part_metric import NuScenesPartMetric
from .seg_metric import SegMetricWithVoxels

_NUSCENES_ERRORS = ('trans_err', 'scale_err', 'orient_err', 'vel_err', 'attr_err')


def score_names(metric: BaseMetric, meta: Mapping) -> frozenset[str] | None:
    """Names of all scores that a metric may give, with its prefix.

    Args:
        metric: A metric of this project or of mmdet3d; others are not known.
        meta: Of the data set: ``classes``, and ``label2cat`` of a segmentation.

    Returns:
        None for a metric that is not known; nothing for one that only writes its results.

    Example:
        >>> meta = dict(classes=('wall',), label2cat={0: 'wall'})
        >>> sorted(score_names(SegMetric(prefix='raw'), meta))
        ['raw/acc', 'raw/acc_cls', 'raw/miou', 'raw/wall']
    """
    names_of = _NAMES.get(type(metric))
    if names_of is None:
        return None
    if getattr(metric, 'format_only', False):
        return frozenset()
    names = names_of(metric, meta)
    return frozenset(f'{metric.prefix}/{name}' if metric.prefix else name for name in names)


def _segmentation(metric: SegMetric, meta: Mapping) -> list[str]:
    classes = (meta.get('label2cat') or dict(enumerate(meta['classes']))).values()
    return [*classes, 'miou', 'acc', 'acc_cls']


def _segmentation_with_voxels(metric: SegMetricWithVoxels, meta: Mapping) -> list[str]:
    return [*_segmentation(metric, meta), 'voxel_miou', 'tta_views']


def _kitti(metric: KittiMetric, meta: Mapping) -> list[str]:
    image = [f'pred_instances/KITTI/{name}' for name in _kitti_scores(meta['classes'], ('2D',))]
    views = (*VIEWS, '2D')
    space = [f'pred_instances_3d/KITTI/{name}' for name in _kitti_scores(meta['classes'], views)]
    return image + space


def _kitti_scores(classes: Sequence[str], views: Sequence[str]) -> list[str]:
    curves = list(product(views, ('AP11', 'AP40'), DIFFICULTIES))
    names = [
        f'{each}_{view}_{curve}_{level}_{kind}'
        for each in classes
        for view, curve, level in curves
        for kind in MIN_OVERLAPS
    ]
    if len(classes) > 1:
        names += [f'Overall_{view}_{curve}_{level}' for view, curve, level in curves]
    return names


def _kitti_with_ceiling(metric: KittiMetricWithCeiling, meta: Mapping) -> list[str]:
    names = []
    for each, level in product(meta['classes'], DIFFICULTIES):
        names += [f'{each}_objects_{level}', f'{each}_AP40_ceiling_{level}']
        names += [f'{each}_{view}_area_{level}_{kind}' for view in VIEWS for kind in MIN_OVERLAPS]
    return _kitti(metric, meta) + [f'pred_instances_3d/KITTI/{name}' for name in names]


def _nuscenes(metric: NuScenesMetric, meta: Mapping) -> list[str]:
    names = ['NDS', 'mAP', *metric.ErrNameMapping.values()]
    for each in meta['classes']:
        names += [f'{each}_AP_dist_{reach}' for reach in metric.eval_detection_configs.dist_ths]
        names += [f'{each}_{error}' for error in _NUSCENES_ERRORS]
    return [f'pred_instances_3d_NuScenes/{name}' for name in names]


def _indoor(metric: IndoorMetric, meta: Mapping) -> list[str]:
    names = []
    for limit in metric.iou_thr:
        names += [f'mAP_{limit:.2f}', f'mAR_{limit:.2f}']
        names += [
            f'{each}_{kind}_{limit:.2f}' for each in meta['classes'] for kind in ('AP', 'rec')
        ]
    return names


_NAMES: dict[type, Callable[..., list[str]]] = {
    SegMetric: _segmentation,
    SegMetricWithVoxels: _segmentation_with_voxels,
    KittiMetric: _kitti,
    KittiMetricWithCeiling: _kitti_with_ceiling,
    NuScenesMetric: _nuscenes,
    NuScenesPartMetric: _nuscenes,
    IndoorMetric: _indoor,
}
"""Exact type -> how its scores are named; a subclass of somebody's may give others."""

"""Does the ground truth find itself? A metric that gives it 0 gives everything 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mmdet3d.datasets import KittiDataset, NuScenesDataset, Seg3DDataset
from mmdet3d.evaluation import KittiMetric, NuScenesMetric, SegMetric
from mmdet3d.structures import Det3DDataSample
from mmengine.dataset import BaseDataset
from mmengine.fileio import load
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..base import UsageError
from .kitti_truth import KittiTruth

FRAMES = 200
"""Frames looked at, at most."""

SCANS = 20
"""Scans of a segmentation that are read, at most, until one has a label."""


def check_truth_scores(runner: Runner) -> None:
    """Score the ground truth of the data to be evaluated against itself.

    Up to :data:`FRAMES` frames, evenly spread, go through the metric's own filters as if a network
    had found all objects; a class of which nothing counts as found scores 0 and is named in the
    log. No points are read. Looked at are ``KittiMetric`` and ``NuScenesMetric`` with their kinds,
    on LiDAR boxes; and segmentations, of which some scan must have a label.

    Raises:
        UsageError: If every class scores 0, or there is nothing to score at all.
    """
    for split in ('val', 'test'):
        loop = getattr(runner, f'_{split}_loop', None)
        for metric in getattr(getattr(loop, 'evaluator', None), 'metrics', ()):
            dataset = loop.dataloader.dataset
            for kinds, check in _CHECKS.items():
                pair = all(map(isinstance, (metric, dataset), kinds))
                if pair and len(dataset) and not getattr(metric, 'format_only', False):
                    check(metric, dataset, split)


def _check_kitti(metric: KittiMetric, dataset: KittiDataset, split: str) -> None:
    content = load(metric.ann_file, backend_args=metric.backend_args)
    infos = content['data_list']
    if len(infos) != len(dataset):
        raise UsageError(
            f'ann_file of {split}_evaluator, {metric.ann_file}, has {len(infos)} frames, but the '
            f'data set of {split}_dataloader {len(dataset)}: give both one info file'
        )
    chosen = _spread(dataset, FRAMES)
    found = [_as_found(dataset.get_data_info(frame)) for frame in chosen]
    if None in found:
        print_log(f'{split}: no LiDAR boxes to score against themselves', logger='current')
        return
    content = content | dict(data_list=[infos[frame] for frame in chosen])
    truth = KittiTruth(metric, content, found, dataset.metainfo['classes'])
    _judge(metric, dataset, split, truth.objects, truth.hits, truth.reasons)


def _check_nuscenes(metric: NuScenesMetric, dataset: NuScenesDataset, split: str) -> None:
    classes, ranges = dataset.metainfo['classes'], metric.eval_detection_configs.class_range
    objects, hits = Counter(), Counter()
    for frame in _spread(dataset, FRAMES):
        info = dataset.get_data_info(frame)
        found = _as_found(info)
        if found is None:
            return
        pose = np.array(info['lidar_points']['lidar2ego'])
        center = found['bboxes_3d'].gravity_center.numpy() @ pose[:2, :3].T + pose[:2, 3]
        names = [classes[label] for label in found['labels_3d'].tolist()]
        objects.update(names)
        for name, distance in zip(names, np.hypot(*center.T)):
            hits[name] += bool(distance <= ranges[name])

    def reasons(zero: Sequence[str]) -> str:
        limits = ', '.join(f'{name} {ranges[name]} m' for name in zero)
        return f'all lie farther from the car than nuScenes scores their class ({limits})'

    _judge(metric, dataset, split, objects, hits, reasons)


def _check_segmentation(metric: SegMetric, dataset: Seg3DDataset, split: str) -> None:
    classes, looked_at = len(dataset.metainfo['classes']), 0
    for scan in _spread(dataset, SCANS):
        sample = dataset[scan].get('data_samples')
        labels = getattr(sample, 'eval_ann_info', None) or {}
        labels = labels.get('pts_semantic_mask') if isinstance(sample, Det3DDataSample) else None
        if labels is None:
            return  # views of test-time augmentation, or a split without labels
        looked_at += 1
        labels = torch.as_tensor(labels)
        if bool(((labels >= 0) & (labels < classes) & (labels != dataset.ignore_index)).any()):
            return
    raise UsageError(
        f'none of {looked_at} scans of {split}_dataloader has a point of its {classes} classes, so '
        f'that {split}_evaluator can score nothing: all are mapped to the ignored label '
        f'{dataset.ignore_index}, see seg_label_mapping'
    )


_CHECKS: dict[tuple[type, type], Callable] = {
    (KittiMetric, KittiDataset): _check_kitti,
    (NuScenesMetric, NuScenesDataset): _check_nuscenes,
    (SegMetric, Seg3DDataset): _check_segmentation,
}
"""Kinds of a metric and its data set -> how they are looked at."""


def _judge(
    metric: KittiMetric | NuScenesMetric,
    dataset: BaseDataset,
    split: str,
    objects: Counter,
    hits: Counter,
    reasons: Callable[[Sequence[str]], str],
) -> None:
    """Refuse what scores nothing, name what scores in part."""
    classes = dataset.metainfo['classes']
    place = f'the ground truth of {min(len(dataset), FRAMES)} frames of {split}_dataloader'
    if not any(objects.values()):
        raise UsageError(
            f'{place} has no object of {", ".join(classes)}, so that {split}_evaluator can score '
            'nothing: take frames with objects, or leave validation out (val_cfg, val_dataloader '
            'and val_evaluator None)'
        )
    zero = [name for name in classes if objects[name] and not hits[name]]
    if not zero:
        return
    what = f'{place} scores 0 against itself in {type(metric).__name__}'
    if not any(hits.values()):
        raise UsageError(
            f'{what}, every class of it ({", ".join(zero)}), and so would any network: '
            f'{reasons(zero)}'
        )
    print_log(f'{what} for {", ".join(zero)}: {reasons(zero)}', logger='current', level=30)


def _spread(dataset: BaseDataset, most: int) -> list[int]:
    """Numbers of up to ``most`` entries, evenly spread."""
    return np.unique(np.linspace(0, len(dataset) - 1, most).astype(int)).tolist()


def _as_found(info: dict) -> dict[str, Any] | None:
    """Objects of a frame as a network would predict them; None without LiDAR boxes."""
    truth = info.get('eval_ann_info') or info.get('ann_info')
    boxes = (truth or {}).get('gt_bboxes_3d')
    if not hasattr(boxes, 'tensor'):
        return None
    labels = torch.as_tensor(truth['gt_labels_3d'])
    rows = (labels >= 0).nonzero().squeeze(1)
    return dict(
        bboxes_3d=boxes[rows],
        labels_3d=labels[rows],
        scores_3d=torch.full((len(rows),), 0.9),
    )

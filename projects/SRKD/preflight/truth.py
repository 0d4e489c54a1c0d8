"""Does the ground truth find itself? A metric that gives it 0 gives everything 0."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet3d.datasets import KittiDataset
from mmdet3d.evaluation import KittiMetric
from mmdet3d.evaluation.functional.kitti_utils import eval as kitti
from mmdet3d.structures import Box3DMode, points_cam2img
from mmengine.fileio import load
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor

from ..base import UsageError
from ..evaluation.kitti_metric import CLASSES, DIFFICULTIES, valid_objects

FRAMES = 200
"""Frames looked at, at most."""


def check_truth_scores(runner: Runner) -> None:
    """Score the ground truth of the data to be evaluated against itself.

    Up to :data:`FRAMES` frames, evenly spread, go through the metric's own filters as if a network
    had found all objects; a class of which nothing counts as found scores 0 and is named in the
    log. Average precision itself is not computed: its functions take seconds to compile.

    Looked at are ``KittiMetric`` and its kind on LiDAR boxes, without points being read.

    Raises:
        UsageError: If every class scores 0, or there is no object at all.
    """
    for split in ('val', 'test'):
        loop = getattr(runner, f'_{split}_loop', None)
        for metric in getattr(getattr(loop, 'evaluator', None), 'metrics', ()):
            dataset = loop.dataloader.dataset
            if isinstance(metric, KittiMetric) and isinstance(dataset, KittiDataset):
                _check_kitti(metric, dataset, split)


def _check_kitti(metric: KittiMetric, dataset: KittiDataset, split: str) -> None:
    if metric.format_only or not len(dataset) or dataset.metainfo.get('classes') is None:
        return
    content = load(metric.ann_file, backend_args=metric.backend_args)
    infos = content['data_list']
    if len(infos) != len(dataset):
        raise UsageError(
            f'ann_file of {split}_evaluator, {metric.ann_file}, has {len(infos)} frames, but the '
            f'data set of {split}_dataloader {len(dataset)}: give both one info file'
        )
    chosen = np.unique(np.linspace(0, len(infos) - 1, FRAMES).astype(int))
    found = [_as_found(dataset.get_data_info(int(frame))) for frame in chosen]
    if None in found:
        print_log(f'{split}: no LiDAR boxes to score against themselves', logger='current')
        return
    trial = copy.copy(metric)
    trial.data_infos = trial.convert_annos_to_kitti_annos(
        content | dict(data_list=[copy.deepcopy(infos[frame]) for frame in chosen])
    )
    classes = list(dataset.metainfo['classes'])
    objects, scores = Counter(), Counter()
    for info, frame in zip(trial.data_infos, found):
        objects.update(str(name) for name in info['kitti_annos']['name'] if name in classes)
        scores += _found_again(trial, frame, info, classes)
    zero = [name for name in classes if objects[name] and not scores[name]]
    place = f'the ground truth of {len(chosen)} frames of {split}_dataloader'
    if not any(objects.values()):
        raise UsageError(
            f'{place} has no object of {", ".join(classes)}, so that {split}_evaluator can score '
            'nothing: take frames with objects, or leave validation out (val_cfg, val_dataloader '
            'and val_evaluator None)'
        )
    if not zero:
        return
    what = f'{place} scores 0 against itself in {type(metric).__name__}'
    why = _reasons(trial, found, classes, zero)
    if len(zero) == sum(map(bool, objects.values())):
        raise UsageError(
            f'{what}, every class of it ({", ".join(zero)}), and so would any network: {why}'
        )
    print_log(f'{what} for {", ".join(zero)}: {why}', logger='current', level=30)


def _as_found(info: dict) -> dict[str, Any] | None:
    """Objects of a frame as a network would predict them; None without LiDAR boxes."""
    truth = info.get('eval_ann_info') or info.get('ann_info')
    boxes = (truth or {}).get('gt_bboxes_3d')
    if not hasattr(boxes, 'tensor'):
        return None
    labels = torch.as_tensor(truth['gt_labels_3d'])
    kept = labels >= 0
    return dict(
        bboxes_3d=boxes[kept], labels_3d=labels[kept], scores_3d=torch.full((int(kept.sum()),), 0.9)
    )


def _found_again(
    metric: KittiMetric, frame: dict, info: dict, classes: Sequence[str]
) -> Counter:
    """Number of objects of every class that count and whose own box is a hit for KITTI's rules."""
    truth = info['kitti_annos']
    places = [i for i, name in enumerate(truth['name']) if name in classes]
    if not places:
        return Counter()
    order = torch.arange(len(places), dtype=torch.float32)  # as scores: says which boxes are kept
    boxes = dict(frame, bboxes_3d=frame['bboxes_3d'].clone(), scores_3d=order)
    kept = metric.convert_valid_bboxes(boxes, info)
    index = kept['scores'].astype(int)
    said = dict(name=np.asarray(truth['name'])[places][index], bbox=kept['bbox'])
    sound = (frame['bboxes_3d'].dims > 0).all(1).numpy()[index]  # else it overlaps with nothing
    hits = Counter()
    for name in set(said['name'].tolist()) & set(CLASSES):
        numbers = CLASSES.index(name), len(DIFFICULTIES) - 1  # the mildest rules
        _, left_out, unseen, _ = kitti.clean_data(truth, said, *numbers)
        hits[name] = sum(
            left_out[places[number]] == 0 and unseen[row] == 0 and bool(sound[row])
            for row, number in enumerate(index)
        )
    return hits


def _reasons(
    metric: KittiMetric, found: Sequence[dict], classes: Sequence[str], zero: Sequence[str]
) -> str:
    """Say what keeps objects of some classes from being counted, most frequent first."""
    counts = dict.fromkeys(('box', 'range', 'image', 'flat', 'hard'), 0)
    total = valid = 0
    limit = torch.tensor(metric.pcd_limit_range)
    for info, frame in zip(metric.data_infos, found):
        truth = info['kitti_annos']
        named = np.isin(np.asarray(truth['name']), zero)
        image = np.asarray(truth['bbox'], float).reshape(-1, 4)[named]
        total += len(image)
        counts['box'] += int(((image[:, 2] <= image[:, 0]) | (image[:, 3] <= image[:, 1])).sum())
        numbers = torch.tensor([classes.index(name) for name in zero])
        boxes = frame['bboxes_3d'][torch.isin(frame['labels_3d'], numbers)]
        center = boxes.center
        counts['range'] += int((~((center > limit[:3]) & (center < limit[3:])).all(1)).sum())
        counts['flat'] += int((~(boxes.dims > 0).all(1)).sum())
        counts['image'] += int((~_in_image(metric, boxes, info)).sum())
        valid += sum(valid_objects([truth], name, DIFFICULTIES[-1]) for name in zero)
    counts['hard'] = total - valid - counts['box']
    camera = metric.data_infos[0]['images'][metric.default_cam_key]
    words = dict(
        box='{} have an image box (bbox) without area, such as -1 or 0: the image boxes are '
        'unknown, and KITTI counts objects by their height in the image',
        range=f'{{}} lie outside pcd_limit_range {list(metric.pcd_limit_range)} of the metric: '
        'give it the range of the data, as for a sensor on another height',
        image=f'{{}} do not project into the image of {camera.get("width")} x '
        f'{camera.get("height")} pixels: width and height may be swapped, or the calibration wrong',
        flat='{} have a size that is not positive',
        hard='{} are too small in the image (25 pixels or less), too occluded or too truncated to '
        'count at any difficulty',
    )
    told = [words[key].format(f'{n} of {total}') for key, n in sorted(
        counts.items(), key=lambda item: -item[1]) if n > 0]  # fmt: skip
    return '; '.join(told) or f'none of the {total} objects is found again'


def _in_image(metric: KittiMetric, boxes, info: dict) -> Tensor:
    """Which boxes ``KittiMetric`` takes to be in the image, (n,)."""
    camera = info['images'][metric.default_cam_key]
    if not len(boxes):
        return torch.zeros(0, dtype=torch.bool)
    lidar2cam = np.array(camera['lidar2cam'], np.float32)
    corners = boxes.convert_to(Box3DMode.CAM, lidar2cam).corners  # (n, 8, 3)
    pixels = points_cam2img(corners, corners.new_tensor(camera['cam2img']))
    low, high = pixels.amin(1), pixels.amax(1)
    return (low < low.new_tensor([camera['width'], camera['height']])).all(1) & (high > 0).all(1)

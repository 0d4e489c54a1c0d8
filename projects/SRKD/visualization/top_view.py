"""One data sample from above: what mmdet3d's visualizer shows in a window, without one.

Shape letters: n points.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from .detection_picture import Boxes, boxes_figure
from .picture import scene_figure

TASKS = ('lidar_det', 'lidar_seg')


def top_view(
    task: str,
    points: np.ndarray,
    sample: Any,
    meta: Mapping,
    title: str = '',
    min_score: float = 0.3,
    truth: bool = True,
    prediction: bool = True,
    ceiling: float | None = None,
) -> Figure:
    """Draw what is known of a scan and what a network makes of it.

    Args:
        task: ``'lidar_det'`` or ``'lidar_seg'``.
        points: Raw points ``(n, >= 3)``, meters.
        sample: Data sample; what it lacks is not drawn. Boxes of the LiDAR or the depth frame.
        meta: ``metainfo`` of the data set: ``classes`` and, for segmentation, ``palette``.
        title: Line above the panels.
        min_score: Boxes of lower score are left out.
        truth: Whether to draw the ground truth.
        prediction: Whether to draw the prediction.
        ceiling: Of a segmented scene, leave out points higher than this above the lowest, meters.
    """
    found = dict(lidar_seg=_found_labels, lidar_det=_found_boxes)[task](sample)
    known = dict(lidar_seg=_known_labels, lidar_det=_known_boxes)[task](sample)
    networks = {'prediction': found} if prediction and found is not None else {}
    known = known if truth else None
    if task == 'lidar_det':
        if known is None and not networks:
            known = Boxes(np.zeros((0, 7)), np.zeros(0, int))
        return boxes_figure(points, known, networks, meta['classes'], title, min_score=min_score)
    if known is None and not networks:
        known = np.full(len(points), -1)
    return scene_figure(points, known, networks, meta['classes'], meta['palette'], title, ceiling)


def _found_labels(sample: Any) -> np.ndarray | None:
    found = sample.get('pred_pts_seg')
    return None if found is None else _array(found.pts_semantic_mask)


def _known_labels(sample: Any) -> np.ndarray | None:
    known = (sample.get('eval_ann_info') or {}).get('pts_semantic_mask')
    if known is None:
        known = (sample.get('gt_pts_seg') or {}).get('pts_semantic_mask')
    return None if known is None else _array(known)


def _found_boxes(sample: Any) -> Boxes | None:
    found = sample.get('pred_instances_3d')
    if found is None:
        return None
    return Boxes(_array(found.bboxes_3d.tensor), _array(found.labels_3d), _array(found.scores_3d))


def _known_boxes(sample: Any) -> Boxes | None:
    known = sample.get('eval_ann_info')
    if known and 'gt_bboxes_3d' in known:
        return Boxes(_array(known['gt_bboxes_3d'].tensor), _array(known['gt_labels_3d']))
    known = sample.get('gt_instances_3d')
    if known is None or 'bboxes_3d' not in known:
        return None
    return Boxes(_array(known.bboxes_3d.tensor), _array(known.labels_3d))


def _array(values: Any) -> np.ndarray:
    return values.cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)

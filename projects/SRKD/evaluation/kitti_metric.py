"""KITTI's score of validation sets that are too small for it.

AP40 is the mean of the precisions at up to 41 score thresholds but the first, at most one per
object. With n valid objects nothing can therefore score more than (n - 1) / 40, ground truth itself
included, until n is 41. The area under the same precision-recall curve has no such ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmdet3d.evaluation import KittiMetric
from mmdet3d.evaluation.functional.kitti_utils import eval as kitti
from mmdet3d.registry import METRICS
from mmengine.logging import MMLogger, print_log
from terminaltables import AsciiTable

from ..base import UsageError

CLASSES = ('Car', 'Pedestrian', 'Cyclist')
DIFFICULTIES = ('easy', 'moderate', 'hard')
VIEWS = {'BEV': 1, '3D': 2}
"""Name in mmdet3d's keys -> its number of the metric."""

MIN_OVERLAPS = {'strict': dict(Car=0.7, Pedestrian=0.5, Cyclist=0.5),
                'loose': dict(Car=0.5, Pedestrian=0.25, Cyclist=0.25)}  # fmt: skip
"""IoU above which mmdet3d counts a box, of both views."""

MAX_THRESHOLDS = 1000
"""Points of a curve at most; with more hits than that the area is low by up to 0.1."""


@METRICS.register_module()
class KittiMetricWithCeiling(KittiMetric):
    """``KittiMetric`` with the number of objects, the ceiling of AP40 and the area under the curve.

    Beside mmdet3d's keys, of ``pred_instances_3d/KITTI/``, there are in percent and per class and
    difficulty ``Car_AP40_ceiling_moderate``, ``Car_3D_area_moderate_strict`` (also BEV and loose)
    and the number ``Car_objects_moderate``. mmdet3d's long text gives way to one table.

    Args:
        min_objects: Below this number of valid objects a class and difficulty gets its number and
            ceiling, and no score; where one class lacks a score, so does ``Overall``.
        kwargs: As for ``KittiMetric``.

    Raises:
        UsageError: If the data set has a class that KITTI's rules leave out.
    """

    def __init__(self, *args, min_objects: int = 1, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.min_objects = min_objects

    def kitti_evaluate(
        self,
        results_dict: dict,
        gt_annos: list[dict],
        metric: str | None = None,
        classes: Sequence[str] | None = None,
        logger: MMLogger | None = None,
    ) -> dict[str, float]:
        """Score the detections of all frames; arguments and keys are the parent's."""
        scores = {}
        for name, annos in results_dict.items():
            if name == 'pred_instances' or metric == 'img_bbox':
                scores |= super().kitti_evaluate({name: annos}, gt_annos, metric, classes, logger)
                continue
            found = self._score(name, annos, gt_annos, metric, classes)
            scores |= found
            print_log(f'Results of {name}:\n{_table(found, name, classes)}', logger=logger)
        return scores

    def _score(self, name, annos, gt_annos, metric, classes) -> dict[str, float]:
        objects = {
            (each, level): valid_objects(gt_annos, each, level)
            for each in classes
            for level in DIFFICULTIES
        }
        few = {cell for cell, number in objects.items() if number < self.min_objects}
        kept = [each for each in classes if any((each, level) not in few for level in DIFFICULTIES)]
        scores = {}
        if kept:
            scores = super().kitti_evaluate({name: annos}, gt_annos, metric, kept, 'silent')
            few |= {('Overall', level) for _, level in few}
            scores = {key: score for key, score in scores.items() if not _is_of(key, few)}
        for (each, level), number in objects.items():
            scores[f'{name}/KITTI/{each}_objects_{level}'] = float(number)
            scores[f'{name}/KITTI/{each}_AP40_ceiling_{level}'] = ap40_ceiling(number)
        for view in VIEWS:
            # frame by frame: all boxes of all frames at once are not held
            overlaps = kitti.calculate_iou_partly(annos, gt_annos, VIEWS[view], len(annos))[0]
            for (each, level), (kind, limits) in (
                (cell, limit) for cell in objects.keys() - few for limit in MIN_OVERLAPS.items()
            ):
                area = curve_area(gt_annos, annos, overlaps, view, each, level, limits[each])
                scores[f'{name}/KITTI/{each}_{view}_area_{level}_{kind}'] = float(f'{area:.4f}')
        return scores


def ap40_ceiling(objects: int) -> float:
    """AP40 in percent that ground truth against itself gets."""
    return 100 * (min(max(objects, 1), 41) - 1) / 40


def valid_objects(gt_annos: list[dict], name: str, difficulty: str) -> int:
    """Number of objects that KITTI counts.

    Args:
        gt_annos: KITTI annotations of each frame, as ``KittiMetric`` makes them.
        name: ``'Car'``, ``'Pedestrian'`` or ``'Cyclist'``.
        difficulty: ``'easy'``, ``'moderate'`` or ``'hard'``.

    Returns:
        Objects of the class that are tall enough in the image, and neither too occluded nor too
        truncated.

    Raises:
        UsageError: If there are no rules for the class.
    """
    if name not in CLASSES:
        raise UsageError(
            f'KITTI has rules for the classes {", ".join(CLASSES)}, but the data set names {name}'
        )
    nothing = dict(name=[], bbox=np.zeros((0, 4)))
    numbers = CLASSES.index(name), DIFFICULTIES.index(difficulty)
    return sum(kitti.clean_data(anno, nothing, *numbers)[0] for anno in gt_annos)


def curve_area(
    gt_annos: list[dict],
    dt_annos: list[dict],
    overlaps: list[np.ndarray],
    view: str,
    name: str,
    difficulty: str,
    min_overlap: float,
) -> float:
    """Area under the precision-recall curve, each precision the best at that recall or above.

    Boxes are matched and counted by mmdet3d, at the score of every hit in place of 41 of them.
    Recall is the share of valid objects.

    Args:
        gt_annos: KITTI annotations of each frame.
        dt_annos: Detections of each frame.
        overlaps: IoU of each frame's detections with its objects.
        view: ``'BEV'`` or ``'3D'``.
        name: Class.
        difficulty: ``'easy'``, ``'moderate'`` or ``'hard'``.
        min_overlap: IoU above which a box counts.

    Returns:
        Area in percent; 0 where there is no valid object.
    """
    numbers = CLASSES.index(name), DIFFICULTIES.index(difficulty)
    *lists, _, valid = kitti._prepare_data(gt_annos, dt_annos, *numbers)
    frames = list(zip(overlaps, *lists))
    limits = dict(min_overlap=min_overlap, compute_fp=False, thresh=0.0)
    hits = [kitti.compute_statistics_jit(*frame, VIEWS[view], **limits)[-1] for frame in frames]
    thresholds = np.unique(np.concatenate(hits))[::-1]
    if len(thresholds) > MAX_THRESHOLDS:
        thresholds = thresholds[np.linspace(0, len(thresholds) - 1, MAX_THRESHOLDS).astype(int)]
    counts = np.zeros((len(thresholds), 4))  # hits, false alarms, missed, orientation
    for overlap, truth, found, *ignored, regions in frames:
        sizes = (np.array([len(each)]) for each in (truth, found, regions))
        kitti.fused_compute_statistics(
            np.ascontiguousarray(overlap), counts, *sizes, truth, found, regions, *ignored,
            VIEWS[view], min_overlap=min_overlap, thresholds=thresholds,
        )  # fmt: skip
    hits, false = counts[:, 0], counts[:, 1]
    recall, order = hits / max(valid, 1), np.argsort(hits)
    precision = (hits / np.maximum(hits + false, 1))[order]
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return 100 * float(np.diff(recall[order], prepend=0) @ precision)


def _is_of(key: str, cells: set[tuple[str, str]]) -> bool:
    """Whether a key of mmdet3d, ``.../Car_3D_AP40_easy_strict``, is of one of the cells."""
    name, *_, level = key.split('/')[-1].removesuffix('_strict').removesuffix('_loose').split('_')
    return (name, level) in cells


def _table(scores: dict[str, float], name: str, classes: Sequence[str]) -> str:
    def both(each: str, what: str, level: str) -> str:
        keys = [f'{name}/KITTI/{each}_{what}_{level}_{kind}' for kind in MIN_OVERLAPS]
        return ' / '.join(f'{scores[key]:.2f}' if key in scores else '-' for key in keys)

    columns = [f'{view}_{what}' for view in VIEWS for what in ('AP40', 'area')]
    rows = [['strict / loose IoU', 'objects', 'ceiling', *(c.replace('_', ' ') for c in columns)]]
    for each in classes:
        for level in DIFFICULTIES:
            number = scores[f'{name}/KITTI/{each}_objects_{level}']
            ceiling = scores[f'{name}/KITTI/{each}_AP40_ceiling_{level}']
            rows.append([f'{each} {level}', f'{number:.0f}', f'{ceiling:.1f}',
                         *(both(each, column, level) for column in columns)])  # fmt: skip
    return AsciiTable(rows).table

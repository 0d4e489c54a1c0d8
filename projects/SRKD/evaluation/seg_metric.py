"""Segmentation scores on raw points and, told apart, on voxels.

Shape letters: n raw points of a scan, V voxels, L classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmdet3d.evaluation import SegMetric
from mmdet3d.evaluation.functional.seg_eval import (
    fast_hist,
    get_acc,
    get_acc_cls,
    per_class_iou,
)
from mmdet3d.registry import METRICS
from mmengine.logging import MMLogger, print_log
from terminaltables import AsciiTable

from ..base import UsageError
from .submission import SUBMISSION_FORMATS


@METRICS.register_module()
class SegMetricWithVoxels(SegMetric):
    """``SegMetric``, with the score on voxels under a key of its own.

    ``miou``, ``acc``, ``acc_cls`` and the classes' IoU are mmdet3d's, on all raw points. Papers and
    training logs also give a figure on the voxels the network saw, which is another number by
    some percent: ``voxel_miou``. A voxel's label is that of its first point, as in training.
    It is left out where the network has no voxels, and under test-time augmentation, where every
    view has its own; a run with augmentation logs ``tta_views``, the number of views, instead.

    Only each scan's confusion matrix is kept (mmdet3d keeps all predictions: 200 million
    points on nuScenes val), and only its non-zero cells.

    Args:
        submission_prefix: Folder of a submission; the predictions of every scan are written there
            as soon as they are made. None: nothing is written.
        submission: Config of its format, see :mod:`~projects.SRKD.evaluation.submission`; the
            configs of the data sets name theirs.
        format_only: Whether nothing is scored, so that labels are not needed.
        kwargs: As for ``SegMetric``.

    Raises:
        UsageError: If a scan to be scored has no ground truth, another number of predictions than
            labels, or a submission has no format or no folder.
    """

    def __init__(
        self,
        submission_prefix: str | None = None,
        submission: Mapping | None = None,
        format_only: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if format_only and submission_prefix is None:
            raise UsageError(
                'format_only=True of the metric writes predictions and scores nothing, expected '
                "submission_prefix='FOLDER' to say where they go"
            )
        if submission_prefix is not None and submission is None:
            known = ', '.join(SUBMISSION_FORMATS.module_dict)
            raise UsageError(
                f'submission_prefix={str(submission_prefix)!r} of the metric needs a format, '
                f'expected submission=dict(type=...), one of {known}'
            )
        self.format_only = format_only
        self.folder = None if submission_prefix is None else Path(submission_prefix)
        self.format = None
        if self.folder is not None:
            self.format = SUBMISSION_FORMATS.build(dict(submission))

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count what the scans of a batch add to the confusion matrices.

        Args:
            data_batch: The batch from the loader; a list of inputs in it means augmentation.
            data_samples: Predictions ``pred_pts_seg.pts_semantic_mask`` ``(n,)``, ground truth in
                ``eval_ann_info`` and, from voxel networks, ``point2voxel_map`` ``(n,)``.
        """
        inputs = data_batch.get('inputs') if isinstance(data_batch, dict) else None
        views = len(inputs) if isinstance(inputs, (list, tuple)) else 0
        for sample in data_samples:
            predicted = _array(sample['pred_pts_seg']['pts_semantic_mask'])  # (n,)
            if self.format is not None:
                self._submit(sample, predicted)
            if self.format_only:
                self.results.append({})
                continue
            truth = _array(_truth(sample))  # (n,)
            if len(truth) != len(predicted):
                raise UsageError(
                    f'{_name(sample)} has {len(predicted)} predictions for {len(truth)} labels, '
                    'expected one per raw point: no transform of a test pipeline may add or '
                    'remove points without its labels'
                )
            entry = dict(points=self._cells(truth, predicted), views=views)
            rows = sample.get('point2voxel_map')
            if rows is not None and not views:
                first = _first_points(_array(rows))  # (V,)
                entry['voxels'] = self._cells(truth[first], predicted[first])
            self.results.append(entry)

    def _submit(self, sample: dict, predicted: np.ndarray) -> None:
        if not self.results:
            self.format.open(self.folder, self.dataset_meta)
        self.format.write(_name(sample), predicted)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Add the confusion matrices up, print a table and return the scores."""
        if self.format is not None:
            print_log(f'predictions of {len(results)} scans are in {self.folder}',
                      logger=MMLogger.get_current_instance())  # fmt: skip
        if self.format_only:
            return {}
        names = self.dataset_meta['label2cat']
        points = self._confusion([entry['points'] for entry in results])  # (L, L)
        views = max((entry['views'] for entry in results), default=0)
        title = f'IoU, raw points{f", {views} TTA views" if views else ""}'
        with np.errstate(divide='ignore', invalid='ignore'):  # a class may be absent
            columns = {title: self._iou(points)}
            columns['accuracy'] = np.diag(points) / points.sum(1)
            scores = {names[i]: float(iou) for i, iou in enumerate(columns[title])}
            scores['miou'] = float(np.nanmean(columns[title]))
            scores['acc'] = float(get_acc(points))
            scores['acc_cls'] = float(get_acc_cls(points))
            if views:
                scores['tta_views'] = float(views)
            elif results and all('voxels' in entry for entry in results):
                voxels = self._confusion([entry['voxels'] for entry in results])
                columns['IoU, voxels'] = self._iou(voxels)
                scores['voxel_miou'] = float(np.nanmean(columns['IoU, voxels']))
        columns['points'] = points.sum(1)
        means = [scores['miou'], scores['acc_cls'], scores.get('voxel_miou')]
        table = _table([names[i] for i in range(len(names))], columns, means)
        print_log(f'\n{table}\nacc, raw points: {scores["acc"]:.4f}',
                  logger=MMLogger.get_current_instance())  # fmt: skip
        return scores

    def _cells(self, truth: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Non-zero cells of the confusion matrix: flat indices int32, counts int64."""
        classes = len(self.dataset_meta['label2cat'])
        truth = np.where(truth == self.dataset_meta['ignore_index'], -1, truth.astype(np.int64))
        counts = fast_hist(predicted.astype(np.int64), truth, classes).ravel()  # (L * L,)
        cells = np.flatnonzero(counts)
        return cells.astype(np.int32), counts[cells].astype(np.int64)

    def _confusion(self, parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Matrix ``(L, L)``, rows the truth."""
        classes = len(self.dataset_meta['label2cat'])
        total = np.zeros(classes * classes, np.int64)
        for cells, counts in parts:
            total[cells] += counts
        return total.reshape(classes, classes)

    def _iou(self, confusion: np.ndarray) -> np.ndarray:
        iou = per_class_iou(confusion)  # (L,)
        if self.dataset_meta['ignore_index'] < len(iou):
            iou[self.dataset_meta['ignore_index']] = np.nan
        return iou


def _first_points(rows: np.ndarray) -> np.ndarray:
    """First point of every voxel; a point without a voxel has row -1."""
    voxels, first = np.unique(rows, return_index=True)
    return first[voxels >= 0]


def _truth(sample: dict) -> np.ndarray:
    truth = (sample.get('eval_ann_info') or {}).get('pts_semantic_mask')
    if truth is None:
        raise UsageError(
            f'{_name(sample)} has no ground truth, expected eval_ann_info with pts_semantic_mask: '
            'the test pipeline loads it with LoadAnnotations3D and PointSegClassMapping (a split '
            'without labels cannot be scored: format_only=True of the metric writes predictions)'
        )
    return truth


def _name(sample: dict) -> str:
    return str(sample.get('lidar_path', 'a scan'))


def _array(values: np.ndarray | torch.Tensor) -> np.ndarray:
    return values.cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _table(names: list[str], columns: dict[str, np.ndarray], means: list[float | None]) -> str:
    def text(value) -> str:
        return f'{value:.4f}' if isinstance(value, (float, np.floating)) else f'{value}'

    rows = [[name, *(text(column[i]) for column in columns.values())]
            for i, name in enumerate(names)]  # fmt: skip
    footer = ['mean', *(text(mean) for mean in means if mean is not None)]
    footer.append(text(columns['points'].sum()))
    table = AsciiTable([['class', *columns], *rows, footer])
    table.inner_footing_row_border = True
    return table.table

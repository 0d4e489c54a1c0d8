"""nuScenes' metric says which frames it lacks before it writes and scores the others.

Breaks: a part of a split, tables of another version, or frames without a prediction end in
    "Samples in split doesn't match samples in predictions.", a ``KeyError`` or a bare assertion
    of nuscenes-devkit, after all results were written.
Where: mmdet3d 1.4.0 ``evaluation/metrics/nuscenes_metric.py``: ``NuScenesMetric.format_results``
    hands what it has to ``NuScenesEval``, which compares.
Delete when: the metric compares its frames with the split.

Training and testing ask the same before the first step; this is for a metric that is called alone.
"""
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from ..base import UsageError


def _compared(original: Callable) -> Callable:

    @wraps(original)
    def format_results(self, results: list, *args, **kwargs) -> tuple:
        if not self.format_only:
            _check(self, results)
        return original(self, results, *args, **kwargs)

    format_results.original = original
    return format_results


def _check(metric, results: list) -> None:
    from ..evaluation.nuscenes_split import check_split
    name = type(metric).__name__
    tokens = [info['token'] for info in metric.data_infos]
    partly = None if getattr(metric, 'scores_a_part', False) else 'type'
    check_split(set(tokens), metric.ann_file, metric.data_root, metric.version,
                f"dataset_meta['version'] of {name}", partly)
    lacking = sorted(set(range(len(tokens))) - {result['sample_idx'] for result in results})
    if lacking:
        raise UsageError(
            f'{len(lacking)} of the {len(tokens)} key frames of {metric.ann_file} have no '
            f'prediction in {name}, the first is {tokens[lacking[0]]!r} (sample_idx '
            f'{lacking[0]}): give it one result for each frame')


def apply() -> bool:
    """Wrap the step before the devkit."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.evaluation import NuScenesMetric
    if not hasattr(NuScenesMetric.format_results, 'original'):
        NuScenesMetric.format_results = _compared(NuScenesMetric.format_results)
    return True

"""nuScenes' metric says before it formats a result what nuscenes-devkit would assert at the end.

Breaks: without the tables of a version, with frames of another version or with a part of a split,
    the metric ends in "Database version not found" or "Samples in split doesn't match samples in
    predictions.", after all results were written, and names neither file nor key.
Where: mmdet3d 1.4.0 ``evaluation/metrics/nuscenes_metric.py``: ``NuScenesMetric.compute_metrics``,
    which a run of ``tools/`` reaches only past our checks, and a script of one's own directly.
Delete when: it asks before it formats.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from ..base import UsageError

KEY = 'version in the dataset_meta of NuScenesMetric'


def _asking(original: Callable) -> Callable:

    @wraps(original)
    def compute_metrics(self, results: list[dict]) -> dict:
        from ..datasets.nuscenes_splits import check_version  # registers: only after the cures

        meta = self.dataset_meta or {}
        if 'classes' not in meta:
            raise UsageError(
                'dataset_meta of NuScenesMetric names no classes, expected the '
                f'metainfo of the data set that is scored, but got {meta!r}'
            )
        if not results:
            raise UsageError(
                f'NuScenesMetric has no predictions of {self.ann_file} to score, '
                'expected those of every key frame'
            )
        if not self.format_only:
            check_version(self.data_root, meta.get('version'), KEY)
        return original(self, results)

    compute_metrics.original = original
    return compute_metrics


def _counting(original: Callable) -> Callable:

    @wraps(original)
    def format_results(self, results: list[dict], *args, **kwargs) -> tuple:
        from ..datasets.nuscenes_splits import check_frames, check_version
        from ..evaluation import NuScenesPartMetric

        if not self.format_only:
            folder = check_version(self.data_root, self.version, KEY)
            tokens = {self.data_infos[result['sample_idx']]['token'] for result in results}
            advice = "type='NuScenesPartMetric' scores the part"
            check_frames(
                folder,
                tokens,
                f'the predictions of {self.ann_file}',
                KEY,
                None if isinstance(self, NuScenesPartMetric) else advice,
            )
        return original(self, results, *args, **kwargs)

    format_results.original = original
    return format_results


def apply() -> bool:
    """Wrap the method, and the next one, which knows the frames that were predicted."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.evaluation import NuScenesMetric

    if not hasattr(NuScenesMetric.compute_metrics, 'original'):
        NuScenesMetric.compute_metrics = _asking(NuScenesMetric.compute_metrics)
        NuScenesMetric.format_results = _counting(NuScenesMetric.format_results)
    return True

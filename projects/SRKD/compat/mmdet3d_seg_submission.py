"""A submission that mmdet3d's segmentation metric cannot write is refused before the test.

Breaks: ``SegMetric(submission_prefix=...)`` keeps all predictions, and after the last scan ends in
    "KeyError: 'point_cloud'"; the run is lost.
Where: mmdet3d 1.4.0 ``evaluation/metrics/seg_metric.py``: ``SegMetric.format_results`` reads keys
    of the info files before 1.0.
Delete when: it writes a submission of the info files of its own release.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from ..base import UsageError


def _refusing(original: Callable) -> Callable:

    @wraps(original)
    def init(self, *args, submission_prefix: str | None = None, **kwargs) -> None:
        if submission_prefix is not None:
            raise UsageError(
                f'SegMetric with submission_prefix={submission_prefix!r} cannot write a submission '
                "in mmdet3d 1.4, expected type='SegMetricWithVoxels' and submission=dict(type=...)"
            )
        original(self, *args, **kwargs)

    init.original = original
    return init


def apply() -> bool:
    """Wrap the constructor."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.evaluation import SegMetric

    if not hasattr(SegMetric.__init__, 'original'):
        SegMetric.__init__ = _refusing(SegMetric.__init__)
    return True

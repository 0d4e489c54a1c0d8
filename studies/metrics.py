"""Which figures of a test are shown, and under which title."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import NamedTuple

from projects.SRKD.base import UsageError


class Metric(NamedTuple):
    """A figure of ``tools/test.py``."""

    key: str  # in what it logs
    title: str
    scale: float = 1.0  # to percent

    def value(self, scores: Mapping[str, float]) -> float:
        """Its value as logged.

        Raises:
            UsageError: If the test did not log it.
        """
        if self.key not in scores:
            near = get_close_matches(self.key, scores, n=1) or list(scores)[:3] or ['nothing']
            raise UsageError(
                f'the test logged no {self.key!r} ({self.title}), the nearest is '
                f'{", ".join(near)}: see the evaluator of its config'
            )
        return scores[self.key]

    def percent(self, scores: Mapping[str, float]) -> float:
        """Its value in percent.

        Example:
            >>> MIOU.percent({'miou': 0.25})
            25.0
        """
        return self.scale * self.value(scores)


MIOU, MACC = Metric('miou', 'mIoU', 100.0), Metric('acc_cls', 'mAcc', 100.0)
# over the classes with a labeled point, where few scans are labeled
MIOU_LABELED = Metric('miou_labeled', 'mIoU, labeled classes', 100.0)
_PERCENT = {metric.key: metric for metric in (MIOU, MACC, MIOU_LABELED)}
KITTI = 'Kitti metric/pred_instances_3d/KITTI/'
VIEWS = ('BEV', '3D')


def kitti_ap(name: str, view: str) -> Metric:
    """AP40 of KITTI's moderate objects at the strict IoU.

    Args:
        name: Class, or ``'Overall'`` for the mean of the classes.
        view: ``'BEV'`` or ``'3D'``.

    Example:
        >>> kitti_ap('Car', '3D')[:2]
        ('Kitti metric/pred_instances_3d/KITTI/Car_3D_AP40_moderate_strict', 'Car 3D')
    """
    limit = '' if name == 'Overall' else '_strict'
    title = 'mean' if name == 'Overall' else name
    return Metric(f'{KITTI}{name}_{view}_AP40_moderate{limit}', f'{title} {view}')


def metric_of(key: str) -> Metric:
    """The metric of a key as a plan names it; one that is not known is taken as it is logged.

    Example:
        >>> metric_of('miou').title, metric_of('loss').scale
        ('mIoU', 1.0)
    """
    return _PERCENT.get(key, Metric(key, key))

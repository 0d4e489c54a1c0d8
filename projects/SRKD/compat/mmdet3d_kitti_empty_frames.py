"""KITTI's score where the first frame has no object.

Breaks: "index 0 is out of bounds for axis 0 with size 0" after the whole validation; frames that
    hold other objects alone (``DontCare``) score 0 without a word.
Where: mmdet3d 1.4.0 ``evaluation/functional/kitti_utils/eval.py``: ``kitti_eval`` reads the first
    object's alpha of frame after frame until one is valid; called by ``KittiMetric``.
Delete when: it skips frames without objects.

No score depends on the order of frames, so those with objects are put first.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from ..base import UsageError


def _objects_first(original: Callable) -> Callable:

    @wraps(original)
    def kitti_eval(
        gt_annos: list, dt_annos: list, current_classes: list[str], *args, **kwargs
    ) -> tuple[str, dict]:
        if not any(name in current_classes for anno in gt_annos for name in anno['name']):
            raise UsageError(
                f'the {len(gt_annos)} frames to score hold no object of '
                f'{", ".join(current_classes)}, expected ground truth: see ann_file of the metric'
            )
        order = sorted(range(len(gt_annos)), key=lambda frame: not len(gt_annos[frame]['name']))
        frames = ([annos[frame] for frame in order] for annos in (gt_annos, dt_annos))
        return original(*frames, current_classes, *args, **kwargs)

    kitti_eval.original = original
    return kitti_eval


def apply() -> bool:
    """Wrap the function that the metric calls."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.evaluation.metrics import kitti_metric

    if not hasattr(kitti_metric.kitti_eval, 'original'):
        kitti_metric.kitti_eval = _objects_first(kitti_metric.kitti_eval)
    return True

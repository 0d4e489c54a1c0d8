"""``save_best='auto'`` takes a run's main score; a score that is not there ends in one sentence.

Breaks: 'auto' takes the first metric, the IoU of one class or the AP of one difficulty, and the run
    ends with "Cannot infer the rule for key wall" in its first validation; a misspelt metric ends
    there in a ``KeyError``.
Where: mmengine 0.10.7 ``hooks/checkpoint_hook.py``: ``CheckpointHook._save_best_checkpoint``.
Delete when: mmdet3d's metrics say which of their scores is the main one.
"""
import re
from collections.abc import Callable, Iterable
from functools import wraps
from importlib.util import find_spec

from ..base import UsageError, nearest_name

# by their last name, the better ones first: segmentation, nuScenes, KITTI, indoor, Waymo
_MAIN = tuple(re.compile(pattern, re.IGNORECASE) for pattern in (
    'miou', 'NDS', r'Overall_3D_AP40_moderate.*', r'Overall_3D_AP11_moderate.*',
    r'[^/]+_3D_AP40_moderate.*', r'[^/]+_3D_AP11_moderate.*', 'mAP', r'mAP_0\.50', r'mAP_.*',
    r'L2 mAPH?', r'L1 mAPH?'))


def main_score(names: Iterable[str]) -> str | None:
    """The name of a run's main score, of which more is better; None if none is known.

    Example:
        >>> main_score(['wall', 'floor', 'miou', 'acc', 'teacher/miou'])
        'miou'
        >>> main_score(['KITTI/Car_3D_AP40_easy_strict', 'KITTI/Overall_3D_AP40_moderate'])
        'KITTI/Overall_3D_AP40_moderate'
    """
    names = list(names)
    return next((name for main in _MAIN for name in names
                 if main.fullmatch(name.rpartition('/')[2])), None)


def _by_main_score(original: Callable) -> Callable:

    @wraps(original)
    def save_best(self, runner, metrics: dict) -> None:
        if not self.save_best:
            return
        if 'auto' in self.key_indicators:
            name = main_score(metrics)
            if name is None and self.rules == [None]:
                raise UsageError(
                    "default_hooks.checkpoint.save_best='auto' knows none of the scores of this "
                    f'validation ({", ".join(metrics)}): name one in save_best and say '
                    "rule='greater' or rule='less'")
            if name is not None:
                self._init_rule(self.rules if self.rules != [None] else ['greater'], [name])
        for name in self.key_indicators:
            if name != 'auto' and name not in metrics:
                raise UsageError(
                    f'default_hooks.checkpoint.save_best={name!r} is no score of this validation, '
                    f'the nearest is {nearest_name(name, metrics)!r}')
        original(self, runner, metrics)

    save_best.by_main_score = True
    return save_best


def apply() -> bool:
    """Choose and check before mmengine's method saves."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.hooks import CheckpointHook
    method = CheckpointHook._save_best_checkpoint
    if not hasattr(method, 'by_main_score'):
        CheckpointHook._save_best_checkpoint = _by_main_score(method)
    return True

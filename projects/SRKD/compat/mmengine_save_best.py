"""``save_best='auto'`` takes a run's main score; a score that is not there ends in one sentence.

Breaks: 'auto' takes the first metric, the IoU of one class or the AP of one difficulty, and the run
    ends with "Cannot infer the rule for key wall" in its first validation; a misspelt metric ends
    there in a ``KeyError``. mmdet3d's own scores that are named (NDS, KITTI's AP40) end in "Cannot
    infer the rule", too.
Where: mmengine 0.10.7 ``hooks/checkpoint_hook.py``: ``CheckpointHook._save_best_checkpoint`` and
    ``_init_rule``.
Delete when: mmdet3d's metrics say which of their scores is the main one.
"""

import re
from collections.abc import Callable, Iterable
from functools import wraps
from importlib.util import find_spec

from ..base import UsageError, nearest_name

# by their last name, the better ones first: segmentation, nuScenes, KITTI, indoor, Waymo
_MAIN = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        'miou',
        'NDS',
        r'Overall_3D_AP40_moderate.*',
        r'Overall_3D_AP11_moderate.*',
        r'[^/]+_3D_AP40_moderate.*',
        r'[^/]+_3D_AP11_moderate.*',
        'mAP',
        r'mAP_0\.50',
        r'mAP_.*',
        r'L2 mAPH?',
        r'L1 mAPH?',
    )
)

_RULES = {
    # of KITTI, nuScenes, indoor
    'greater': re.compile(r'.*_AP(11|40)?_.*|.*_area_.*|.*_rec_.*|mAR_.*'),
    'less': re.compile(r'm(ATE|ASE|AOE|AVE|AAE)|.*_(trans|scale|orient|vel|attr)_err'),  # nuScenes
}


def main_score(names: Iterable[str]) -> str | None:
    """The name of a run's main score, of which more is better; None if none is known.

    Example:
        >>> main_score(['wall', 'floor', 'miou', 'acc', 'teacher/miou'])
        'miou'
        >>> main_score(['KITTI/Car_3D_AP40_easy_strict', 'KITTI/Overall_3D_AP40_moderate'])
        'KITTI/Overall_3D_AP40_moderate'
    """
    names = list(names)
    return next(
        (name for main in _MAIN for name in names if main.fullmatch(name.rpartition('/')[2])), None
    )


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
                    "rule='greater' or rule='less'"
                )
            if name is not None:
                self._init_rule(self.rules if self.rules != [None] else ['greater'], [name])
        for name in self.key_indicators:
            if name != 'auto' and name not in metrics:
                raise UsageError(
                    f'default_hooks.checkpoint.save_best={name!r} is no score of this validation, '
                    f'the nearest is {nearest_name(name, metrics)!r}'
                )
        original(self, runner, metrics)

    save_best.by_main_score = True
    return save_best


def _rule_of(score: str) -> str | None:
    """Whether more or less of a score is better, where mmdet3d gives it."""
    if main_score([score]):
        return 'greater'
    last = score.rpartition('/')[2]
    return next((rule for rule, names in _RULES.items() if names.fullmatch(last)), None)


def _with_known_rules(original: Callable) -> Callable:

    @wraps(original)
    def init_rule(self, rules: list, key_indicators: list) -> None:
        try:
            return original(self, rules, key_indicators)
        except KeyError:
            raise UsageError(
                "default_hooks.checkpoint.rule must be 'greater', 'less' or None, but got "
                f'{", ".join(map(repr, rules))}'
            ) from None
        except ValueError:
            if len(rules) == 1:
                rules = rules * len(key_indicators)
            pairs = zip(rules, key_indicators)
            rules = [rule or judged(self, name) for rule, name in pairs]
        original(self, rules, key_indicators)

    def judged(self, name: str) -> str | None:
        try:
            original(self, [None], [name])  # mmengine's guess, and the user's own lists
            return self.rules[0]
        except ValueError:
            rule = _rule_of(name)
        if rule is None:
            raise UsageError(
                f'default_hooks.checkpoint.save_best={name!r} does not tell whether more or '
                "less of it is better, expected default_hooks.checkpoint.rule='greater' or "
                "'less' beside it"
            )
        return rule

    return init_rule


def apply() -> bool:
    """Choose and check before mmengine's method saves, and before it asks for a rule."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.hooks import CheckpointHook

    method = CheckpointHook._save_best_checkpoint
    if not hasattr(method, 'by_main_score'):
        CheckpointHook._save_best_checkpoint = _by_main_score(method)
        CheckpointHook._init_rule = _with_known_rules(CheckpointHook._init_rule)
    return True

"""Numbers of a config that no run can mean; mmengine, mmdet3d and torch take most of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

from mmengine.config import Config

from ..base import UsageError


class Rule(NamedTuple):
    """What a number must be.

    Attributes:
        low: Least value.
        high: Greatest value.
        whole: Whether it must be a whole number.
        counts: Whether 6.0 is none, because something is built or counted with it.
        spare: Further values that mean something.
    """

    low: float = 0
    high: float = math.inf
    whole: bool = False
    counts: bool = False
    spare: tuple = ()

    def allows(self, value: Any) -> bool:
        """Whether a value follows the rule; None and whole parts are others' to refuse."""
        if isinstance(value, str):
            return False
        if not isinstance(value, Real) or isinstance(value, bool):
            return True
        if self.counts and not isinstance(value, Integral):
            return False
        if value in self.spare:
            return True
        in_range = math.isfinite(value) and self.low <= value <= self.high
        return in_range and (not self.whole or value == int(value))

    def __str__(self) -> str:
        """In words."""
        kind = 'a whole number' if self.whole else 'a finite number'
        kind += ' without a point' if self.counts else ''
        words = f'{kind} of at least {self.low:g}'
        if self.high < math.inf:
            words = f'{kind} from {self.low:g} to {self.high:g}'
        return words + ''.join(f' or {value}' for value in self.spare)


_COUNT, _NOT_NEGATIVE, _SHARE = Rule(1, whole=True), Rule(), Rule(0, 1)
_NATURAL = Rule(0, whole=True)
_MANY, _SOME = Rule(1, whole=True, counts=True), Rule(0, whole=True, counts=True)
_CAP = Rule(1, whole=True, counts=True, spare=(-1,))
# Section -> rules of the numbers that stand in it, below parts of other names too.
RULES: dict[str, dict[str, Rule]] = {
    'train_cfg': dict(max_epochs=_COUNT, max_iters=_COUNT, val_interval=_COUNT,
                      val_begin=_NATURAL),
    'optim_wrapper': dict(lr=_NOT_NEGATIVE, weight_decay=_NOT_NEGATIVE, momentum=_SHARE,
                          betas=_SHARE, eps=_NOT_NEGATIVE, max_norm=_NOT_NEGATIVE,
                          accumulative_counts=_COUNT, lr_mult=_NOT_NEGATIVE,
                          decay_mult=_NOT_NEGATIVE),
    'param_scheduler': dict(T_max=_COUNT, begin=_NATURAL, start_factor=_SHARE, end_factor=_SHARE,
                            eta_min=_NOT_NEGATIVE, gamma=_NOT_NEGATIVE, milestones=_NATURAL),
    'default_hooks': dict(interval=Rule(1, whole=True, spare=(-1,)),
                          max_keep_ckpts=Rule(1, whole=True, spare=(-1,))),
    'randomness': dict(seed=_NATURAL),
    'auto_scale_lr': dict(base_batch_size=_COUNT),
    'model': dict(loss_weight=_NOT_NEGATIVE, score_thr=_SHARE, nms_thr=_SHARE, max_voxels=_CAP,
                  max_num_points=_CAP, num_classes=_MANY, in_channels=_MANY, out_channels=_MANY,
                  feat_channels=_MANY, layer_nums=_SOME, dropout_ratio=_SHARE, drop_path=_SHARE),
    **{f'{split}_dataloader': dict(
        batch_size=_MANY, group_size=_MANY, num_workers=_SOME, prefetch_factor=_MANY,
        load_dim=_MANY, prob=_SHARE, flip_ratio=_SHARE, flip_ratio_bev_horizontal=_SHARE,
        flip_ratio_bev_vertical=_SHARE, times=_MANY, num_points=_MANY, sweeps_num=_SOME)
       for split in ('train', 'val', 'test')},
}  # fmt: skip
# Where None is neither a number nor a default (proposals of an RPN may have no threshold).
_NEVER_EMPTY = ('test_cfg.score_thr', 'test_cfg.pts.score_thr', '.loss_weight')


def check_numbers(cfg: Config, splits: Sequence[str] = ()) -> None:
    """Refuse the first number that is out of its range.

    Raises:
        UsageError: Naming its key, what it is and what it must be.
    """
    for section, rules in RULES.items():
        split = section.partition('_dataloader')[0]
        if section.endswith('_dataloader') and splits and split not in splits:
            continue
        for key, name, value in _numbers(cfg.get(section), section):
            rule = rules.get(name)
            if rule is None:
                continue
            if not rule.allows(value) or value is None and key.endswith(_NEVER_EMPTY):
                raise UsageError(f'{key} must be {rule}, but got {value!r}')


def _numbers(node: Any, key: str, name: str = '') -> Iterator[tuple[str, str, Any]]:
    """Keys, names and values below a node; members of a list have the list's name."""
    if isinstance(node, Mapping):
        for inner, value in node.items():
            yield from _numbers(value, f'{key}.{inner}', inner)
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            yield from _numbers(value, f'{key}[{number}]', name)
    else:
        yield key, name, node

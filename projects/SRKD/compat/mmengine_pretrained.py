"""``init_cfg=dict(type='Pretrained', ...)`` says how much of a part it has filled.

Breaks: weights of another network, or of a whole detector for its backbone, fill nothing, and the
    training starts from random numbers; mmengine lists all keys of both in a warning. A prefix
    that the file has not ends in a bare ``AssertionError``.
Where: mmengine 0.10.7 ``model/weight_init.py``: ``PretrainedInit.__call__``.
Delete when: it refuses a file of which nothing fits.
"""

import logging
from collections.abc import Iterable
from importlib.util import find_spec

from torch import nn

from ..base import UsageError, nearest_name

_COUNTER = 'num_batches_tracked'  # of a batch norm, which files of before torch 0.4.1 lack


def initialize(self, module: nn.Module) -> None:
    """Stands for mmengine's ``PretrainedInit.__call__``.

    Raises:
        FileMissingError: If the file does not exist.
        UsageError: If it is no checkpoint, nothing of it fits, or what fits is not finite.
    """
    from mmengine.logging import print_log
    from mmengine.model.weight_init import update_init_info
    from mmengine.runner.checkpoint import load_state_dict

    from ..models.weights import check_finite, compare_weights, read_checkpoint

    part = type(module).__name__
    name = f'init_cfg of {part}: checkpoint'
    weights, _ = read_checkpoint(self.checkpoint, name)
    source = f'{name} {self.checkpoint}'
    if self.prefix is not None:
        prefix = self.prefix.removesuffix('.') + '.'
        inside = {
            key.removeprefix(prefix): value
            for key, value in weights.items()
            if key.startswith(prefix)
        }
        if not inside:
            raise UsageError(
                f'{source} has no weights below prefix={self.prefix!r}, the nearest '
                f'is {nearest_name(prefix, _prefixes(weights))!r}'
            )
        weights, source = inside, f'{source}, prefix={self.prefix!r}'
    report = compare_weights(module, weights)
    if not report.matched:
        raise UsageError(
            f'{source} fills nothing of it: {report}{_advice(module.state_dict(), weights)}'
        )
    check_finite(module, weights, source)
    fitting = {key: value for key, value in weights.items() if key not in report.misshapen}
    load_state_dict(module, fitting, strict=False, logger='silent')
    missing = [key for key in report.missing if not key.endswith(_COUNTER)]
    lacking = len(missing) + len(report.misshapen)
    print_log(
        f'{source} fills {report.total - lacking} of {report.total} weights; {lacking} stay '
        f'as initialized, {len(report.unexpected)} of the file are left out',
        logger='current',
        level=logging.WARNING if lacking else logging.INFO,
    )
    if hasattr(module, '_params_init_info'):
        update_init_info(module, init_info=self._get_init_info())


def _prefixes(keys: Iterable[str]) -> list[str]:
    """``'backbone.'`` and ``'backbone.conv.'`` of ``'backbone.conv.weight'``, the short ones first.

    Example:
        >>> _prefixes(['backbone.conv.weight', 'head.bias'])
        ['backbone.', 'head.', 'backbone.conv.']
    """
    words = [key.split('.')[:-1] for key in keys]
    depth = max(map(len, words), default=0)
    found = ('.'.join(word[: n + 1]) + '.' for n in range(depth) for word in words if len(word) > n)
    return list(dict.fromkeys(found))


def _advice(own: Iterable[str], weights: Iterable[str]) -> str:
    """The prefix that would fill the most, in words."""
    own, keys = set(own), list(weights)

    def filled(prefix: str) -> int:
        return len(own & {key.removeprefix(prefix) for key in keys if key.startswith(prefix)})

    best = max(_prefixes(keys), key=filled, default='')
    return f'; prefix={best!r} would fill some' if best and filled(best) else ''


def apply() -> bool:
    """Put it in the place of mmengine's method."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.model import PretrainedInit

    PretrainedInit.__call__ = initialize
    return True

"""The names of the scores: different in every metric, and those that the best checkpoint needs."""

from __future__ import annotations

from mmengine.evaluator import BaseMetric
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ..base import UsageError, nearest_name
from ..evaluation.score_names import score_names
from .built import built_loops


def check_score_names(runner: Runner) -> None:
    """Refuse metrics whose scores have one name; mmengine finds out after the last frame.

    Raises:
        UsageError: Names both metrics, and the prefix to set.
    """
    for split, loop in built_loops(runner):
        metrics = list(getattr(getattr(loop, 'evaluator', None), 'metrics', ()))
        meta = getattr(loop.dataloader.dataset, 'metainfo', {})
        for second, metric in enumerate(metrics):
            for first in range(second):
                shared = _shared(metrics[first], metric, meta)
                if shared is not None:
                    raise UsageError(
                        f'{split}_evaluator[{first}] ({type(metrics[first]).__name__}) and '
                        f'{split}_evaluator[{second}] ({type(metric).__name__}) both call a score '
                        f"{shared}, expected different names: give one of them prefix='...'"
                    )


def check_best_score(runner: Runner) -> None:
    """Refuse a ``save_best`` that names no score of the validation, before there is one.

    Raises:
        UsageError: With the nearest score.
    """
    loops = dict(built_loops(runner))
    hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook) and hook.save_best]
    if 'train' not in loops or not hooks:
        return
    if 'val' not in loops:
        runner.logger.warning(
            'default_hooks.checkpoint.save_best is set and there is no validation (val_cfg, '
            'val_dataloader, val_evaluator), so no checkpoint will be called the best'
        )
        return
    evaluator = loops['val'].evaluator
    meta = getattr(loops['val'].dataloader.dataset, 'metainfo', {})
    known = [score_names(metric, meta) for metric in evaluator.metrics]
    if None in known:
        return  # a metric of somebody's; mmengine looks in the first validation
    names = frozenset().union(*known)
    taught = hasattr(evaluator, 'teacher_scores')  # of TeacherValLoop, whose classes may differ
    for hook in hooks:
        for key in hook.key_indicators:
            if key in names or key == 'auto' or taught and key.startswith('teacher/'):
                continue
            nearest = nearest_name(key, sorted(names))
            raise UsageError(
                f'default_hooks.checkpoint.save_best={key!r} is no score of val_evaluator, '
                f'nearest: {nearest or "it gives none"}'
            )


def _shared(first: BaseMetric, second: BaseMetric, meta: dict) -> str | None:
    """A score that both give."""
    known = score_names(first, meta), score_names(second, meta)
    if None not in known:
        return min(known[0] & known[1], default=None)
    if type(first) is type(second) and first.prefix == second.prefix:
        return f'{first.prefix}/...' if first.prefix else 'the same'
    return None

"""Schedules against the length of the training they belong to."""

from __future__ import annotations

from mmengine.optim.scheduler.param_scheduler import INF
from mmengine.runner import BaseLoop, Runner


def tell_cut_schedules(runner: Runner) -> None:
    """Say that a training ends before its schedules do, as after ``train_cfg.max_epochs=3`` alone.

    The learning rate then stops on its way, and the scores are those of no schedule at all.
    """
    schedules = getattr(runner, 'param_schedulers', None)
    if not isinstance(runner._train_loop, BaseLoop) or not isinstance(schedules, list):
        return  # a test has no loop to train, and asking for its length would build one
    for schedule in schedules:
        last = runner.max_epochs if schedule.by_epoch else runner.max_iters
        milestones = getattr(schedule, 'milestones', None)
        end = max(milestones, default=0) if milestones else schedule.end
        if end == INF or end <= last:
            continue
        unit = 'epoch' if schedule.by_epoch else 'iteration'
        runner.logger.warning(
            f'the training ends after {unit} {last}, and {type(schedule).__name__} of '
            f'param_scheduler only after {unit} {end}: the learning rate stops on its way, set '
            'its end (T_max, milestones) together with max_epochs or max_iters of train_cfg'
        )
        return

"""What the checks before a run see of a runner: loops, data sets, metrics and a log."""

import logging
from types import SimpleNamespace

from mmdet3d.registry import METRICS
from mmengine.runner.base_loop import BaseLoop


class Loop(BaseLoop):
    """A loop that holds a data set and metrics, and runs nothing."""

    def __init__(self, dataset, metrics=()):
        self.dataloader = SimpleNamespace(dataset=dataset)
        self.evaluator = SimpleNamespace(metrics=[METRICS.build(metric) for metric in metrics])

    def run(self):
        raise NotImplementedError


def runner_of(train=None, val=None, metrics=()):
    """A runner that has built some loops."""
    return SimpleNamespace(
        _train_loop=None if train is None else Loop(train),
        _val_loop=dict() if val is None else Loop(val, metrics),
        _test_loop=dict(),
        logger=logging.getLogger('toy_runner'),
    )

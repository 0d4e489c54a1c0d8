"""A training that ends before its schedules do is told; a test has no training to be told of."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim.scheduler import CosineAnnealingLR, MultiStepLR
from mmengine.runner import BaseLoop

from projects.SRKD.preflight.schedules import tell_cut_schedules


class Loop(BaseLoop):
    def run(self):
        raise NotImplementedError


def runner(schedule, max_epochs: int, loop=True):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    logger = logging.getLogger('schedules')
    made = SimpleNamespace(param_schedulers=[schedule(optimizer)], logger=logger)
    made._train_loop = Loop(made, []) if loop else dict(max_epochs=max_epochs)
    if loop:
        made.max_epochs = max_epochs
    return made


@pytest.mark.parametrize(
    ('schedule', 'end'),
    [
        (lambda o: CosineAnnealingLR(o, T_max=10, end=10), 10),
        (lambda o: MultiStepLR(o, milestones=[4, 8]), 8),
    ],
)
def test_a_schedule_that_ends_after_the_training_is_told(schedule, end, caplog):
    tell_cut_schedules(runner(schedule, end))
    assert not caplog.records
    tell_cut_schedules(runner(schedule, end - 1))
    (said,) = caplog.messages
    assert f'ends after epoch {end - 1}, and' in said and f'only after epoch {end}:' in said


def test_a_test_builds_no_training(caplog):
    tell_cut_schedules(runner(lambda o: CosineAnnealingLR(o, T_max=10, end=10), 3, loop=False))
    assert not caplog.records

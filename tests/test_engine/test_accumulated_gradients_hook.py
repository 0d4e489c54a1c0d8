"""A checkpoint between two steps of the optimizer; two ranks are in test_stop_hook.py."""

import uuid

import pytest
import torch
from mmengine.runner.checkpoint import _load_checkpoint as load
from toy_run import write_config

from projects.SRKD.engine import launch

COUNTS, STEPS = 3, 8


@pytest.fixture
def config(tmp_path):
    return write_config(
        tmp_path,
        train_cfg=dict(by_epoch=True, max_epochs=STEPS // 2, val_interval=9),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1),
            reseed=dict(type='ReseedHook'),
        ),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.1), accumulative_counts=COUNTS),
    )


def train(config, folder, **flags):
    options = dict(experiment_name=uuid.uuid4().hex)
    return launch.train(config, work_dir=str(folder), cfg_options=options, **flags)


def weights(folder):
    return load(f'{folder}/iter_{STEPS}.pth')['state_dict']


def test_the_resumed_run_takes_the_step_of_the_uninterrupted_one(config, tmp_path):
    train(config, tmp_path / 'whole')
    for step in range(1, STEPS):
        path = tmp_path / f'whole/iter_{step}.pth'
        assert ('accumulated_gradients' in load(str(path))) == (step % COUNTS != 0)
        runner = train(config, tmp_path / str(step), resume=str(path))
        expected, found = weights(tmp_path / 'whole'), weights(tmp_path / str(step))
        assert all(torch.equal(expected[name], found[name]) for name in expected), step
        assert all(parameter.grad is None for parameter in runner.model.parameters())


def test_gradients_are_those_of_the_steps_since_the_last_update(config, tmp_path):
    train(config, tmp_path)
    kept = [load(f'{tmp_path}/iter_{step}.pth')['accumulated_gradients'] for step in (1, 2)]
    assert all(set(rank) == {'line.weight', 'line.bias'} for ranks in kept for rank in ranks)
    assert not torch.equal(kept[0][0]['line.weight'], kept[1][0]['line.weight'])


def test_a_checkpoint_that_lacks_them_is_told(config, tmp_path):
    train(config, tmp_path / 'a')
    checkpoint = load(f'{tmp_path}/a/iter_4.pth')
    del checkpoint['accumulated_gradients']
    torch.save(checkpoint, tmp_path / 'iter_4.pth')
    train(config, tmp_path / 'b', resume=str(tmp_path / 'iter_4.pth'))
    (log,) = (tmp_path / 'b').glob('*/*.log')
    assert log.read_text().count('stands at iteration 4, between two steps of the optimizer') == 1
    (log,) = (tmp_path / 'a').glob('*/*.log')
    assert 'between two steps' not in log.read_text()

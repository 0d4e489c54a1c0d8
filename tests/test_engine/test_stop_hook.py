"""Trainings that are asked to end: where, behind what, and that they go on as if nobody had."""

import os
import signal
import time
import uuid

import pytest
import torch
from killed import forked
from mmengine.runner.checkpoint import _load_checkpoint as load
from processes import free_port, start_forks
from torch.utils.data import DataLoader, Dataset
from toy_run import write_config

from projects.SRKD.base import UsageError
from projects.SRKD.engine import launch
from projects.SRKD.engine.stop_hook import APART, Listening, TrainingStopped, outlive_sigterm

EPOCHS = 3  # of two steps


@pytest.fixture
def config(tmp_path):
    return write_config(
        tmp_path,
        train_cfg=dict(by_epoch=True, max_epochs=EPOCHS, val_interval=2),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1),
            ema=dict(type='EMAHook', momentum=0.1),
            reseed=dict(type='ReseedHook'),
        ),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.1), accumulative_counts=3),
        param_scheduler=[dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=5)],
    )


def train(config, folder, signals=(), **flags):
    hooks = [dict(type='ToySignal', **signal) for signal in signals]
    options = dict(experiment_name=uuid.uuid4().hex, custom_hooks=hooks)
    return launch.train(config, work_dir=str(folder), cfg_options=options, **flags)


def kept(folder):
    checkpoint = load((folder / 'last_checkpoint').read_text())
    return {key: checkpoint[key] for key in ('state_dict', 'ema_state_dict', 'optimizer')}


def assert_equal(one, other):
    assert str(one) == str(other)  # names, shapes, numbers to four digits
    for key in ('state_dict', 'ema_state_dict'):
        assert all(torch.equal(one[key][name], other[key][name]) for name in one[key])


PLACES = [
    (dict(point='before_train_iter', nth=1), 'behind step 1'),
    (dict(point='after_train_iter', nth=3), 'behind step 3'),
    (dict(point='before_train_iter', nth=4), 'behind step 4'),  # of the second epoch the last
    (dict(point='before_val'), 'in the validation of step 4'),
    (dict(point='after_val_epoch'), 'behind the validation of step 4'),
    (dict(point='before_train_iter', nth=6), 'behind step 6'),  # of all
]


@pytest.mark.parametrize(('place', 'told'), PLACES)
@pytest.mark.parametrize(('name', 'code'), [('SIGTERM', 143), ('SIGINT', 130)])
def test_a_run_that_is_stopped_anywhere_goes_on_as_if_it_had_not(
    config, tmp_path, place, told, name, code
):
    run = tmp_path / 'run'
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(
        TrainingStopped, match=rf'ended by {name} {told}; \S+/stopped.pth is whole, go on with'
    ) as stopped:
        train(config, run, [dict(place, signal=name)])
    assert stopped.value.code == code
    assert handlers == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))
    assert (run / 'last_checkpoint').read_text() == str(run / 'stopped.pth')
    train(config, run, resume='auto')
    train(config, tmp_path / 'whole')
    assert_equal(kept(run), kept(tmp_path / 'whole'))
    assert [path.name for path in run.glob('*.pth')] == [f'epoch_{EPOCHS}.pth']


def test_a_validation_that_was_ended_comes_first_and_one_that_was_not_does_not(config, tmp_path):
    for point, expected in (('before_val', ['4', '6']), ('after_val_epoch', ['6'])):
        with pytest.raises(TrainingStopped):
            train(config, tmp_path / point, [dict(point=point)])
        train(config, tmp_path / point, resume='auto')
        log = max((tmp_path / point).glob('*/*.log')).read_text()
        log = log.rpartition('System environment:')[2]  # starts in one second share a file
        assert log.count('Epoch(val)') // log.count('Epoch(val) [3]') == len(expected)


def test_without_a_checkpoint_hook_it_is_written_into_the_work_dir(config, tmp_path):
    options = dict(experiment_name=uuid.uuid4().hex)
    config = config.parent / 'none.py'
    config.write_text("_base_ = 'toy.py'\ndefault_hooks = dict(checkpoint=None)\n")
    config.write_text(
        config.read_text() + "custom_hooks = [dict(type='ToySignal', point='after_train_iter')]\n"
    )
    with pytest.raises(TrainingStopped):
        launch.train(config, work_dir=str(tmp_path / 'run'), cfg_options=options)
    assert (tmp_path / 'run/stopped.pth').is_file()


def _rank(index, port, config, folder, signals, resume):
    os.environ.update(
        RANK=str(index), LOCAL_RANK=str(index), WORLD_SIZE='2', MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port), CUDA_VISIBLE_DEVICES='',
    )  # fmt: skip
    torch.set_num_threads(1)
    try:
        train(config, folder, signals, launcher='pytorch', resume=resume)
    except TrainingStopped as stop:
        (folder / f'told{index}').write_text(str(stop))
    except UsageError as error:
        (folder / f'refused{index}').write_text(str(error))
    launch.leave()


def on_two_ranks(config, folder, signals=(), resume=None):
    start_forks(_rank, (free_port(), config, folder, signals, resume), nprocs=2)


@pytest.mark.parametrize('place', [dict(point='after_train_iter', nth=2), dict(point='before_val')])
def test_all_ranks_end_with_the_one_that_was_asked_and_keep_their_gradients(
    config, tmp_path, place
):
    on_two_ranks(config, tmp_path / 'run', [dict(place, rank=1)])
    told = [(tmp_path / f'run/told{rank}').read_text() for rank in range(2)]
    assert told[0] == told[1] and 'of step 2' in told[0] or 'behind step 2' in told[0]
    assert len(load(str(tmp_path / 'run/stopped.pth'))['accumulated_gradients']) == 2
    with pytest.raises(UsageError, match='holds accumulated gradients of 2 processes, but got 1'):
        train(config, tmp_path / 'alone', resume=str(tmp_path / 'run/stopped.pth'))
    on_two_ranks(config, tmp_path / 'run', resume='auto')
    on_two_ranks(config, tmp_path / 'whole')
    assert_equal(kept(tmp_path / 'run'), kept(tmp_path / 'whole'))


def _asked_twice(apart):
    with Listening() as listening:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(apart)
        os.kill(os.getpid(), signal.SIGINT)
        os._exit(listening.heard)


def test_a_second_ctrl_c_ends_at_once_and_one_that_comes_twice_is_one():
    assert forked(_asked_twice, APART + 0.1) == -signal.SIGINT
    assert forked(_asked_twice, 0.0) == signal.SIGINT


class Slow(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        time.sleep(0.2)
        return index


def _asks_all(outlives):
    os.setpgid(0, 0)
    loader = DataLoader(Slow(), num_workers=2, batch_size=1)
    if outlives:
        outlive_sigterm(loader)
        outlive_sigterm(loader)  # once more changes nothing
    with Listening():
        batches = iter(loader)
        seen = [next(batches).item()]
        os.killpg(0, signal.SIGTERM)  # as Slurm does
        seen += [batch.item() for batch in batches]
    assert seen == [0, 1, 2, 3]


def test_workers_outlive_a_sigterm_to_the_whole_job():
    assert forked(_asks_all, True) == 0
    assert forked(_asks_all, False) != 0  # else the cure can go

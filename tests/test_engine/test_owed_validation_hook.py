"""Checkpoints before and amid a validation, resumed: its scores, and what follows them."""

import json
import uuid

import pytest
import torch
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint as load
from toy_run import write_config

from projects.SRKD.engine import launch

EPOCHS = 5


class Ended(BaseException):
    """Stands for a kill."""


@pytest.fixture
def config(tmp_path):
    return write_config(
        tmp_path,
        train_cfg=dict(by_epoch=True, max_epochs=EPOCHS, val_interval=1),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=1, save_best='error', rule='less'),
            reseed=dict(type='ReseedHook'),
        ),
        param_scheduler=[
            dict(type='ReduceOnPlateauLR', monitor='error', rule='greater', patience=0, factor=0.5)
        ],
        custom_hooks=[dict(type='EarlyStoppingHook', monitor='error', rule='greater', patience=3)],
    )


def train(config, folder, **flags):
    options = dict(experiment_name=uuid.uuid4().hex)
    return launch.train(config, work_dir=str(folder), cfg_options=options, **flags)


def left(folder):
    checkpoint = load((folder / 'last_checkpoint').read_text())
    info = checkpoint['message_hub']['runtime_info']
    kept = {key: checkpoint[key] for key in ('param_schedulers', 'optimizer', 'early_stopping')}
    kept |= {key: info[key] for key in ('best_score', 'iter_validated')}
    return str(kept), {path.name for path in folder.glob('*.pth')}


def scores(folder):
    rows = [json.loads(line) for log in folder.glob('*/vis_data/scalars.json')
            for line in log.read_text().splitlines()]  # fmt: skip
    return {row['step']: row['error'] for row in rows if 'error' in row}


def dying(monkeypatch, owner, method, nth, after=False):
    """Let the n-th call of a method be a run's last, before or after it does its work."""
    original, count = getattr(owner, method), [0]

    def call(self, *args, **kwargs):
        count[0] += 1
        if count[0] == nth and not after:
            raise Ended
        result = original(self, *args, **kwargs)
        if count[0] == nth:
            raise Ended
        return result

    monkeypatch.setattr(owner, method, call)


@pytest.mark.parametrize(
    ('owner', 'method', 'nth', 'after'),
    [
        (EarlyStoppingHook, 'after_val_epoch', 2, False),  # the better one is written, this is not
        (CheckpointHook, 'after_val_epoch', 2, False),  # the learning rate has followed
        (CheckpointHook, 'after_val_epoch', EPOCHS - 1, True),
        (CheckpointHook, 'after_train_epoch', 2, True),
        (Runner, 'save_checkpoint', 5, True),
        (Runner, 'save_checkpoint', 6, True),
        (Runner, 'save_checkpoint', 7, True),
    ],
)
def test_a_run_that_ends_around_a_validation_is_resumed_exactly(
    config, tmp_path, monkeypatch, owner, method, nth, after
):
    whole, run = tmp_path / 'whole', tmp_path / 'run'
    train(config, whole)
    with monkeypatch.context() as patched:
        dying(patched, owner, method, nth, after)
        with pytest.raises(Ended):
            train(config, run)
    train(config, run, resume='auto')
    assert left(run) == left(whole) and scores(run) == scores(whole)


def test_a_run_that_was_stopped_early_stays_so(config, tmp_path):
    train(config, tmp_path)
    before = left(tmp_path)
    runner = train(config, tmp_path, resume='auto')
    assert runner.train_loop.stop_training and left(tmp_path) == before
    assert runner.epoch < EPOCHS


def plain(config):
    """The config without anything that follows scores."""
    path = config.parent / 'plain.py'
    path.write_text(
        "_base_ = 'toy.py'\nparam_scheduler = []\ncustom_hooks = []\n"
        'default_hooks = dict(checkpoint=dict(save_best=None))\n'
    )
    return path


def test_the_last_scores_of_a_run_that_ended_before_them_are_made_up_for_once(config, tmp_path):
    config = plain(config)
    train(config, tmp_path / 'run')
    assert (tmp_path / 'run/last_validation').read_text() == f'iteration {2 * EPOCHS}\n'
    (tmp_path / 'run/last_validation').unlink()
    for _ in range(2):
        train(config, tmp_path / 'run', resume='auto')
        # starts in one second share a file
        log = ''.join(log.read_text() for log in (tmp_path / 'run').glob('*/*.log'))
        assert log.count(f'the validation of iteration {2 * EPOCHS} comes first') == 1


@pytest.mark.parametrize('step, count', [(3, 0), (4, 1), (6, 0), (8, 1), (9, 1)])
def test_by_iterations_it_is_owed_where_the_interval_says(config, tmp_path, step, count):
    config = plain(config)
    config.write_text(
        config.read_text().replace('save_best=None', 'save_best=None, by_epoch=False, interval=1')
        + 'train_cfg = dict(_delete_=True, by_epoch=False, max_iters=9, val_interval=4)\n'
        "train_dataloader = dict(sampler=dict(type='InfiniteSampler', shuffle=True))\n"
    )
    train(config, tmp_path / 'a')
    train(config, tmp_path / 'b', resume=str(tmp_path / f'a/iter_{step}.pth'))
    (log,) = (tmp_path / 'b').glob('*/*.log')
    assert log.read_text().count('comes first') == count
    if step < 9:
        one, other = (load(f'{tmp_path}/{run}/iter_9.pth')['state_dict'] for run in 'ab')
        assert all(torch.equal(value, other[name]) for name, value in one.items())

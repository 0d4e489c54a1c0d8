"""A resumed run against the uninterrupted one, with every source of randomness in play."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import EpochBasedTrainLoop, Runner
from processes import run_group
from torch import nn
from torch.utils.data import DataLoader, Dataset

from projects.SRKD.engine.reseed_hook import ReseedHook

N = 12


class Augmented(Dataset):
    """Samples jittered by numpy, python and torch, as augmentations do."""

    def __len__(self):
        return N

    def __getitem__(self, index):
        jitter = np.random.normal() + random.random() + torch.randn(()).item()
        return dict(inputs=torch.full((4,), index / N) + jitter * torch.arange(4))


class Net(BaseModel):
    """Draws from the global generator of the main process (dropout) in every forward."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, inputs, mode='loss'):
        if mode != 'loss':
            return []
        return dict(loss=(self.net(torch.stack(inputs)) - 1).square().mean())


class Recorder(Hook):
    """Loss and input sum of every iteration, by epoch."""

    def __init__(self):
        self.epochs = []

    def before_train_epoch(self, runner):
        self.epochs.append([])

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        inputs = torch.stack(data_batch['inputs'])
        self.epochs[-1].append((outputs['loss'].item(), inputs.sum().item()))


class DrawsBetweenEpochs(Hook):
    """Stands for a validation that draws random numbers."""

    def after_train_epoch(self, runner):
        torch.rand(3), np.random.rand(3), random.random()


def train(
    work_dir,
    max_epochs,
    resume=False,
    seed=1,
    workers=2,
    persistent=False,
    reseed=True,
    train_cfg=None,
    loader=None,
    extra_hooks=(),
):
    recorder = Recorder()
    torch.manual_seed(0)
    runner = Runner(
        model=Net(),
        work_dir=str(work_dir),
        resume=resume,
        experiment_name=f'reseed_{id(recorder)}',
        train_dataloader=dict(
            dataset=Augmented(),
            batch_size=3,
            num_workers=workers,
            persistent_workers=persistent,
            sampler=dict(type='DefaultSampler', shuffle=True),
            **(loader or {}),
        ),
        train_cfg=train_cfg or dict(by_epoch=True, max_epochs=max_epochs),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)),
        custom_hooks=[recorder, *extra_hooks]
        + [dict(type='ReseedHook', _scope_='mmdet3d')] * reseed,
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        randomness=dict(seed=seed),
        default_scope='mmengine',
    )
    runner.train()
    runner.train_dataloader._iterator = None  # persistent workers would end in some later test
    return recorder.epochs


def resumed(tmp_path, **kwargs):
    """Losses of four epochs in one run, and of two and two."""
    whole = train(tmp_path / 'whole', 4, **kwargs)
    first = train(tmp_path / 'parts', 2, **kwargs)
    rest = train(tmp_path / 'parts', 4, resume=True, **kwargs)
    return whole, first + rest


@pytest.mark.parametrize('workers, persistent', [(0, False), (2, False), (2, True)])
def test_a_resumed_run_repeats_the_uninterrupted_one(tmp_path, workers, persistent):
    whole, parts = resumed(tmp_path, workers=workers, persistent=persistent)
    assert [len(epoch) for epoch in whole] == [4] * 4
    assert parts == whole


def test_a_seed_that_no_config_names_is_taken_from_the_checkpoint(tmp_path):
    whole = train(tmp_path, 4, seed=None)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_2.pth'))
    assert train(tmp_path, 4, seed=None, resume=True) == whole[2:]


def test_draws_outside_training_change_nothing(tmp_path):
    assert train(tmp_path / 'a', 3) == train(tmp_path / 'b', 3, extra_hooks=[DrawsBetweenEpochs()])


def test_without_the_hook_the_resumed_run_goes_its_own_way(tmp_path):
    whole, parts = resumed(tmp_path, reseed=False)
    assert parts[:2] == whole[:2] and parts[2:] != whole[2:]


def batches_of(epochs):
    return [[inputs for _, inputs in epoch] for epoch in epochs]


@pytest.mark.parametrize('persistent', [False, True])
def test_augmentations_differ_from_epoch_to_epoch(tmp_path, persistent):
    def jitters(epochs):
        # all indices appear once per epoch: without jitter the inputs would sum up to one value
        return [round(sum(inputs), 4) for inputs in batches_of(epochs)]

    assert len(set(jitters(train(tmp_path, 3, persistent=persistent)))) == 3


def test_mmengine_alone_repeats_the_augmentations_of_each_worker(tmp_path):
    # why workers are seeded per epoch; when this fails, mmengine has mended it
    sums = [round(sum(epoch), 4) for epoch in batches_of(train(tmp_path, 3, reseed=False))]
    assert len(set(sums)) == 1


def test_workers_and_epochs_draw_differently(monkeypatch):
    from projects.SRKD.engine import reseed_hook

    draws = {}
    for entropy in [(1, 0, 0), (1, 0, 0, 0), (1, 0, 0, 1), (1, 0, 1), (1, 1, 0), (2, 0, 0)]:
        reseed_hook._seed_everything(*entropy)
        draws[entropy] = (random.random(), np.random.rand(), torch.rand(()).item())
        reseed_hook._seed_everything(*entropy)
        assert draws[entropy] == (random.random(), np.random.rand(), torch.rand(()).item())
    for values in zip(*draws.values()):
        assert len(set(values)) == len(draws)


def test_the_users_worker_init_fn_still_runs(tmp_path):
    def mark(worker_id, folder):
        (folder / f'worker{worker_id}').touch()

    train(tmp_path, 1, loader=dict(worker_init_fn=dict(type=mark, folder=tmp_path)))
    assert {path.name for path in tmp_path.glob('worker*')} == {'worker0', 'worker1'}


def test_training_by_iterations_is_refused(tmp_path):
    with pytest.raises(
        TypeError, match='needs an EpochBasedTrainLoop, but the train loop is IterBasedTrainLoop'
    ):
        train(tmp_path, None, workers=0, train_cfg=dict(by_epoch=False, max_iters=3))


def _rank(rank):
    loader = DataLoader(Augmented(), sampler=DefaultSampler(Augmented(), seed=3 + rank))
    runner = SimpleNamespace(
        train_loop=EpochBasedTrainLoop.__new__(EpochBasedTrainLoop),
        train_dataloader=loader,
        seed=7 + rank,  # as with `randomness=dict(diff_rank_seed=True)`
        epoch=0,
    )
    hook = ReseedHook()
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    return loader.sampler.seed, torch.rand(()).item()


def test_ranks_shuffle_alike_and_augment_differently():
    (seed_0, draw_0), (seed_1, draw_1) = run_group(_rank, 2)
    assert seed_0 == seed_1 == 7
    assert draw_0 != draw_1


def test_it_runs_after_all_other_hooks():
    assert ReseedHook().priority == 'LOWEST'

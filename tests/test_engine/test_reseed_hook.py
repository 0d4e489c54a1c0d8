"""Runs with other workers and resumed runs against the uninterrupted one, bit for bit.

Every source of randomness is in play: order, augmentation by three generators, dropout.
"""

import random

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

from projects.SRKD.base import UsageError
from projects.SRKD.engine.reseed_hook import ReseedHook

N = 12
STEPS = 4  # of an epoch


class Augmented(Dataset):
    """Samples jittered by numpy, python and torch, as augmentations do; counts what it loads."""

    def __init__(self):
        self.loaded = 0

    def __len__(self):
        return N

    def __getitem__(self, index):
        self.loaded += 1
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
    """Loss, input sum and place of every iteration."""

    def __init__(self):
        self.steps = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        inputs = torch.stack(data_batch['inputs'])
        place = runner.epoch, batch_idx, runner.iter
        self.steps.append((place, outputs['loss'].item(), inputs.sum().item()))

    @property
    def epochs(self):
        return [
            [step for step in self.steps if step[0][0] == epoch]
            for epoch in sorted({step[0][0] for step in self.steps})
        ]


class DrawsBetweenEpochs(Hook):
    """Stands for a validation that draws random numbers."""

    def after_train_epoch(self, runner):
        torch.rand(3), np.random.rand(3), random.random()


def train(
    work_dir,
    max_epochs,
    resume=False,
    seed=1,
    workers=0,
    persistent=False,
    reseed=True,
    train_cfg=None,
    loader=None,
    sampler='DefaultSampler',
    checkpoint=None,
    extra_hooks=(),
):
    """Train; a path or True in ``resume`` continues. Returns what was recorded and the runner."""
    recorder = Recorder()
    torch.manual_seed(0)
    runner = Runner(
        model=Net(),
        work_dir=str(work_dir),
        resume=bool(resume),
        load_from=None if resume in (True, False) else str(resume),
        experiment_name=f'reseed_{id(recorder)}',
        train_dataloader=dict(
            dataset=Augmented(),
            num_workers=workers,
            persistent_workers=persistent,
            sampler=dict(type=sampler, shuffle=True),
        )
        | dict(batch_size=3)
        | (loader or {}),
        train_cfg=train_cfg or dict(by_epoch=True, max_epochs=max_epochs),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)),
        custom_hooks=[recorder, *extra_hooks]
        + [dict(type='ReseedHook', _scope_='mmdet3d')] * reseed,
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1) | (checkpoint or {})),
        randomness=dict(seed=seed),
        default_scope='mmengine',
    )
    runner.train()
    return recorder, runner


def steps_of(*args, **kwargs):
    return train(*args, **kwargs)[0].steps


def weights(runner):
    return {name: value.tolist() for name, value in runner.model.state_dict().items()}


WORKERS = [(0, False), (2, False), (2, True)]


def test_any_number_of_workers_trains_the_same_network(tmp_path):
    runs = [
        train(tmp_path / f'{workers}{persistent}', 3, workers=workers, persistent=persistent)
        for workers, persistent in WORKERS
    ]
    assert [len(epoch) for epoch in runs[0][0].epochs] == [STEPS] * 3
    assert runs[0][0].steps == runs[1][0].steps == runs[2][0].steps
    assert weights(runs[0][1]) == weights(runs[1][1]) == weights(runs[2][1])


@pytest.mark.parametrize('workers, persistent', [WORKERS[0], WORKERS[2]])
def test_a_run_resumed_at_the_end_of_an_epoch_repeats_the_uninterrupted_one(
    tmp_path, workers, persistent
):
    how = dict(workers=workers, persistent=persistent)
    whole, expected = train(tmp_path / 'whole', 4, **how)
    first = steps_of(tmp_path / 'parts', 2, **how)
    rest, runner = train(tmp_path / 'parts', 4, resume=True, **how)
    assert first + rest.steps == whole.steps
    assert weights(runner) == weights(expected)


@pytest.mark.parametrize('workers, persistent', [WORKERS[0], WORKERS[2]])
@pytest.mark.parametrize('stop', [1, STEPS + 2, 2 * STEPS])
def test_a_run_resumed_in_the_middle_of_an_epoch_repeats_the_uninterrupted_one(
    tmp_path, stop, workers, persistent
):
    how = dict(workers=workers, persistent=persistent, checkpoint=dict(by_epoch=False))
    whole, expected = train(tmp_path / 'whole', 3, **how)
    rest, runner = train(tmp_path / 'rest', 3, resume=tmp_path / f'whole/iter_{stop}.pth', **how)
    assert rest.steps == whole.steps[stop:] and len(whole.steps) == 3 * STEPS
    assert weights(runner) == weights(expected)
    if not workers:  # else others load
        assert runner.train_dataloader.dataset.loaded == N * 3 - 3 * stop


def test_a_checkpoint_written_without_the_hook_is_resumed_where_it_stood(tmp_path):
    how = dict(checkpoint=dict(by_epoch=False))
    train(tmp_path / 'a', 2, reseed=False, **how)
    rest = steps_of(tmp_path / 'b', 2, resume=tmp_path / f'a/iter_{STEPS + 1}.pth', **how)
    places = [place for place, *_ in rest]
    assert places == [(1, batch, STEPS + batch) for batch in range(1, STEPS)]


def test_a_run_in_mid_epoch_is_refused_where_epochs_have_another_length(tmp_path):
    how = dict(checkpoint=dict(by_epoch=False))
    train(tmp_path, 1, **how)
    with pytest.raises(
        UsageError, match=r'iter_2.pth\) stands behind batch 2 of 4 of epoch 1, .* has 6 batches'
    ):
        train(tmp_path, 2, resume=tmp_path / 'iter_2.pth', loader=dict(batch_size=2), **how)


def test_at_the_end_of_an_epoch_batches_may_change(tmp_path):
    train(tmp_path, 1)
    rest = steps_of(tmp_path, 2, resume=True, loader=dict(batch_size=2))
    assert [place for place, *_ in rest] == [(1, batch, STEPS + batch) for batch in range(6)]


@pytest.mark.parametrize('sampler', ['InfiniteSampler', 'DefaultSampler'])
def test_training_by_iterations_repeats_itself_too(tmp_path, sampler):
    how = dict(
        sampler=sampler,
        train_cfg=dict(by_epoch=False, max_iters=2 * STEPS + 1),
        checkpoint=dict(by_epoch=False),
        seed=None,  # the resumed run takes it from the checkpoint
    )
    whole, expected = train(tmp_path / 'whole', None, **how)
    path = tmp_path / f'whole/iter_{STEPS + 1}.pth'
    assert len({inputs for _, _, inputs in whole.steps}) == 2 * STEPS + 1
    for workers, persistent in WORKERS[::2]:
        loader = dict(workers=workers, persistent=persistent)
        rest, runner = train(tmp_path / str(workers), None, resume=path, **loader, **how)
        assert rest.steps == whole.steps[STEPS + 1 :]
        assert weights(runner) == weights(expected)


def test_batches_a_resumed_run_by_iterations_has_seen_are_not_loaded(tmp_path):
    how = dict(
        sampler='InfiniteSampler',
        train_cfg=dict(by_epoch=False, max_iters=STEPS),
        checkpoint=dict(by_epoch=False),
    )
    train(tmp_path, None, **how)
    _, runner = train(tmp_path, None, resume=tmp_path / 'iter_3.pth', **how)
    assert runner.train_dataloader.dataset.loaded == 3


def test_a_seed_that_no_config_names_is_taken_from_the_checkpoint(tmp_path):
    whole = steps_of(tmp_path, 4, seed=None)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_2.pth'))
    assert steps_of(tmp_path, 4, seed=None, resume=True) == whole[2 * STEPS :]


def test_draws_outside_training_change_nothing(tmp_path):
    disturbed = steps_of(tmp_path / 'b', 3, extra_hooks=[DrawsBetweenEpochs()])
    assert steps_of(tmp_path / 'a', 3) == disturbed


def test_without_the_hook_the_resumed_run_goes_its_own_way(tmp_path):
    whole = steps_of(tmp_path / 'whole', 2, reseed=False)
    first = steps_of(tmp_path / 'parts', 1, reseed=False)
    rest = steps_of(tmp_path / 'parts', 2, reseed=False, resume=True)
    assert first == whole[:STEPS] and rest != whole[STEPS:]


@pytest.mark.parametrize('workers, persistent', [WORKERS[0], WORKERS[2]])
def test_augmentations_differ_from_epoch_to_epoch(tmp_path, workers, persistent):
    recorder, _ = train(tmp_path, 3, workers=workers, persistent=persistent)
    # all indices appear once per epoch: without jitter the inputs would sum up to one value
    sums = [round(sum(inputs for *_, inputs in epoch), 4) for epoch in recorder.epochs]
    assert len(set(sums)) == 3


def test_mmengine_alone_repeats_the_augmentations_of_each_worker(tmp_path):
    # why samples have seeds of their own; when this fails, mmengine has mended it
    recorder, _ = train(tmp_path, 3, workers=2, reseed=False)
    sums = {round(sum(inputs for *_, inputs in epoch), 4) for epoch in recorder.epochs}
    assert len(sums) == 1


def test_another_seed_trains_another_network(tmp_path):
    one, two = (steps_of(tmp_path / str(seed), 2, seed=seed) for seed in (1, 2))
    assert not {inputs for *_, inputs in one} & {inputs for *_, inputs in two}


def test_the_users_worker_init_fn_still_runs(tmp_path):
    def mark(worker_id, folder):
        (folder / f'worker{worker_id}').touch()

    train(tmp_path, 1, workers=2, loader=dict(worker_init_fn=dict(type=mark, folder=tmp_path)))
    assert {path.name for path in tmp_path.glob('worker*')} == {'worker0', 'worker1'}


def test_a_loop_of_another_kind_is_refused():
    class Loop:
        dataloader = DataLoader(Augmented(), sampler=DefaultSampler(Augmented(), seed=0))

    with pytest.raises(UsageError, match='or an IterBasedTrainLoop, but got Loop'):
        ReseedHook().before_train(_Standing(Loop()))


@pytest.mark.parametrize('split', ['val', 'test'])
def test_samples_of_a_validation_that_draws_are_the_same_each_time(split):
    loop = type('Loop', (), {})()
    loop.dataloader = DataLoader(Augmented(), collate_fn=list)
    runner = _Standing(loop)
    setattr(runner, f'{split}_dataloader', loop.dataloader)
    getattr(ReseedHook(), f'before_{split}')(runner)
    one, other = ([batch[0]['inputs'].tolist() for batch in loop.dataloader] for _ in range(2))
    assert one == other and len({tuple(sample) for sample in one}) == N


class _Standing:
    """A runner that stands before its first epoch."""

    epoch, iter, _resume, _load_from = 0, 0, False, None

    def __init__(self, loop, seed=7):
        self.train_loop, self.seed = loop, seed

    @property
    def train_dataloader(self):
        return self.train_loop.dataloader


def _rank(rank):
    loop = EpochBasedTrainLoop.__new__(EpochBasedTrainLoop)
    sampler = DefaultSampler(Augmented(), seed=3 + rank)
    loop.dataloader = DataLoader(Augmented(), sampler=sampler, collate_fn=list)
    runner = _Standing(loop, seed=7 + rank)  # as with `randomness=dict(diff_rank_seed=True)`
    hook = ReseedHook()
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    order = [draw.index for batch in loop.dataloader.batch_sampler for draw in batch]
    samples = [batch[0]['inputs'].tolist() for batch in loop.dataloader]
    hook.before_train_iter(runner, 0)
    return dict(zip(order, samples)), torch.rand(()).item()


def test_ranks_shuffle_and_augment_by_one_seed_and_drop_out_by_their_own():
    (samples_0, draw_0), (samples_1, draw_1) = run_group(_rank, 2)
    alone, _ = _rank(0)
    assert not set(samples_0) & set(samples_1)
    assert samples_0 | samples_1 == alone  # the number of ranks changes no sample
    assert draw_0 != draw_1


def test_it_runs_after_all_other_hooks():
    assert ReseedHook().priority == 'LOWEST'

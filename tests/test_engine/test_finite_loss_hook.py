"""Runs whose loss or gradient stops being a number."""

from types import SimpleNamespace

import pytest
import torch
from mmdet3d.registry import OPTIM_WRAPPERS
from mmdet3d.structures import Det3DDataSample
from mmengine.model import BaseModel
from mmengine.runner import Runner
from processes import run_group
from torch import nn
from torch.utils.data import Dataset

from projects.SRKD.compat.mmengine_amp import BFloat16OptimWrapper
from projects.SRKD.engine.finite_loss_hook import PATIENCE, FiniteLossHook, NonFiniteLossError

SCANS = 24


@OPTIM_WRAPPERS.register_module(force=True)
class ScaledOptimWrapper(BFloat16OptimWrapper):
    """With a gradient scaler, as on a GPU."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.loss_scaler = torch.amp.GradScaler('cpu', growth_interval=1000)


class Scans(Dataset):
    def __len__(self):
        return SCANS

    def __getitem__(self, index):
        sample = Det3DDataSample(metainfo=dict(lidar_path=f'points/scan{index:02d}.bin'))
        return dict(inputs=torch.tensor(float(index)), data_samples=sample)


class Net(BaseModel):
    """Two terms; ``wrong(number of scan)`` is added to one of them."""

    def __init__(self, wrong=None, size=1):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.wrong = wrong or (lambda number, weight: 0)

    def forward(self, inputs, data_samples=None, mode='loss'):
        number = torch.stack(inputs).max()
        return dict(
            loss_sem_seg=(self.weight - 3).square().sum(),
            loss_kd=self.weight.abs().sum() + self.wrong(int(number), self.weight),
            diagnostic=self.weight.detach(),
        )


def train(tmp_path, wrong=None, iters=None, hook=True, wrapper='OptimWrapper', size=1, **optim):
    optimizer = optim.pop('optimizer', dict(type='SGD', lr=0.01))
    runner = Runner(
        model=Net(wrong, size),
        work_dir=str(tmp_path),
        experiment_name=f'finite_{id(tmp_path)}_{iters}',
        train_dataloader=dict(
            dataset=Scans(),
            batch_size=1,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        train_cfg=dict(by_epoch=False, max_iters=iters or SCANS),
        optim_wrapper=dict(type=wrapper, optimizer=optimizer, **optim),
        custom_hooks=[FiniteLossHook()] if hook else [],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2)),
        default_scope='mmdet3d',
        log_level='ERROR',
    )
    try:
        runner.train()
    finally:
        train.weight = runner.model.weight.sum().item()
    return runner


def nan_from(first, value=float('nan')):
    return lambda number, weight: weight.sum() * value if number >= first else 0


def test_a_loss_that_is_nan_ends_the_run_before_the_step(tmp_path):
    with pytest.raises(
        NonFiniteLossError,
        match='step of iteration 6 .epoch 1. is not finite: loss=nan, loss_kd=nan on '
        'points/scan05.bin; it was not taken, the last checkpoint is .*/iter_4.pth',
    ) as caught:
        train(tmp_path / 'nan', nan_from(5))
    assert 'loss_sem_seg' not in str(caught.value) and 'diagnostic' not in str(caught.value)
    stopped = train.weight
    train(tmp_path / 'five', iters=5)
    assert stopped == train.weight


def test_without_the_hook_the_weights_are_lost(tmp_path):
    train(tmp_path, nan_from(5), hook=False)
    assert train.weight != train.weight


def test_an_infinite_loss_with_finite_gradients_ends_it_too(tmp_path):
    with pytest.raises(NonFiniteLossError, match='loss=inf, loss_kd=inf on points/scan03.bin'):
        train(tmp_path, lambda number, weight: float('inf') if number == 3 else 0)


def test_a_gradient_that_is_not_finite_ends_it_though_the_loss_is(tmp_path):
    def root(number, weight):  # of zero: value 0, slope infinite
        return (weight - weight.detach()).clamp(min=0).sqrt().sum() if number == 2 else 0

    with pytest.raises(
        NonFiniteLossError,
        match='every term is a number, the gradients of 1 parameters are not .weight., on '
        'points/scan02.bin',
    ):
        train(tmp_path, root)
    assert train.weight == train.weight


def test_a_norm_that_overflows_ends_it_before_an_optimizer_squares_it(tmp_path):
    def steep(number, weight):  # value 0, slopes of 1e30
        return 1e30 * (weight - weight.detach()).sum()

    with pytest.raises(NonFiniteLossError, match='a number, the norm of the gradients is not, on'):
        train(tmp_path, steep, size=64)


def test_the_first_of_several_accumulated_losses_counts(tmp_path):
    with pytest.raises(NonFiniteLossError, match='iteration 6 .* loss_kd=nan on points/scan04.bin'):
        train(
            tmp_path,
            lambda number, weight: weight.sum() * float('nan') if number == 4 else 0,
            accumulative_counts=3,
        )


@pytest.mark.parametrize('kind', [dict(type='SGD', lr=0.01), dict(type='Adam', fused=True)])
def test_steps_that_a_scaler_skips_do_not_count(tmp_path, kind):
    def overflows(number, weight):
        return weight.sum() * float('inf') if number in (1, 2, 6) else 0

    runner = train(tmp_path, overflows, wrapper='ScaledOptimWrapper', optimizer=kind)
    assert runner.iter == SCANS and train.weight == train.weight
    assert runner.optim_wrapper.loss_scaler.get_scale() == 2.0**16 / 8


@pytest.mark.parametrize('kind', [dict(type='SGD', lr=0.01), dict(type='Adam', fused=True)])
def test_a_scaler_that_skips_without_end_ends_the_run(tmp_path, kind):
    with pytest.raises(
        NonFiniteLossError,
        match=f'iteration {PATIENCE + 2} .* loss=nan, loss_kd=nan on points/scan21.bin; the '
        f'gradient scaler has skipped {PATIENCE} steps in a row',
    ):
        train(tmp_path, nan_from(2), wrapper='ScaledOptimWrapper', optimizer=kind)


def _rank(rank):
    model = Net(lambda number, weight: float('nan') if number == 3 and rank == 1 else 0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    runner = SimpleNamespace(
        model=model,
        optim_wrapper=SimpleNamespace(optimizer=optimizer),
        iter=0,
        epoch=0,
        message_hub=SimpleNamespace(runtime_info={}),
    )
    hook = FiniteLossHook()
    hook.before_train(runner)
    for runner.iter in range(6):
        sample = Det3DDataSample(metainfo=dict(lidar_path=f'rank{rank}/{runner.iter}.bin'))
        hook.before_train_iter(runner, runner.iter, dict(data_samples=[sample]))
        loss, _ = model.parse_losses(model([torch.tensor(float(runner.iter))]))
        optimizer.zero_grad()
        loss.backward()
        try:
            optimizer.step()
        except NonFiniteLossError as error:
            return runner.iter, str(error), model.weight.item()
        hook.after_train_iter(runner, runner.iter)


def test_all_ranks_end_together_and_name_what_was_wrong_on_one():
    one, other = run_group(_rank, 2)
    assert one == other
    assert one[0] == 3 and 'loss_kd=nan on rank1/3.bin' in one[1] and 'rank0' not in one[1]

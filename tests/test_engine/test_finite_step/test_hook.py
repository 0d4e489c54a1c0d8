"""Runs whose loss or gradient stops being a number."""

from types import SimpleNamespace

import pytest
import torch
from mmdet3d.registry import HOOKS
from mmdet3d.structures import Det3DDataSample
from mmengine.config import Config
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from processes import run_group
from torch import nn
from torch.utils.data import Dataset
from toy_faults import NAN

from projects.SRKD.base import UsageError
from projects.SRKD.engine.finite_step.hook import PATIENCE, FiniteStepHook, NonFiniteLossError

SCANS = 24


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


def train(
    tmp_path,
    wrong=None,
    iters=None,
    hook=None,
    wrapper='OptimWrapper',
    size=1,
    interval=2,
    model=None,
    **optim,
):
    optimizer = optim.pop('optimizer', dict(type='SGD', lr=0.01))
    runner = Runner(
        model=model or Net(wrong, size),
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
        custom_hooks=[FiniteStepHook()] if hook is None else hook,
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=interval)
        ),
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
        'points/scan05.bin; the batch and the weights are finite, .* it was not taken, the last '
        'checkpoint is .*/iter_4.pth',
    ) as caught:
        train(tmp_path / 'nan', nan_from(5))
    assert 'loss_sem_seg' not in str(caught.value) and 'diagnostic' not in str(caught.value)
    stopped = train.weight
    train(tmp_path / 'five', iters=5)
    assert stopped == train.weight


def test_without_the_hook_the_weights_are_lost(tmp_path):
    train(tmp_path, nan_from(5), hook=[])
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
    with pytest.raises(NonFiniteLossError, match='iteration 5 .* loss_kd=nan on points/scan04.bin'):
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
        match=f'iteration {PATIENCE + 2} .* loss=nan, loss_kd=nan on points/scan21.bin; .*; the '
        f'gradient scaler has skipped {PATIENCE} steps in a row',
    ):
        train(tmp_path, nan_from(2), wrapper='ScaledOptimWrapper', optimizer=kind)


def _rank(rank, folder, wrong_rank):
    wrong = nan_from(3) if rank == wrong_rank else None
    try:
        train(folder, wrong, interval=99)
    except NonFiniteLossError as error:
        return str(error), train.weight


@pytest.mark.parametrize('wrong_rank', [0, 1])
def test_all_ranks_end_together_and_name_what_was_wrong_on_one(tmp_path, wrong_rank):
    one, other = run_group(_rank, 2, tmp_path, wrong_rank)
    assert one == other
    step, scan = ((3, 'scan04'), (2, 'scan03'))[wrong_rank]  # rank 1 has the odd scans
    told = f'iteration {step} (epoch 1) is not finite: loss=nan, loss_kd=nan on points/{scan}.bin'
    assert told in one[0]
    kept = tmp_path / f'non_finite_iter{step}'
    assert {path.name for path in kept.iterdir()} == {'weights.pth', f'rank{wrong_rank}.pth'}
    assert f'replay_step.py {kept} repeats it' in one[0]


def _wrapped(rank, folder, kind):
    def wrong(number, weight):
        if number != 2 or rank == 0:
            return 0
        return NAN if kind == 'loss' else (weight - weight.detach()).clamp(min=0).sqrt().sum()

    model = MMDistributedDataParallel(Net(wrong), device_ids=None)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01), accumulative_counts=2)
    runner = SimpleNamespace(
        model=model, optim_wrapper=wrapper, iter=0, epoch=0, work_dir=folder, cfg=Config(),
        message_hub=SimpleNamespace(runtime_info={}),
    )  # fmt: skip
    hook = FiniteStepHook()
    hook.before_train(runner)
    for runner.iter in range(6):
        sample = Det3DDataSample(metainfo=dict(lidar_path=f'rank{rank}/{runner.iter}.bin'))
        batch = dict(inputs=[torch.tensor(float(runner.iter))], data_samples=[sample])
        hook.before_train_iter(runner, runner.iter, batch)
        try:
            model.train_step(batch, wrapper)
        except NonFiniteLossError as error:
            return str(error), model.module.weight.item()


@pytest.mark.parametrize('kind', ['loss', 'gradient'])
def test_wrapped_networks_end_together_before_gradients_are_shared(tmp_path, kind):
    one, other = run_group(_wrapped, 2, tmp_path, kind)
    assert one == other
    assert 'iteration 3 (epoch 1) is not finite' in one[0] and 'rank1/2.bin' in one[0]
    assert ('rank0/2.bin' in one[0]) == (kind == 'gradient')
    names = {path.name for path in (tmp_path / 'non_finite_iter3').iterdir()}
    assert names - {'rank0.pth'} == {'weights.pth', 'rank1.pth'}


def test_a_network_that_cannot_be_asked_for_its_terms_does_not_hide_the_fault(tmp_path):
    class Odd(Net):
        def parse_losses(self, losses):
            if not torch.is_grad_enabled():
                raise KeyError('what')
            return super().parse_losses(losses)

    with pytest.raises(NonFiniteLossError, match="cannot be told .KeyError: 'what'.; it was not"):
        train(tmp_path, model=Odd(nan_from(5)))


def _rank_of_gradients(rank, folder):
    def root(number, weight):
        return (weight - weight.detach()).clamp(min=0).sqrt().sum() if number == 5 else 0

    try:
        train(folder, root, interval=99)
    except NonFiniteLossError as error:
        return str(error)


def test_without_a_wrong_term_every_rank_tells_its_gradients_and_keeps_its_step(tmp_path):
    one, other = run_group(_rank_of_gradients, 2, tmp_path)  # rank 1 has the odd scans
    assert one == other and 'iteration 3 (epoch 1) is not finite' in one
    assert 'the norm of the gradients is not, on points/scan04.bin' in one
    assert 'the gradients of 1 parameters are not (weight), on points/scan05.bin' in one
    names = {path.name for path in (tmp_path / 'non_finite_iter3').iterdir()}
    assert names == {'weights.pth', 'rank0.pth', 'rank1.pth'}


def test_a_gradient_is_named_before_clipping_spreads_it(tmp_path):
    class Two(Net):
        def __init__(self):
            super().__init__()
            self.other = nn.Parameter(torch.ones(1))

        def forward(self, inputs, data_samples=None, mode='loss'):
            root = (self.other - self.other.detach()).sqrt().sum()
            return super().forward(inputs) | dict(loss_other=root)

    with pytest.raises(NonFiniteLossError, match=r'gradients of 1 parameters are not \(other\)'):
        train(tmp_path, model=Two(), clip_grad=dict(max_norm=1.0))


def test_a_mask_of_infinities_that_was_there_from_the_first_is_no_fault(tmp_path):
    model = Net()
    model.register_buffer('mask', torch.tensor([0.0, -float('inf')]))
    assert train(tmp_path, model=model, iters=3).iter == 3
    assert (tmp_path / 'iter_2.pth').exists()


def test_statistics_that_are_lost_are_not_saved(tmp_path):
    model = Net()
    model.register_buffer('mean', torch.zeros(1))
    model.wrong = lambda number, weight: _lose(model.mean) if number == 3 else 0
    with pytest.raises(
        NonFiniteLossError,
        match=r'iteration 4 .* it has lost 1 weights \(mean\) at a learning rate of 0.01; they '
        r'were not saved, the last checkpoint is .*/iter_2.pth',
    ):
        train(tmp_path, model=model)


def _lose(buffer):
    buffer.fill_(float('nan'))
    return 0


def test_after_training_nobody_listens(tmp_path):
    runner = train(tmp_path, iters=2)
    assert type(runner.optim_wrapper) is OptimWrapper
    assert not runner.model._forward_hooks
    assert not runner.optim_wrapper.optimizer._optimizer_step_pre_hooks


def test_the_old_name_works_on_and_tells_the_new_one(tmp_path):
    with pytest.warns(FutureWarning, match='FiniteLossHook is called FiniteStepHook now'):
        old = HOOKS.build(dict(type='FiniteLossHook'))
    with pytest.raises(NonFiniteLossError, match='loss_kd=nan on points/scan05.bin'):
        train(tmp_path, nan_from(5), hook=[old, FiniteStepHook()])  # one of them is enough


def test_a_step_can_be_told_and_not_kept(tmp_path):
    with pytest.raises(NonFiniteLossError, match='the step is not kept .keep=0.$'):
        train(tmp_path, nan_from(5), hook=[FiniteStepHook(keep=0)])
    assert not [*tmp_path.glob('*non_finite*')]


def test_a_step_that_cannot_be_kept_is_told_all_the_same(tmp_path):
    with pytest.raises(NonFiniteLossError, match=r'loss_kd=nan.*the step could not be kept: .*'
                       r'takes \d+ MiB, at most 1 MiB are kept .max_mib'):  # fmt: skip
        train(tmp_path, nan_from(5), hook=[FiniteStepHook(max_mib=1)], size=2**19)
    assert not [*tmp_path.glob('*non_finite*'), *tmp_path.glob('.non_finite*')]


@pytest.mark.parametrize(
    'wrong, said',
    [
        (dict(keep=-1), 'keep of FiniteStepHook must be a whole number of at least 0, but got -1'),
        (
            dict(max_mib=0.5),
            'max_mib of FiniteStepHook must be a whole .* of at least 1, but got 0',
        ),
    ],
)
def test_arguments_that_cannot_be_are_refused(wrong, said):
    with pytest.raises(UsageError, match=said):
        FiniteStepHook(**wrong)

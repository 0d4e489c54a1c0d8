import os
import sys
from pathlib import Path

import pytest
import torch
from processes import run
from torch import nn

from projects.SRKD import compat

pytest.importorskip('mmdet3d')
import toy_run  # noqa: E402  (needs mmdet3d)
from mmdet3d.registry import OPTIM_WRAPPERS  # noqa: E402
from mmengine.dist import utils  # noqa: E402
from mmengine.optim import AmpOptimWrapper  # noqa: E402

state = compat.apply()
ROOT = Path(__file__).parents[2]
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason='about machines without CUDA')


@without_cuda
@pytest.mark.two_threads
def test_two_processes_train_on_cpu_with_the_default_wrapper_and_backend(tmp_path):
    config = toy_run.write_config(
        tmp_path, env_cfg=dict(dist_cfg=dict(backend='nccl')), launcher='pytorch'
    )
    code = (
        'from mmengine.config import Config; from mmengine.runner import Runner\n'
        f'c = Config.fromfile({str(config)!r}); c.work_dir = {str(tmp_path / "work")!r}\n'
        'r = Runner.from_cfg(c); r.train()\n'
        'print(type(r.model).__name__, r.model.module.line.weight.item())\n'
        'from projects.SRKD.engine import launch; launch.leave()'
    )
    script = tmp_path / 'train.py'
    script.write_text(code)
    env = {
        **os.environ,
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': os.pathsep.join([str(ROOT), str(ROOT / 'tests')]),
    }
    done = run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--standalone',
            '--nproc_per_node=2',
            script,
        ],
        env=env,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    weights = [
        line.split()[1]
        for line in done.stdout.splitlines()
        if line.startswith('MMDistributedDataParallel')
    ]
    assert len(weights) == 2 and weights[0] == weights[1] != '0.0'


@without_cuda
@pytest.mark.shows_a_fault
def test_without_the_cure_the_launcher_asks_for_cuda(monkeypatch):
    for name in ('RANK', 'LOCAL_RANK', 'MASTER_PORT'):
        monkeypatch.setenv(name, '0')
    monkeypatch.setenv('MASTER_ADDR', 'localhost')
    monkeypatch.setenv('WORLD_SIZE', '1')
    with pytest.raises((RuntimeError, AssertionError, AttributeError), match='(?i)cuda|nvidia'):
        utils._init_dist_pytorch.original('gloo')


@without_cuda
def test_set_device_is_itself_again_after_the_launch(monkeypatch):
    monkeypatch.setattr(utils.torch_dist, 'init_process_group', lambda backend: None)
    monkeypatch.setenv('RANK', '0')
    monkeypatch.setenv('LOCAL_RANK', '0')
    before = torch.cuda.set_device
    utils._init_dist_pytorch('nccl')
    assert torch.cuda.set_device is before


def test_distributed_cure_is_on_exactly_without_cuda():
    assert state['mmengine_dist'] is not torch.cuda.is_available()


def bfloat16_wrapper(net, **kwargs):
    return OPTIM_WRAPPERS.build(
        dict(
            type='BFloat16OptimWrapper', optimizer=torch.optim.SGD(net.parameters(), 0.1), **kwargs
        )
    )


@without_cuda
@pytest.mark.shows_a_fault
def test_without_the_cure_mixed_precision_refuses_cpu():
    with pytest.raises(AssertionError, match='only available training on gpu'):
        AmpOptimWrapper(optimizer=torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.1))


def test_forward_is_bfloat16_and_the_step_equals_plain_sgd():
    torch.manual_seed(0)
    net, x = nn.Linear(4, 3), torch.randn(5, 4)
    before = net.weight.detach().clone()
    wrapper = bfloat16_wrapper(net, clip_grad=dict(max_norm=1e6))
    with wrapper.optim_context(net):
        out = net(x)
    assert out.dtype == torch.bfloat16 and net.weight.dtype == torch.float32
    loss = out.float().square().mean()
    grad = torch.autograd.grad(loss, net.weight, retain_graph=True)[0]
    wrapper.update_params(loss)
    torch.testing.assert_close(net.weight.detach(), before - 0.1 * grad)


def test_accumulation_steps_every_second_time_and_state_is_restored():
    net = nn.Linear(2, 1)
    wrapper = bfloat16_wrapper(net, accumulative_counts=2)
    wrapper.initialize_count_status(net, 0, 4)
    weights = [net.weight.detach().clone()]
    for _ in range(2):
        with wrapper.optim_context(net):
            loss = net(torch.ones(1, 2)).float().sum()
        wrapper.update_params(loss)
        weights.append(net.weight.detach().clone())
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[1], weights[2])
    saved = wrapper.state_dict()
    assert saved['loss_scaler'] == {}
    bfloat16_wrapper(nn.Linear(2, 1)).load_state_dict(saved)


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(dtype='float16'), r"must be 'bfloat16', but got 'float16'"),
        (dict(loss_scale=512.0), 'scales no loss; remove loss_scale'),
    ],
)
def test_other_precisions_and_scales_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        bfloat16_wrapper(nn.Linear(1, 1), **wrong)

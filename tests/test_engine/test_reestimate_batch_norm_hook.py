"""Statistics against a loop over the scans, on real networks, runs and processes."""

import copy
import os
import sys

import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.runner import Runner
from processes import run
from toy import build, minkunet, ptv3
from toy_training import NUM_CLASSES, REPO, checkpoint_of, distill_config, plain_config

from projects.SRKD.engine.reestimate_batch_norm_hook import ReestimateBatchNormHook

HOOK = dict(type='ReestimateBatchNormHook')
STUDENTS = dict(
    minkunet=minkunet(8, num_classes=NUM_CLASSES),  # torch's batch norm within spconv's modules
    ptv3=ptv3(16, num_classes=NUM_CLASSES),  # RowBatchNorm
)


def plainly(config):
    """One scan a batch and no augmentation: then neither order nor draws matter."""
    drawn = ('RandomFlip3D', 'GlobalRotScaleTrans', 'RandomJitterPoints')
    pipeline = config.train_dataloader.dataset.pipeline
    config.train_dataloader.dataset.pipeline = [
        step for step in pipeline if step['type'] not in drawn
    ]
    config.train_dataloader.update(batch_size=1, num_workers=0)
    config.default_hooks.reestimate = HOOK
    return config


def norms(network):
    kinds = torch.nn.modules.batchnorm._BatchNorm
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, kinds)}


def expected(student, weights, config):
    """Mean and unbiased variance of every norm's input, averaged over the scans, in float64."""
    network = build(student)
    network.load_state_dict(weights)
    network.train()
    seen = {name: [] for name in norms(network)}
    for name, layer in norms(network).items():
        layer.register_forward_pre_hook(
            lambda _, inputs, rows=seen[name]: rows.append(inputs[0].double())
        )
    dataset = DATASETS.build(config.train_dataloader.dataset)
    for index in range(len(dataset)):
        data = network.data_preprocessor(pseudo_collate([dataset[index]]), True)
        with torch.no_grad():
            network(**data, mode='tensor')
    return {
        name: [torch.stack([f(row, 0) for row in rows]).mean(0) for f in (torch.mean, torch.var)]
        for name, rows in seen.items()
    }


def check(student, weights, config):
    for name, (mean, var) in expected(student, weights, config).items():
        for key, value in (('running_mean', mean), ('running_var', var)):
            got = weights[f'{name}.{key}'].double()
            torch.testing.assert_close(got, value, rtol=1e-4, atol=1e-5, msg=f'{name}.{key}')


class SeenByValidation(Hook):
    def before_val_epoch(self, runner):
        self.seen = copy.deepcopy(runner.model.state_dict())


@pytest.mark.parametrize('name', STUDENTS)
@pytest.mark.parametrize('taught', [False, True])
def test_statistics_are_those_of_the_final_weights(tmp_path, data_root, teacher, name, taught):
    student = STUDENTS[name]
    make = distill_config if taught else plain_config
    between = (teacher,) if taught else ()
    config = plainly(make(data_root, tmp_path / 'run', *between, student))
    runner = Runner.from_cfg(config)
    runner.register_hook(watch := SeenByValidation())
    runner.train()
    weights = checkpoint_of(tmp_path / 'run')['state_dict']
    check(student, weights, config)
    assert all(torch.equal(watch.seen[key], value) for key, value in weights.items())
    layer = next(iter(norms(runner.model).values()))
    assert layer.momentum is not None  # the momentum is put back
    with pytest.raises(AssertionError, match='running_mean'):  # the epoch before has running ones
        check(student, checkpoint_of(tmp_path / 'run', 1)['state_dict'], config)


def test_without_the_hook_statistics_are_running_ones_and_weights_are_the_same(tmp_path, data_root):
    student = STUDENTS['ptv3']
    Runner.from_cfg(plainly(plain_config(data_root, tmp_path / 'with', student))).train()
    config = plainly(plain_config(data_root, tmp_path / 'without', student))
    config.default_hooks.reestimate = None
    Runner.from_cfg(config).train()
    one, other = (checkpoint_of(tmp_path / run)['state_dict'] for run in ('with', 'without'))
    differ = {key for key, value in one.items() if not torch.equal(value, other[key])}
    running = ('running_mean', 'running_var', 'num_batches_tracked')
    assert differ == {key for key in one if key.endswith(running)}


@pytest.mark.parametrize('update_buffers', [False, True])
def test_with_an_average_of_the_weights_they_are_the_averages_own(
    tmp_path, data_root, teacher, update_buffers
):
    student = STUDENTS['ptv3']
    config = plainly(distill_config(data_root, tmp_path / 'run', teacher, student))
    config.custom_hooks.append(dict(type='EMAHook', momentum=0.1, update_buffers=update_buffers))
    runner = Runner.from_cfg(config)
    runner.register_hook(watch := SeenByValidation(), priority='VERY_LOW')  # behind the swap
    runner.train()
    weights = checkpoint_of(tmp_path / 'run')['state_dict']
    check(student, weights, config)
    assert all(torch.equal(watch.seen[key], value) for key, value in weights.items())


def test_workers_and_augmentation_repeat_and_a_run_that_has_ended_is_left_alone(
    tmp_path, data_root
):
    def train(name, workers, num_batches=None, **changes):
        config = plain_config(data_root, tmp_path / name, STUDENTS['minkunet'])
        config.train_dataloader.update(num_workers=workers, persistent_workers=workers > 0)
        config.train_cfg = dict(by_epoch=False, max_iters=3, val_interval=3)
        config.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)
        config.default_hooks.checkpoint.update(by_epoch=False)
        config.default_hooks.reestimate = dict(HOOK, num_batches=num_batches)
        config.update(changes)
        runner = Runner.from_cfg(config)
        runner.train()
        return {key: value.clone() for key, value in runner.model.state_dict().items()}

    whole = train('whole', 0)
    resumed = dict(resume=True, load_from=f'{tmp_path}/whole/iter_2.pth')
    ended = dict(resume=True, load_from=f'{tmp_path}/whole/iter_3.pth')
    for other in (
        train('workers', 2),
        train('rest', 2, **resumed),
        train('ended', 0, num_batches=1, **ended),
    ):
        assert all(torch.equal(other[key], value) for key, value in whole.items())
    fewer = train('fewer', 0, num_batches=1)
    assert not all(torch.equal(fewer[key], value) for key, value in whole.items())


def test_two_processes_gather_what_one_would(tmp_path, data_root, teacher):
    student = STUDENTS['minkunet']
    config = plainly(distill_config(data_root, tmp_path / 'run', teacher, student))
    config.custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)
    config.dump(str(tmp_path / 'config.py'))
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', '--master_port=0',
        '--standalone', str(REPO / 'tools/train.py'), str(tmp_path / 'config.py'),
        '--launcher', 'pytorch',
    ]  # fmt: skip
    done = run(command, cwd=tmp_path, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    assert done.returncode == 0, done.stderr[-3000:]
    check(student, checkpoint_of(tmp_path / 'run')['state_dict'], config)


def test_layers_in_eval_keep_their_statistics(tmp_path, data_root):
    config = plainly(plain_config(data_root, tmp_path / 'run', STUDENTS['minkunet'], epochs=1))
    runner = Runner.from_cfg(config)
    frozen, free = list(norms(runner.model).values())[:2]
    frozen.train = lambda mode=True: frozen  # as backbones with norm_eval do
    frozen.training = False
    frozen.running_mean.fill_(3.0)
    free.running_mean.fill_(3.0)
    runner.train()
    assert frozen.running_mean.eq(3.0).all()
    assert free.num_batches_tracked == 6


def test_what_cannot_be_gathered_is_refused(tmp_path, data_root):
    with pytest.raises(ValueError, match='must be at least 1 or None for all, but got 0'):
        ReestimateBatchNormHook(num_batches=0)
    config = plainly(plain_config(data_root, tmp_path / 'run', STUDENTS['minkunet']))
    runner = Runner.from_cfg(config)
    for layer in norms(runner.model).values():
        layer.running_mean = None
    with pytest.raises(TypeError, match='must have BatchNorm layers with running statistics, but'):
        runner.train()

"""Real runs of mmengine's runner on tiny clouds in ScanNet's layout."""

import os
import sys

import pytest
import torch
from mmengine.model import convert_sync_batchnorm
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint as load
from processes import run
from toy import build, distiller, minkunet, ptv3, save_checkpoint
from toy_training import (
    NUM_CLASSES,
    REPO,
    checkpoint_of,
    distill_config,
    losses_of,
    plain_config,
)


def test_a_distilled_checkpoint_is_the_plain_student_and_testing_needs_no_teacher(
    tmp_path, data_root, teacher
):
    config = distill_config(data_root, tmp_path / 'run', teacher)
    Runner.from_cfg(config).train()
    checkpoint = checkpoint_of(tmp_path / 'run')
    student = build(minkunet(8, num_classes=NUM_CLASSES))
    student.load_state_dict(checkpoint['state_dict'], strict=True)
    assert set(checkpoint['state_dict']) == set(student.state_dict())
    assert set(checkpoint['distill']['connectors']) == {
        'imitate.connector.weight', 'imitate.connector.bias'
    }  # fmt: skip

    plain = plain_config(data_root, tmp_path / 'test', minkunet(8, num_classes=NUM_CLASSES))
    plain.load_from = str(tmp_path / 'run/epoch_2.pth')
    runner = Runner.from_cfg(plain)
    scores = runner.test()
    assert 0 <= scores['miou'] <= 1
    raw_points = 2 * 400
    assert len(runner.test_loop.dataloader.dataset) * 400 == raw_points


def test_workers_and_a_resume_in_mid_epoch_change_no_bit_of_a_distilled_student(
    tmp_path, data_root, teacher
):
    student = ptv3(16, num_classes=NUM_CLASSES, drop_path=0.3, shuffle_orders=True)

    def train(name, workers, resume_from=None):
        config = distill_config(data_root, tmp_path / name, teacher, student, epochs=2)
        config.model.terms.imitate.connector = dict(type='LinearConnector')
        config.default_hooks.checkpoint.update(by_epoch=False, interval=2)
        config.train_dataloader.update(num_workers=workers, persistent_workers=workers > 0)
        config.update(resume=resume_from is not None, load_from=resume_from)
        Runner.from_cfg(config).train()
        whole = load(f'{tmp_path}/{name}/iter_6.pth')
        return losses_of(tmp_path / name), {**whole['state_dict'], **whole['distill']['connectors']}

    losses, weights = train('whole', 0)
    assert len(losses) == 2 * 3
    others = dict(workers=(2, None), early=(2, 'iter_2'), late=(0, 'iter_4'))
    for name, (workers, first) in others.items():
        source = first and f'{tmp_path}/whole/{first}.pth'
        got_losses, got = train(name, workers, source)
        for one, other in zip(losses[-len(got_losses) :], got_losses):
            assert [one[key] for key in one if 'loss' in key] == [
                other[key] for key in one if 'loss' in key
            ]
        assert set(got) == set(weights)
        assert all(torch.equal(got[key], value) for key, value in weights.items()), name


def test_resuming_without_connectors_is_refused(tmp_path, data_root, teacher):
    config = distill_config(data_root, tmp_path / 'run', teacher, epochs=1)
    Runner.from_cfg(config).train()
    path = tmp_path / 'run/epoch_1.pth'
    checkpoint = checkpoint_of(tmp_path / 'run', 1)
    del checkpoint['distill']
    torch.save(checkpoint, path)
    config = distill_config(data_root, tmp_path / 'run', teacher, epochs=2)
    config.update(resume=True, load_from=str(path), experiment_name=f'again-{tmp_path.name}')
    with pytest.raises(ValueError, match='holds no connectors'):
        Runner.from_cfg(config).train()


def test_training_without_the_checkpoint_hook_is_refused(tmp_path, data_root, teacher):
    config = distill_config(data_root, tmp_path / 'run', teacher)
    config.custom_hooks = []
    with pytest.raises(RuntimeError, match='trains without DistillCheckpointHook'):
        Runner.from_cfg(config).train()


def test_bf16_accumulation_ema_and_a_teacher_beside_the_student_work_together(
    tmp_path, data_root, teacher
):
    config = distill_config(data_root, tmp_path / 'run', teacher)
    config.optim_wrapper = dict(
        type='BFloat16OptimWrapper',
        optimizer=dict(type='AdamW', lr=1e-3),
        accumulative_counts=2,
    )
    config.custom_hooks.append(dict(type='EMAHook', momentum=0.1))
    config.val_cfg = dict(type='TeacherValLoop')
    runner = Runner.from_cfg(config)
    runner.train()
    checkpoint = checkpoint_of(tmp_path / 'run')
    build(minkunet(8, num_classes=NUM_CLASSES)).load_state_dict(
        checkpoint['state_dict'], strict=True
    )
    ema = {key.removeprefix('module.') for key in checkpoint['ema_state_dict']} - {'steps'}
    assert ema == set(checkpoint['state_dict'])
    scores = runner.val()  # EMAHook copies the model again, after its training
    assert {'miou', 'teacher/miou'} <= set(scores)
    alone = plain_config(data_root, tmp_path / 'teacher', teacher['config'])
    alone.load_from = teacher['checkpoint']
    assert Runner.from_cfg(alone).test()['miou'] == pytest.approx(scores['teacher/miou'], abs=1e-6)


def test_distillation_ends_when_the_schedule_says_so(tmp_path, data_root, teacher):
    config = distill_config(data_root, tmp_path / 'run', teacher)
    config.custom_hooks.append(dict(type='DistillScheduleHook', end_epoch=1))
    Runner.from_cfg(config).train()
    kd = [row['loss_kd'] for row in losses_of(tmp_path / 'run')]
    assert all(value > 0 for value in kd[:3])
    assert kd[3:] == [0, 0, 0]


def test_training_by_iterations_works_with_all_hooks_and_the_batch_sampler(
    tmp_path, data_root, teacher
):
    config = distill_config(data_root, tmp_path / 'run', teacher)
    config.train_cfg = dict(by_epoch=False, max_iters=5, val_interval=5)
    config.train_dataloader.update(
        num_workers=0,
        drop_last=False,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        batch_sampler=dict(type='CrossSampleBatchSampler', drop_last=True),
    )
    config.log_processor.by_epoch = False
    config.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=2)
    config.custom_hooks += [
        dict(type='DistillScheduleHook', end_epoch=1), dict(type='BatchCompositionHook')
    ]  # fmt: skip
    Runner.from_cfg(config).train()
    rows = losses_of(tmp_path / 'run')
    assert [row['distill_scale'] for row in rows] == [1, 1, 1, 0, 0]  # six scenes, two a step
    assert all(0 < row['class_overlap'] <= 1 for row in rows)

    config.update(resume=True, load_from=f'{tmp_path}/run/iter_4.pth')
    config.update(work_dir=f'{tmp_path}/rest', experiment_name=f'rest-{tmp_path.name}')
    Runner.from_cfg(config).train()
    one, other = (load(f'{tmp_path}/{name}/iter_5.pth')['state_dict'] for name in ('run', 'rest'))
    assert all(torch.equal(other[name], value) for name, value in one.items())


def test_a_pretrained_student_loads_as_usual(tmp_path, data_root, teacher):
    student = minkunet(8, num_classes=NUM_CLASSES)
    weights = save_checkpoint(student, tmp_path / 'pretrained.pth', seed=5)
    config = distill_config(data_root, tmp_path / 'run', teacher)
    config.load_from = weights
    runner = Runner.from_cfg(config)
    runner.load_or_resume()
    saved = torch.load(weights, weights_only=True)['state_dict']
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, saved[name]), name


def test_two_processes_train_without_searching_for_unused_parameters(tmp_path, data_root, teacher):
    config = distill_config(data_root, tmp_path / 'run', teacher, epochs=2)
    config.custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)
    config.train_dataloader.batch_size = 1
    # the second epoch without distillation: connectors must still have gradients
    config.custom_hooks.append(dict(type='DistillScheduleHook', end_epoch=1))
    config.dump(str(tmp_path / 'config.py'))
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', '--master_port=0',
        '--standalone', str(REPO / 'tools/train.py'), str(tmp_path / 'config.py'),
        '--launcher', 'pytorch',
    ]  # fmt: skip
    done = run(command, cwd=tmp_path, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    assert done.returncode == 0, done.stderr[-3000:]
    rows = losses_of(tmp_path / 'run')
    assert len(rows) == 2 * 3  # 6 scenes, 2 processes, 1 scene each, 2 epochs
    assert all(row['loss_cross_sample'] == 0 for row in rows)  # one sample per process
    checkpoint = checkpoint_of(tmp_path / 'run')
    build(minkunet(8, num_classes=NUM_CLASSES)).load_state_dict(checkpoint['state_dict'])
    assert 'find_unused_parameters' not in (tmp_path / 'config.py').read_text()


def test_sync_bn_converts_the_student_and_leaves_the_teacher_alone(teacher):
    model = distiller(
        minkunet(8, num_classes=NUM_CLASSES), teacher['config'], teacher['checkpoint']
    )
    model = convert_sync_batchnorm(model, 'torch')
    kinds = {type(module).__name__ for module in model.student.modules()}
    assert 'SyncBatchNorm' in kinds
    assert not any('BatchNorm1d' in kind for kind in kinds)
    assert not any(
        isinstance(module, torch.nn.SyncBatchNorm) for module in model.teacher.network.modules()
    )

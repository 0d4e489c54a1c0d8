import json
import re
import runpy
import sys
import uuid
from pathlib import Path

import matplotlib.image
import pytest
import torch
from mmengine.config import Config
from processes import run_script
from toy import minkunet, save_checkpoint
from toy_rooms import write_room_config
from toy_run import write_config

from projects.SRKD.engine import launch


def train(config, folder, options=None, **flags):
    # Runners of one process need different names: mmengine keeps their loggers.
    options = {'experiment_name': uuid.uuid4().hex, **(options or {})}
    return launch.train(config, work_dir=folder, cfg_options=options, **flags)


def logged(folder, key):
    logs = sorted(folder.glob('*/vis_data/scalars.json'))
    lines = [json.loads(line) for line in logs[-1].read_text().splitlines()]
    return [line[key] for line in lines if key in line]


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path)


def test_training_writes_checkpoint_and_log_into_the_work_dir(config, tmp_path):
    train(config, tmp_path / 'run')
    assert (tmp_path / 'run' / 'epoch_1.pth').is_file()
    assert logged(tmp_path / 'run', 'bits') == [32.0, 32.0]


def test_amp_is_bfloat16_without_a_gpu(config, tmp_path):
    runner = train(config, tmp_path / 'run', amp=True)
    assert logged(tmp_path / 'run', 'bits') == [16.0, 16.0]
    if not torch.cuda.is_available():
        assert type(runner.optim_wrapper).__name__ == 'BFloat16OptimWrapper'


def test_amp_refuses_a_wrapper_it_does_not_know(tmp_path):
    config = write_config(tmp_path, optim_wrapper=dict(type='ApexOptimWrapper'))
    with pytest.raises(launch.UsageError, match='got ApexOptimWrapper'):
        train(config, tmp_path / 'run', amp=True)


def test_resume_goes_on_after_the_last_epoch(config, tmp_path):
    train(config, tmp_path / 'run')
    runner = train(config, tmp_path / 'run', {'train_cfg.max_epochs': 3}, resume='auto')
    assert runner.epoch == 3 and runner.iter == 6
    whole = train(config, tmp_path / 'whole', {'train_cfg.max_epochs': 3})
    torch.testing.assert_close(runner.model.line.weight, whole.model.line.weight)


def test_resume_takes_a_path(config, tmp_path):
    train(config, tmp_path / 'first', {'train_cfg.max_epochs': 2})
    runner = train(
        config,
        tmp_path / 'second',
        {'train_cfg.max_epochs': 3},
        resume=str(tmp_path / 'first' / 'epoch_1.pth'),
    )
    assert runner.iter == 6 and not (tmp_path / 'second' / 'epoch_1.pth').exists()


def test_auto_scale_lr_follows_the_batch_size(config, tmp_path):
    runner = train(config, tmp_path / 'run', auto_scale_lr=True)
    assert runner.optim_wrapper.get_lr()['lr'] == [pytest.approx(0.1 * 2 / 4)]


def test_auto_scale_lr_needs_a_base(tmp_path):
    config = write_config(tmp_path, auto_scale_lr=dict(enable=False))
    with pytest.raises(launch.UsageError, match='auto_scale_lr=dict.base_batch_size'):
        train(config, tmp_path / 'run', auto_scale_lr=True)


def test_sync_bn_reaches_the_runner(config, tmp_path):
    assert train(config, tmp_path / 'run', sync_bn='torch').cfg.sync_bn == 'torch'


def test_work_dir_comes_from_flag_then_config_then_its_name(config, tmp_path):
    assert launch.read_config(config, work_dir='here').work_dir == 'here'
    assert launch.read_config(config).work_dir == 'work_dirs/toy'
    config = write_config(tmp_path, work_dir='there')
    assert launch.read_config(config).work_dir == 'there'
    assert launch.read_config(config, work_dir='here').work_dir == 'here'


def test_missing_config_is_one_sentence():
    with pytest.raises(launch.UsageError, match=r'config no/such.py does not exist'):
        launch.read_config('no/such.py')


def test_missing_data_root_is_named_before_anything_is_built(config, tmp_path):
    (tmp_path / 'data').rmdir()
    with pytest.raises(launch.UsageError, match=str(tmp_path / 'data')):
        train(config, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def evaluate(config, checkpoint, folder, options=None, **flags):
    options = {'experiment_name': uuid.uuid4().hex, **(options or {})}
    return launch.test(config, checkpoint, work_dir=folder, cfg_options=options, **flags)


def test_testing_returns_and_logs_the_metric(config, tmp_path):
    train(config, tmp_path / 'run', {'train_cfg.max_epochs': 2})
    scores = evaluate(config, tmp_path / 'run' / 'epoch_2.pth', tmp_path / 'test')
    weights = torch.load(tmp_path / 'run' / 'epoch_2.pth', weights_only=False)['state_dict']
    x = torch.arange(4.0)
    out = x * weights['line.weight'].item() + weights['line.bias'].item()
    assert scores['seen'] == 4
    assert scores['error'] == pytest.approx((out - 3 * x - 1).abs().mean().item(), rel=1e-5)
    (log,) = (tmp_path / 'test').glob('*/*.json')
    assert json.loads(log.read_text())['error'] == pytest.approx(scores['error'])


def test_checkpoint_that_lacks_weights_is_refused(config, tmp_path):
    torch.save({'state_dict': {'line.weight': torch.zeros(1, 1)}}, tmp_path / 'part.pth')
    with pytest.raises(launch.UsageError, match='1 of 2 keys match, 1 missing.* line.bias'):
        evaluate(config, tmp_path / 'part.pth', tmp_path / 'test')


def test_checkpoint_of_another_width_is_refused(config, tmp_path):
    weights = {'line.weight': torch.zeros(2, 1), 'line.bias': torch.zeros(1)}
    torch.save({'state_dict': weights}, tmp_path / 'wide.pth')
    with pytest.raises(launch.UsageError, match='1 of 2 keys match.* 1 of another shape; line.w'):
        evaluate(config, tmp_path / 'wide.pth', tmp_path / 'test')


def test_checkpoint_with_more_than_the_network_is_accepted(config, tmp_path):
    weights = {'line.weight': torch.ones(1, 1), 'line.bias': torch.zeros(1), 'more': torch.ones(1)}
    torch.save({'state_dict': weights}, tmp_path / 'more.pth')
    error = evaluate(config, tmp_path / 'more.pth', tmp_path / 'test')['error']
    assert error == pytest.approx(4.0)  # mean of |x - 3x - 1| over 0..3


def test_missing_checkpoint_is_one_sentence(config, tmp_path):
    with pytest.raises(launch.UsageError, match='checkpoint no.pth does not exist'):
        evaluate(config, 'no.pth', tmp_path / 'test')


def test_drawing_needs_a_task_and_the_hook(config, tmp_path):
    (tmp_path / 'x.pth').touch()
    with pytest.raises(launch.UsageError, match='need --task, one of mono_det'):
        evaluate(config, tmp_path / 'x.pth', tmp_path, show_dir='drawings')
    with pytest.raises(launch.UsageError, match='default_hooks.visualization'):
        evaluate(config, tmp_path / 'x.pth', tmp_path, show_dir='drawings', task='mono_det')


def test_drawing_is_switched_on_in_the_hook(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, 'check_window', lambda: None)
    hooks = dict(visualization=dict(type='Det3DVisualizationHook'))
    cfg = launch.read_config(write_config(tmp_path, default_hooks=hooks))
    launch._draw(cfg, True, 'drawings', 'lidar_seg', 0.3, 5.0)
    assert cfg.default_hooks.visualization == dict(
        type='Det3DVisualizationHook',
        draw=True,
        vis_task='lidar_seg',
        score_thr=0.3,
        show=True,
        wait_time=5.0,
        test_out_dir='drawings',
    )


def test_augmentation_needs_its_model_in_the_config(config, tmp_path):
    (tmp_path / 'x.pth').touch()
    with pytest.raises(launch.UsageError, match='--tta needs `tta_model`'):
        evaluate(config, tmp_path / 'x.pth', tmp_path, tta=True)


def test_augmentation_averages_the_views_of_real_rooms(tmp_path):
    config = write_room_config(tmp_path)
    checkpoint = save_checkpoint(minkunet(num_classes=20), tmp_path / 'a.pth')
    weights = torch.load(checkpoint, weights_only=False)['state_dict']
    weights['decode_head.conv_seg.weight'] *= 100  # a fresh head gives all points one class
    weights['decode_head.conv_seg.bias'] *= 0
    torch.save({'state_dict': weights}, checkpoint)
    plain = evaluate(config, checkpoint, tmp_path / 'plain')
    averaged = evaluate(config, checkpoint, tmp_path / 'tta', tta=True)
    assert set(averaged) == set(plain) and 0 <= averaged['miou'] <= 1
    assert averaged['acc'] != plain['acc']
    torch.save({'state_dict': {}}, tmp_path / 'empty.pth')
    with pytest.raises(launch.UsageError, match='empty.pth holds no weights'):
        evaluate(config, tmp_path / 'empty.pth', tmp_path / 'empty', tta=True)


def test_segmentations_are_drawn_without_a_display(tmp_path, monkeypatch):
    monkeypatch.delenv('DISPLAY', raising=False)
    config = write_room_config(tmp_path)
    checkpoint = save_checkpoint(minkunet(num_classes=20), tmp_path / 'a.pth')
    evaluate(config, checkpoint, tmp_path / 'test', show_dir='drawings', task='lidar_seg')
    drawn = sorted((tmp_path / 'test').glob('*/drawings/*.png'))
    assert [path.name for path in drawn] == ['0.png', '1.png']
    assert matplotlib.image.imread(drawn[0]).std() > 0.05


def test_the_ceiling_of_a_drawing_reaches_the_hook_that_draws():
    cfg = Config()
    launch._draw(cfg, False, 'drawings', 'lidar_seg', 0.3, 2.0, ceiling=2.2)
    (hook,) = cfg.custom_hooks
    assert (hook.folder, hook.ceiling, hook.score_thr) == ('drawings', 2.2, 0.3)


def test_leaving_a_group_runs_what_waits_for_the_exit_and_ends_the_process(tmp_path):
    code = (
        'import atexit, torch.distributed as dist\n'
        'from projects.SRKD.engine import launch\n'
        'launch.leave()\n'  # without a group nothing happens
        f'dist.init_process_group("gloo", "file://{tmp_path}/meet", rank=0, world_size=1)\n'
        'atexit.register(print, "waited")\n'
        'launch.leave()\n'
        'print("still here")\n'
    )
    (tmp_path / 'leaves.py').write_text(code)
    done = run_script(tmp_path / 'leaves.py', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ['waited']


@pytest.mark.parametrize(
    ('raised', 'code', 'said'),
    [('SystemExit(3)', 3, ''), ('ZeroDivisionError("why")', 1, 'ZeroDivisionError: why\n')],
)
def test_one_of_several_processes_that_fails_says_why_and_ends_at_once(
    tmp_path, raised, code, said
):
    (tmp_path / 'fails.py').write_text(
        'import atexit, torch.distributed as dist\n'
        'from projects.SRKD.engine import launch\n'
        f'dist.init_process_group("gloo", "file://{tmp_path}/meet", rank=0, world_size=1)\n'
        'atexit.register(print, "waited")\n'
        'try:\n'
        '    with launch.no_rank_waits():\n'
        f'        raise {raised}\n'
        'finally:\n'
        '    print("still here")\n'
    )
    done = run_script(tmp_path / 'fails.py', cwd=tmp_path)
    assert (done.returncode, done.stdout.split()) == (code, ['waited'])
    assert done.stderr.endswith(said) and bool(said) == ('Traceback' in done.stderr)


def test_a_single_process_fails_as_ever():
    for error in (SystemExit(3), ZeroDivisionError('why')):
        with pytest.raises(type(error)), launch.no_rank_waits():
            raise error


def test_a_run_without_hooks_for_it_ends_before_a_step_that_is_not_finite(config, tmp_path):
    options = {'optim_wrapper.optimizer.lr': 1e30, 'train_cfg.max_epochs': 9}
    with pytest.raises(launch.NonFiniteLossError, match='step of iteration . .* loss=inf'):
        train(config, tmp_path / 'run', options)
    for path in (tmp_path / 'run').glob('*.pth'):
        state = torch.load(path, weights_only=False)['state_dict']
        assert all(value.isfinite().all() for value in state.values())


def test_the_tool_then_says_one_sentence_and_ends_with_exit_code_1(
    config, tmp_path, monkeypatch, capfd
):
    options = ['optim_wrapper.optimizer.lr=1e30', f'experiment_name={uuid.uuid4().hex}']
    options += ['train_cfg.max_epochs=9', f'work_dir={tmp_path / "run"}']
    monkeypatch.setattr(sys, 'argv', ['train.py', str(config), '--cfg-options', *options])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(Path(__file__).parents[2] / 'tools/train.py'), run_name='__main__')
    assert ended.value.code == 1
    said = capfd.readouterr().err.splitlines()
    assert said[-1].startswith('train.py: the step of iteration') and 'Traceback' not in said


def test_the_guard_can_be_left_out(config, tmp_path):
    config.write_text(f'{config.read_text()}default_hooks["finite_step"] = None\n')
    options = {'optim_wrapper.optimizer.lr': 1e30, 'train_cfg.max_epochs': 4}
    runner = train(config, tmp_path / 'run', options)
    assert runner.epoch == 4 and not runner.model.line.weight.isfinite()


def test_no_workers_may_be_said_alone(tmp_path):
    config = write_config(tmp_path)
    config.write_text(
        config.read_text()
        + 'train_dataloader.update(persistent_workers=True, prefetch_factor=4, num_workers=3)\n'
    )
    cfg = launch.read_config(config, cfg_options={'train_dataloader.num_workers': 0})
    assert not cfg.train_dataloader.persistent_workers
    assert 'prefetch_factor' not in cfg.train_dataloader
    train(config, tmp_path / 'run', {'train_dataloader.num_workers': 0})


def test_a_data_set_smaller_than_a_batch_is_refused_before_schedules_are_built(config, tmp_path):
    options = {'train_dataloader.batch_size': 8, 'train_dataloader.drop_last': True}
    with pytest.raises(launch.UsageError, match='has 4 scans for batches of batch_size=8'):
        train(config, tmp_path / 'run', options)


def test_a_loop_by_iterations_says_that_it_saves_once(config, tmp_path):
    options = dict(
        train_cfg=dict(_delete_=True, by_epoch=False, max_iters=3, val_interval=3),
        default_hooks=dict(reseed=None),
    )
    train(config, tmp_path / 'run', options)
    (log,) = (tmp_path / 'run').glob('*/*.log')
    assert 'the only checkpoint is written at the end: say default_hooks' in log.read_text()


def test_a_work_dir_that_cannot_be_made_is_told_before_anything_is_built(config, tmp_path):
    with pytest.raises(launch.UsageError, match='work_dir .*toy.py/run cannot be written to'):
        train(config, config / 'run')
    with pytest.raises(launch.UsageError, match='work_dir .*toy.py cannot be written to'):
        launch.test(config, config, work_dir=config)


COSINE = dict(type='CosineAnnealingLR', T_max=2, end=2)


@pytest.mark.parametrize(('schedule', 'said'), [
    (COSINE, 'ends after epoch 1, and CosineAnnealingLR of param_scheduler only after epoch 2'),
    (dict(COSINE, convert_to_iter_based=True), 'ends after iteration 2, and .* iteration 4'),
    (dict(type='MultiStepLR', milestones=[1, 3]), 'MultiStepLR of param_scheduler .* epoch 3'),
    (dict(COSINE, T_max=1, end=1), None),
    (dict(type='MultiStepLR', milestones=[1], end=24), None),
    (dict(type='ConstantLR', factor=0.5), None),
])  # fmt: skip
def test_a_training_that_ends_before_its_schedule_says_so(schedule, said, tmp_path):
    train(write_config(tmp_path, param_scheduler=[schedule]), tmp_path / 'run')
    (log,) = (tmp_path / 'run').glob('*/*.log')
    told = [line for line in log.read_text().splitlines() if 'the training ends after' in line]
    assert len(told) == (said is not None) and (not told or re.search(said, told[0]))

"""A kept step is repeated to the bit: its loss and every gradient, beside a run without a guard."""

import shutil
from math import isnan
from pathlib import Path

import pytest
import torch
from toy import ptv3, save_checkpoint
from toy_cache import cached_config, write
from toy_detectors import centerpoint, pointpillars
from toy_faults import NAN, STEP, RootLoss, detector_config, guarded, same_bits, unguarded
from toy_training import NUM_CLASSES, distill_config, plain_config

from projects.SRKD.distill import LiveTeacher
from projects.SRKD.engine.finite_step import hook
from projects.SRKD.engine.finite_step.replay import replay_step
from projects.SRKD.engine.finite_step.step_folder import read_weights


def student():
    return ptv3(16, num_classes=NUM_CLASSES, drop_path=0.3, shuffle_orders=True)


@pytest.fixture
def config(tmp_path, data_root, teacher):
    config = distill_config(data_root, tmp_path / 'run', teacher, student())
    config.train_dataloader.update(num_workers=0)
    config.model.terms.root = dict(student_tap='backbone', loss=dict(type='RootLoss'))
    return config


@pytest.fixture(autouse=True)
def right(monkeypatch):
    monkeypatch.setattr(RootLoss, 'wrong', False)


def _root(runner, batch):
    RootLoss.wrong = True


def _both(config, act):
    """The folder of a guarded run, and the bits of the same step without a guard."""
    guarded(config, act)
    RootLoss.wrong = False
    return Path(config.work_dir) / f'non_finite_iter{STEP}', unguarded(config, act)


def _check(folder, bits, model=None):
    replay = replay_step(folder, model=model)
    assert replay.same_terms and not replay.differs
    assert same_bits(replay.loss, bits.loss)
    assert replay.gradients.keys() == bits.gradients.keys()
    for name, value in bits.gradients.items():
        assert same_bits(replay.gradients[name], value), name
    return replay


def test_a_gradient_that_is_not_finite_is_repeated_to_the_bit(config):
    folder, bits = _both(config, _root)
    replay = _check(folder, bits)
    assert replay.same_gradients is True and replay.first is None
    assert replay.loss.isfinite() and len(replay.kept['wrong_gradients']) > 3


def _points(runner, batch):
    batch['inputs']['points'][1][7, 4] = NAN


def test_a_batch_that_is_not_finite_is_repeated_and_its_first_layer_named(config):
    folder, bits = _both(config, _points)
    replay = _check(folder, bits)
    assert replay.loss.isnan() and replay.same_gradients is None  # it was not differentiated
    assert replay.first == ('student.data_preprocessor', 'VoxelSegDataPreprocessor')


def _teacher_output(runner, batch):
    head = runner.model.teacher.network.decode_head.conv_seg
    head.register_forward_hook(lambda module, inputs, output: output * float('inf'))


def test_what_the_teacher_said_is_in_the_folder_and_its_files_need_not_be(
    tmp_path, config, monkeypatch
):
    config.model.teacher.config.data_preprocessor.voxel_size = 0.2  # rows of its own
    folder, bits = _both(config, _teacher_output)
    monkeypatch.setattr(LiveTeacher, 'load', None)
    monkeypatch.setattr(LiveTeacher, 'network', None)
    replay = _check(folder, bits)
    assert isnan(replay.terms['loss_kd'])
    assert replay.first == ('terms.kd.loss', 'SoftTargetKLLoss')


def test_what_a_cache_said_is_in_the_folder(tmp_path, data_root, teacher):
    config = cached_config(data_root, tmp_path / 'run', teacher)
    config.train_dataloader.update(num_workers=0)
    write(config)
    folder, bits = _both(config, _points)
    shutil.rmtree(tmp_path / 'run/cache')
    replay = _check(folder, bits)
    assert replay.first == ('student.data_preprocessor', 'VoxelSegDataPreprocessor')


def test_a_balance_goes_on_with_what_it_has_measured(config):
    config.model.balance = 'first_steps'
    folder, bits = _both(config, _root)
    replay = _check(folder, bits)
    assert replay.kept['distill']['balance']['done'] == STEP - 1


def test_bits_of_another_arithmetic_are_not_taken_for_those_of_the_run(config, monkeypatch):
    guarded(config, _root)
    folder = Path(config.work_dir) / f'non_finite_iter{STEP}'
    RootLoss.wrong = False  # as if the code had been mended
    replay = replay_step(folder)
    assert replay.same_terms and replay.same_gradients is False and not replay.same
    assert 'bits: NOT those of the run' in replay.report()
    weights = read_weights(folder)
    weights['student.decode_head.conv_seg.bias'][0] += 1e-3
    torch.save(weights, folder / 'weights.pth')
    assert not replay_step(folder).same_terms


def _weight(runner, batch):
    with torch.no_grad():
        runner.model.backbone.dec.dec0.block0.attn.qkv.weight[0, 0] = NAN


@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'BFloat16OptimWrapper'])
def test_a_student_alone_is_repeated_in_any_precision(tmp_path, data_root, wrapper):
    config = plain_config(data_root, tmp_path / 'run', student())
    config.train_dataloader.update(num_workers=0)
    config.optim_wrapper.type = wrapper
    folder, bits = _both(config, _weight)
    replay = _check(folder, bits)
    assert replay.first == ('backbone.dec.dec0.block0.attn.qkv', 'Linear')


def test_accumulated_gradients_are_told_apart_from_those_of_the_step(config):
    config.optim_wrapper.accumulative_counts = 4
    folder, bits = _both(config, _root)
    replay = replay_step(folder)
    assert replay.same_terms and same_bits(replay.loss, bits.loss)
    assert replay.same_gradients is None
    wrong = {name for name, value in replay.gradients.items() if not value.isfinite().all()}
    assert wrong == set(replay.kept['wrong_gradients']) and len(wrong) > 3


def test_a_scaler_that_gives_up_is_repeated_at_its_scale(tmp_path, config, monkeypatch):
    monkeypatch.setattr(hook, 'PATIENCE', 1)
    config.optim_wrapper.type = 'ScaledOptimWrapper'
    folder, bits = _both(config, _root)
    replay = _check(folder, bits)
    assert replay.kept['scaler']['scale'] == 2.0**16


def _cloud(runner, batch):
    batch['inputs']['points'][0][5, 3] = NAN  # intensity


@pytest.mark.parametrize('kind, code_size', [(pointpillars, 7), (centerpoint, 9)])
def test_a_detector_of_mmdet3d_is_repeated(tmp_path, kind, code_size):
    folder, bits = _both(detector_config(tmp_path / 'run', kind(), code_size), _cloud)
    _check(folder, bits)


@pytest.mark.parametrize('boxes', [None, dict(score_thr=0.0)])
def test_a_distilled_detector_is_repeated(tmp_path, boxes):
    teacher = pointpillars(16)
    model = dict(
        type='DistillDetector',
        student=pointpillars(),
        teacher=dict(config=teacher, checkpoint=save_checkpoint(teacher, tmp_path / 'teacher.pth')),
        terms=dict(
            kd=dict(student_tap='neck', connector=dict(type='LinearConnector'),
                    loss=dict(type='FeatureMSELoss'))
        ),
        teacher_boxes=boxes,
    )  # fmt: skip
    config = detector_config(tmp_path / 'run', model)
    config.custom_hooks = [dict(type='DistillCheckpointHook')]
    folder, bits = _both(config, _cloud)
    replay = _check(folder, bits)
    assert isnan(replay.terms['loss_kd'])

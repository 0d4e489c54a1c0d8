"""Every way that we know of in which a number is lost: found at its step, and named."""

import re

import pytest
import torch
from toy import ptv3
from toy_detectors import pointpillars
from toy_faults import NAN, STEP, detector_config, guarded
from toy_training import NUM_CLASSES, distill_config, plain_config

SCANS = r'.*/points/scene\d+_\d+\.bin'
ROOT = dict(student_tap='backbone', loss=dict(type='RootLoss'))
NONE = dict(student_tap='backbone', loss=dict(type='MeanOfNoneLoss'))


def student():
    return ptv3(16, num_classes=NUM_CLASSES, drop_path=0.3, shuffle_orders=True)


def _points(runner, batch):
    batch['inputs']['points'][1][7, 4] = NAN  # a color; such a place is refused by itself


def _class_weight(runner, batch):
    runner.model.student.decode_head.loss_decode.class_weight = [NAN] * NUM_CLASSES


def _infinite_term(runner, batch):
    runner.model.terms.kd.loss.loss_weight = float('inf')


def _teacher_weights(runner, batch):
    with torch.no_grad():
        runner.model.teacher.network.backbone.conv_input[0][0].weight[0] = NAN


def _teacher_output(runner, batch):
    head = runner.model.teacher.network.decode_head.conv_seg
    head.register_forward_hook(lambda module, inputs, output: output * float('inf'))


def _weight(runner, batch):
    with torch.no_grad():
        runner.model.student.backbone.dec.dec0.block0.attn.qkv.weight[0, 0] = NAN


def _root(runner, batch):
    runner.model.terms.root.loss.wrong = True


def _none(runner, batch):
    runner.model.terms.none.loss.wrong = True


SOURCES = dict(
    points=(_points, rf'loss_sem_seg=nan.* on {SCANS}, {SCANS}; inputs\.points of {SCANS} hold 1 '
            r'of 2,400 numbers that are not finite; it was not taken'),
    class_weight=(_class_weight, rf'finite: loss=nan, loss_sem_seg=nan on {SCANS}; the batch, the '
                  'teacher and the weights are finite, so it arises in the student or in its loss'),
    term=(_infinite_term, rf'finite: loss=inf, loss_kd=inf on {SCANS}; the batch, the teacher and'),
    teacher_weights=(_teacher_weights, 'loss_kd=nan, loss_imitate=nan.*; the teacher brought it: '
                     r'its taps backbone, decode_head.conv_seg are not finite, 1 of its weights '
                     r'are not \(backbone.conv_input.0.0.weight\)'),
    teacher_output=(_teacher_output, rf'finite: loss=nan, loss_kd=nan on {SCANS}; the teacher '
                    'brought it: its taps decode_head.conv_seg are not finite, its weights are;'),
    weight=(_weight, r'loss_sem_seg=nan.*; 1 weights of the student were not finite before the '
            r'step \(student.backbone.dec.dec0.block0.attn.qkv.weight\), at a learning rate of'),
    gradient=(_root, r'finite: every term is a number, the gradients of \d+ parameters are not '
              rf'\(student.backbone\S+, .*\), on {SCANS}; the batch, the teacher and'),
    no_points=(_none, rf'finite: loss=nan, loss_none=nan on {SCANS}; the batch, the teacher and'),
)  # fmt: skip


TERMS = dict(gradient=dict(root=ROOT), no_points=dict(none=NONE))


@pytest.fixture
def config(tmp_path, data_root, teacher):
    config = distill_config(data_root, tmp_path / 'run', teacher, student())
    config.train_dataloader.update(num_workers=0)
    config.default_hooks.checkpoint.update(by_epoch=False, interval=1)
    return config


@pytest.mark.parametrize('source', SOURCES)
def test_what_is_not_finite_is_found_at_its_step_and_named(tmp_path, config, source):
    act, message = SOURCES[source]
    del config.model.terms.cross_sample  # the others tell more apart
    config.model.terms.update(TERMS.get(source, {}))
    said, _ = guarded(config, act)
    assert re.search(message, said), said
    assert f'iteration {STEP} (epoch 1) is not finite' in said
    assert f'the last checkpoint is {tmp_path}/run/iter_{STEP - 1}.pth' in said
    assert f'replay_step.py {tmp_path}/run/non_finite_iter{STEP} repeats it' in said
    assert not (tmp_path / f'run/iter_{STEP}.pth').exists()


def _rate(rate):
    def act(runner, batch):
        for group in runner.optim_wrapper.optimizer.param_groups:
            group['lr'] = rate

    return act


def test_a_rate_that_blows_up_is_named_in_the_next_step(tmp_path, data_root):
    config = plain_config(data_root, tmp_path / 'run', student())
    config.train_dataloader.update(num_workers=0)
    said, _ = guarded(config, _rate(1e30))
    message = (
        rf'iteration {STEP + 1} \(epoch 2\) is not finite: .*; the batch and the weights are '
        r'finite, .*\(largest weight 1\.\d+e\+30, backbone\S+; a learning rate of 1e\+30\)'
    )
    assert re.search(message, said), said


def test_weights_that_a_step_has_lost_are_not_saved(tmp_path, config):
    config.optim_wrapper.optimizer = dict(type='SGD', lr=1e-5)
    config.model.terms.kd.loss.loss_weight = 1e4
    said, _ = guarded(config, _rate(3e38))
    message = (
        rf'iteration {STEP} \(epoch 1\) is not finite: it has lost \d+ weights '
        rf'\(backbone\S+, .*\) at a learning rate of 3e\+38; they were not saved, the last '
        rf'checkpoint is {tmp_path}/run/iter_{STEP - 1}.pth'
    )
    assert re.search(message, said), said
    assert not (tmp_path / f'run/iter_{STEP}.pth').exists()


def _box(runner, batch):
    batch['data_samples'][0].gt_instances_3d.bboxes_3d.tensor[:, 6] = NAN


def test_a_box_that_is_not_finite_is_named_with_its_frame(tmp_path):
    said, _ = guarded(detector_config(tmp_path / 'run', pointpillars()), _box)
    message = (
        r'loss_bbox=nan.* on 00000\d.bin, 00000\d.bin; data_samples.gt_instances_3d.bboxes_3d of '
        r'00000\d.bin hold 3 of 21 numbers that are not finite; it was not taken'
    )
    assert re.search(message, said), said

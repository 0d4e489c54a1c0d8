"""Logged norms and cosines against backward passes of their own, in real runs."""

import copy
import json

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from toy import minkunet, ptv3
from toy_training import NUM_CLASSES, checkpoint_of, distill_config, plain_config

from projects.SRKD.engine.gradient_log_hook import GradientLogHook

TERMS = ('kd', 'imitate', 'cross_sample')


def copied(model):
    """The model without those who listen to it."""
    listening = dict(model._forward_hooks)
    model._forward_hooks.clear()
    copy_of = copy.deepcopy(model)
    model._forward_hooks.update(listening)
    return copy_of


class Reference(Hook):
    """Each loss of a step by a model and a backward pass of its own, in the same random state."""

    def __init__(self):
        self.rows = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        state, grads = torch.get_rng_state(), {}
        for name in ('task', *TERMS):
            torch.set_rng_state(state)
            model = copied(runner.model)
            losses = model.loss(**model.data_preprocessor(copy.deepcopy(data_batch), True))
            terms = {f'loss_{term}' for term in TERMS}
            keys = [f'loss_{name}']
            if name == 'task':
                keys = [key for key in losses if 'loss' in key and key not in terms]
            sum(losses[key] for key in keys).backward()
            found = [
                torch.zeros_like(each) if each.grad is None else each.grad
                for each in model.student.parameters()
            ]
            grads[name] = torch.cat([grad.flatten().double() for grad in found])
        torch.set_rng_state(state)
        row = {f'{name}_grad_norm': float(grad.norm()) for name, grad in grads.items()}
        for name in TERMS:
            cosine = torch.cosine_similarity(grads['task'], grads[name], 0)
            row[f'{name}_grad_cosine'] = float(cosine)
        self.rows.append(row)


def rows_of(work_dir):
    log = next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [row for row in map(json.loads, log) if 'loss_kd' in row]


def train(config, *hooks, interval=1):
    config.default_hooks.gradients = interval and dict(type='GradientLogHook', interval=interval)
    runner = Runner.from_cfg(config)
    for hook in hooks:
        runner.register_hook(hook, priority='LOWEST')
    runner.train()


@pytest.mark.parametrize('student', [minkunet(8, num_classes=NUM_CLASSES),
                                     ptv3(16, num_classes=NUM_CLASSES, with_cp=True)],
                         ids=['minkunet', 'ptv3'])  # fmt: skip
def test_it_logs_what_separate_backward_passes_give(tmp_path, data_root, teacher, student):
    config = distill_config(data_root, tmp_path / 'run', teacher, student, epochs=1)
    train(config, reference := Reference())
    rows = rows_of(tmp_path / 'run')
    assert len(rows) == len(reference.rows) == 3
    for row, expected in zip(rows, reference.rows):
        assert {key for key in row if '_grad_' in key} == set(expected)
        for key, value in expected.items():
            assert row[key] == pytest.approx(value, rel=1e-3, abs=1e-4), key
        assert all(abs(row[f'{name}_grad_cosine']) <= 1 + 1e-9 for name in TERMS)


def test_the_training_is_not_changed_by_a_bit(tmp_path, data_root, teacher):
    student = ptv3(16, num_classes=NUM_CLASSES, drop_path=0.3, shuffle_orders=True)
    for name, interval in (('with', 1), ('without', None)):
        config = distill_config(data_root, tmp_path / name, teacher, student, epochs=1)
        train(config, interval=interval)
    one, other = (checkpoint_of(tmp_path / name, 1)['state_dict'] for name in ('with', 'without'))
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    assert not any('_grad_' in key for row in rows_of(tmp_path / 'without') for key in row)


def test_it_measures_every_nth_step_in_which_terms_act(tmp_path, data_root, teacher, monkeypatch):
    seen = []
    monkeypatch.setattr(
        'projects.SRKD.engine.gradient_log_hook.gradient_norm', lambda found: seen.append(0) or 0.0
    )
    config = distill_config(data_root, tmp_path / 'run', teacher)
    config.custom_hooks.append(dict(type='DistillScheduleHook', end_epoch=1))
    train(config, interval=2)  # steps 0, 2 of the first epoch; 4 of the second, without terms
    assert len(seen) == 2 * (1 + len(TERMS))
    cosines = [row['kd_grad_cosine'] for row in rows_of(tmp_path / 'run')]
    assert set(cosines) == {0.0}  # no gradient, no direction


def test_bfloat16_is_measured_outside_of_autocast(tmp_path, data_root, teacher):
    config = distill_config(data_root, tmp_path / 'run', teacher, epochs=1)
    config.optim_wrapper = dict(
        type='BFloat16OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3), accumulative_counts=2
    )
    train(config)
    for row in rows_of(tmp_path / 'run'):
        assert row['task_grad_norm'] > 0 and abs(row['kd_grad_cosine']) <= 1 + 1e-9


def test_what_cannot_be_logged_is_refused(tmp_path, data_root):
    with pytest.raises(ValueError, match='must be at least 1 step, but got 0'):
        GradientLogHook(interval=0)
    config = plain_config(data_root, tmp_path / 'run', minkunet(8, num_classes=NUM_CLASSES))
    with pytest.raises(TypeError, match='of GradientLogHook must distill .* but got MinkUNet'):
        train(config)

"""mmengine's EMAHook beside a teacher: what is averaged, saved, validated and resumed."""

import pytest
import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint as load
from toy import build, minkunet
from toy_training import NUM_CLASSES, checkpoint_of, distill_config, plain_config

MOMENTUM = 0.1
STUDENT = minkunet(8, num_classes=NUM_CLASSES)


class Watch(Hook):
    """The student after each step, and what validation runs on."""

    priority = 'VERY_LOW'  # behind EMAHook's exchange

    def __init__(self):
        self.steps, self.validated = [], None

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps.append({key: v.clone() for key, v in runner.model.state_dict().items()})

    def before_val_epoch(self, runner):
        self.validated = {key: v.clone() for key, v in runner.model.state_dict().items()}

    def after_val_epoch(self, runner, metrics=None):
        self.scores = metrics


def train(config, **changes):
    config.default_hooks.ema = dict(type='EMAHook', momentum=MOMENTUM, strict_load=True)
    config.default_hooks.checkpoint.update(by_epoch=False, interval=2)
    config.update(changes)
    runner = Runner.from_cfg(config)
    runner.register_hook(watch := Watch())
    runner.train()
    return runner, watch


def equal(one, other):
    return set(one) == set(other) and all(torch.equal(one[key], other[key]) for key in one)


def test_the_average_is_the_student_s_and_is_what_is_validated_and_saved(
    tmp_path, data_root, teacher
):
    config = distill_config(data_root, tmp_path / 'run', teacher, STUDENT)
    runner, watch = train(config)
    checkpoint = load(f'{tmp_path}/run/iter_6.pth')
    student = build(STUDENT)
    student.load_state_dict(checkpoint['state_dict'], strict=True)

    averaged = dict(watch.steps[0])
    for step in watch.steps[1:]:
        for key in dict(student.named_parameters()):
            averaged[key] = (1 - MOMENTUM) * averaged[key] + MOMENTUM * step[key]
    for key in dict(student.named_parameters()):
        torch.testing.assert_close(checkpoint['state_dict'][key], averaged[key])
        assert torch.equal(checkpoint['ema_state_dict'][f'module.{key}'], watch.steps[-1][key])
    assert equal(watch.validated, checkpoint['state_dict'])
    assert equal(runner.model.state_dict(), watch.steps[-1])  # exchanged back

    hook = next(hook for hook in runner.hooks if isinstance(hook, EMAHook))
    # the copy has the connectors, too, which no checkpoint of it and no validation reads
    copied = {name.split('.')[0] for name, _ in hook.ema_model.module.named_parameters()}
    assert copied == {'student', 'terms'}
    assert hook.ema_model.module.teacher is runner.model.teacher  # one, not two in memory


def test_the_plain_config_tests_the_average(tmp_path, data_root, teacher):
    _, watch = train(distill_config(data_root, tmp_path / 'run', teacher, STUDENT))
    plain = plain_config(data_root, tmp_path / 'test', STUDENT)
    plain.load_from = f'{tmp_path}/run/iter_6.pth'
    assert Runner.from_cfg(plain).test() == pytest.approx(watch.scores, nan_ok=True)


@pytest.mark.parametrize('taught', [True, False])
def test_a_resume_changes_no_bit(tmp_path, data_root, teacher, taught):
    def new(name):
        if taught:
            return distill_config(data_root, tmp_path / name, teacher, STUDENT)
        return plain_config(data_root, tmp_path / name, STUDENT)

    _, whole = train(new('whole'))
    for first in (2, 4):
        source = f'{tmp_path}/whole/iter_{first}.pth'
        _, rest = train(new(f'rest{first}'), resume=True, load_from=source)
        assert equal(rest.steps[-1], whole.steps[-1])
        assert equal(rest.validated, whole.validated)
        one, other = (load(f'{tmp_path}/{name}/iter_6.pth') for name in ('whole', f'rest{first}'))
        for key in ('state_dict', 'ema_state_dict'):
            assert equal(one[key], other[key])
        if taught:
            assert equal(one['distill']['connectors'], other['distill']['connectors'])


def test_a_run_without_an_average_goes_on_with_one(tmp_path, data_root, teacher):
    config = distill_config(data_root, tmp_path / 'first', teacher, STUDENT, epochs=1)
    Runner.from_cfg(config).train()
    before = checkpoint_of(tmp_path / 'first', 1)['state_dict']
    config = distill_config(data_root, tmp_path / 'second', teacher, STUDENT, epochs=2)
    config.optim_wrapper.optimizer.lr = 0.0
    config.load_from = f'{tmp_path}/first/epoch_1.pth'
    _, watch = train(config)
    for key in dict(build(STUDENT).named_parameters()):
        torch.testing.assert_close(watch.validated[key], before[key])

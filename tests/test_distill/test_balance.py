"""Weights against gradients of separate backward passes, and on real runs."""

import copy
import os
import sys

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint as load
from processes import run
from toy import IMITATE, KD, batch, build, minkunet, ptv3, save_checkpoint
from toy_detectors import pointpillars, scenes
from toy_training import NUM_CLASSES, REPO, distill_config, losses_of

from projects.SRKD.distill import FirstStepsBalance
from projects.SRKD.distill.balance import build_balance
from projects.SRKD.ops import gradient_norm, gradients
from projects.SRKD.preflight.arguments import check_arguments

FIRST = dict(type='FirstStepsBalance', steps=2)


def model_of(teacher, balance, student=None):
    torch.manual_seed(0)
    terms = dict(kd=KD, imitate=IMITATE)
    student = student or minkunet(8, num_classes=NUM_CLASSES)
    return build(
        dict(type='DistillSegmentor', student=student, teacher=teacher, terms=terms,
             balance=balance)
    ).train()  # fmt: skip


def scans(model, seed):
    data = batch(seed=seed, num_classes=NUM_CLASSES)
    return model.data_preprocessor(copy.deepcopy(data), True)


def norms(teacher, student, data):
    """Norms of the unweighted terms and of the task, each on a model of its own."""
    found = {}
    for name, weight in (('kd', 0.3), ('imitate', 0.1), ('task', 1.0)):
        model = model_of(teacher, None, student)
        losses = model.loss(**copy.deepcopy(data))
        terms = {'loss_kd', 'loss_imitate'}
        names = [f'loss_{name}']
        if name == 'task':
            names = [key for key in losses if 'loss' in key and key not in terms]
        (sum(losses[key] for key in names) / weight).backward()
        grads = [p.grad.double() for p in model.student.parameters() if p.grad is not None]
        found[name] = float(sum(grad.square().sum() for grad in grads) ** 0.5)
    return found


@pytest.mark.parametrize(
    'share, expected',
    [
        (None, dict(kd=0.3, imitate=0.1)),  # loss_weight is a share
        (0.5, dict(kd=0.5, imitate=0.5)),
        (dict(kd=2), dict(kd=2, imitate=0.1)),
    ],
)
@pytest.mark.parametrize('student', [None, ptv3(16, num_classes=NUM_CLASSES, with_cp=True)])
def test_every_term_pulls_with_its_share_of_the_task(teacher, share, expected, student):
    model = model_of(teacher, dict(FIRST, share=share), student)
    data = [scans(model, seed) for seed in (0, 1)]
    seen = [norms(teacher, student, one) for one in data]
    for step in (1, 2):
        losses = model.loss(**copy.deepcopy(data[step - 1]))
        mean = {name: sum(one[name] for one in seen[:step]) for name in seen[0]}
        for name, one in expected.items():
            weight = one * mean['task'] / mean[name]
            assert losses[f'{name}_weight'].item() == pytest.approx(weight, rel=1e-4)
            plain = model_of(teacher, None, student).loss(**copy.deepcopy(data[step - 1]))
            written = dict(kd=0.3, imitate=0.1)[name]
            value = plain[f'loss_{name}'].item() / written * weight
            assert losses[f'loss_{name}'].item() == pytest.approx(value, rel=1e-4)
        assert all(p.grad is None for p in model.parameters())
    assert model.balance.settled
    before = model.balance.weights
    model.loss(**scans(model, 2))
    assert model.balance.weights == before


def test_nothing_is_measured_without_gradient_or_in_eval(teacher):
    model = model_of(teacher, FIRST)
    with torch.no_grad():
        model.loss(**scans(model, 0))
    model.eval().loss(**scans(model, 0))
    assert model.balance.state_dict() == dict(steps=2, done=0, task=0, terms=dict(kd=0, imitate=0))
    assert model.balance.weights == pytest.approx(dict(kd=0.3, imitate=0.1))


def test_a_term_without_a_gradient_is_named(teacher):
    model = model_of(teacher, dict(FIRST, steps=1))
    one = torch.ones(1, requires_grad=True)
    linear = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"but that of term 'imitate' was 0 in the first 1 steps"):
        out = linear(one).sum()
        model.balance.measure(out, dict(kd=2 * out, imitate=out * 0), linear)


def test_a_step_that_is_not_finite_does_not_count():
    linear = torch.nn.Linear(1, 1)
    balance = FirstStepsBalance(steps=1)
    balance.read(dict(kd=_Term()))
    out = linear(torch.ones(1)).sum()
    balance.measure(out, dict(kd=out * float('nan')), linear)
    assert not balance.settled
    balance.measure(out, dict(kd=out * 4), linear)
    assert balance.settled and balance.weights['kd'] == pytest.approx(0.5 * 0.5 / 4)


class _Term(torch.nn.Module):
    def __init__(self, weight=0.5):
        super().__init__()
        self.loss = torch.nn.Identity()
        self.loss.loss_weight = weight


def test_a_resumed_run_and_the_config_that_is_written(tmp_path, data_root, teacher):
    def train(name, resume_from=None, steps=3):
        config = distill_config(data_root, tmp_path / name, teacher)
        config.model.balance = dict(FIRST, steps=steps)
        config.default_hooks.checkpoint.update(by_epoch=False, interval=1)
        config.update(resume=resume_from is not None, load_from=resume_from)
        Runner.from_cfg(config).train()
        return load(f'{tmp_path}/{name}/iter_6.pth')

    whole = train('whole')
    rows = losses_of(tmp_path / 'whole')
    weights = [row['kd_weight'] for row in rows]
    assert len(set(weights[:3])) == 3 and len(set(weights[2:])) == 1
    for first in (2, 4):  # while it measures, and afterwards
        rest = train(f'rest{first}', f'{tmp_path}/whole/iter_{first}.pth')
        assert rest['distill']['balance'] == whole['distill']['balance']
        one, other = whole['state_dict'], rest['state_dict']
        assert all(torch.equal(one[key], other[key]) for key in one)
        assert (tmp_path / f'rest{first}/balanced.py').exists() == (first == 2)

    fixed = Config.fromfile(tmp_path / 'whole/balanced.py')
    assert fixed.model.balance is None
    assert fixed.model.terms.kd.loss.loss_weight == pytest.approx(weights[-1], rel=1e-6)
    assert fixed.model.terms.kd.student_tap == KD['student_tap']
    resumed = Config.fromfile(tmp_path / 'rest2/balanced.py')
    assert resumed.model == fixed.model and resumed.load_from is None and not resumed.resume
    fixed.work_dir, fixed.experiment_name = str(tmp_path / 'fixed'), f'fixed-{tmp_path.name}'
    Runner.from_cfg(fixed).train()
    repeated = losses_of(tmp_path / 'fixed')
    assert len(repeated) == 6 and 'kd_weight' not in repeated[0]

    with pytest.raises(ValueError, match=r'terms and steps .* 1\) where the checkpoint has .* 3\)'):
        train('changed', f'{tmp_path}/whole/iter_4.pth', steps=1)
    config = distill_config(data_root, tmp_path / 'without', teacher)
    config.update(resume=True, load_from=f'{tmp_path}/whole/iter_4.pth')
    with pytest.raises(ValueError, match='got none where the checkpoint has one: resume with'):
        Runner.from_cfg(config).train()


def test_two_processes_agree(tmp_path, data_root, teacher):
    config = distill_config(data_root, tmp_path / 'run', teacher, epochs=1)
    config.model.terms.pop('cross_sample')  # zero with one scan per process
    config.model.balance = dict(FIRST)
    config.custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)
    config.train_dataloader.batch_size = 1
    config.dump(str(tmp_path / 'config.py'))
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', '--master_port=0',
        '--standalone', str(REPO / 'tools/train.py'), str(tmp_path / 'config.py'),
        '--launcher', 'pytorch',
    ]  # fmt: skip
    done = run(command, cwd=tmp_path, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    assert done.returncode == 0, done.stderr[-3000:]
    rows = losses_of(tmp_path / 'run')
    assert rows[0]['kd_weight'] != rows[1]['kd_weight'] == rows[2]['kd_weight']


@pytest.mark.parametrize(
    'balance, message',
    [
        ('first', "must be 'first_steps', a dict or None, but got 'first', nearest"),
        (dict(FIRST, steps=0), 'steps must be an integer of at least 1, but got 0'),
        (dict(FIRST, share=dict(kb=1)), "must name terms, but got 'kb', nearest: kd"),
        (dict(FIRST, share=-1), "share of term 'kd' must be a positive number, but got -1"),
        (dict(FIRST, share=dict(kd='1')), "term 'kd' must be a positive number, but got '1'"),
    ],
)
def test_what_cannot_be_is_refused(balance, message):
    with pytest.raises(ValueError, match=message):
        build_balance(balance, dict(kd=_Term()))


@pytest.mark.parametrize('weight', [0, None])
def test_a_term_without_a_weight_is_refused(weight):
    with pytest.raises(ValueError, match=rf'must be above 0 for a balance, but got {weight}'):
        build_balance('first_steps', dict(kd=_Term(weight)))


def test_the_name_alone_stands_for_the_defaults():
    assert build_balance(None, {}) is None
    assert build_balance('first_steps', dict(kd=_Term())).steps == 20


def test_a_detector_is_balanced_on_its_task_losses(tmp_path):
    torch.manual_seed(0)
    teacher = dict(
        config=pointpillars(16), checkpoint=save_checkpoint(pointpillars(16), tmp_path / 't.pth')
    )
    terms = dict(
        logits=dict(student_tap='bbox_head.conv_cls', loss=dict(type='FeatureMSELoss')),
        map=dict(IMITATE, student_tap='backbone.blocks.0'),
    )
    model = build(
        dict(type='DistillDetector', student=pointpillars(8), teacher=teacher, terms=terms,
             balance=dict(type='FirstStepsBalance', steps=1, share=0.5))
    ).train()  # fmt: skip
    data = model.data_preprocessor(scenes(), training=True)
    losses = model.loss(**data)
    parameters = [each for each in model.student.parameters() if each.requires_grad]
    own = {key: value for key, value in losses.items() if key not in ('loss_logits', 'loss_map')}
    task = gradient_norm(gradients(model.parse_losses(own)[0], parameters))
    for name in terms:
        norm = gradient_norm(gradients(losses[f'loss_{name}'], parameters))
        assert norm == pytest.approx(0.5 * task, rel=1e-4)


def test_a_misspelled_balance_is_refused_before_a_run_with_the_nearest_name(tmp_path, teacher):
    config = distill_config(tmp_path, tmp_path, teacher)
    config.model.balance = dict(type='FirstStepBalance')
    with pytest.raises(ValueError, match='model.balance.type: .* nearest: FirstStepsBalance'):
        check_arguments(config)
    config.model.balance = dict(type='FirstStepsBalance', stepz=3)
    with pytest.raises(ValueError, match="has no argument 'stepz', nearest: steps"):
        check_arguments(config)

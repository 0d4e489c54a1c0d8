import functools
import importlib
import importlib.util
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from projects.SRKD.losses import cross_sample_kl

# The package exports the function under the module's name.
module = importlib.import_module('projects.SRKD.losses.srkd.cross_sample_kl')


def log_softmax(logits):
    peak = max(x.item() for x in logits)
    total = sum((x - peak).exp() for x in logits).log() + peak
    return [x - total for x in logits]


def reference(student, teacher, batch, temperature=2.0, pairs='upper'):
    """The definition, row by row in float64."""
    student, teacher = student.double(), teacher.double()
    rows = {b: [i for i, own in enumerate(batch.tolist()) if own == b] for b in batch.tolist()}
    rows.pop(-1, None)
    keep = {'upper': lambda a, b: a < b, 'off_diagonal': lambda a, b: a != b, 'all': lambda *_: 1}
    chosen = [(a, b) for a in rows for b in rows if keep[pairs](a, b)]
    total = student.sum() * 0
    for a, b in chosen:
        for i in rows[a]:
            log_p = log_softmax([teacher[i] @ teacher[j] / temperature for j in rows[b]])
            log_q = log_softmax([student[i] @ student[j] / temperature for j in rows[b]])
            row = sum(x.exp() * (x - y) for x, y in zip(log_p, log_q))
            total = total + row / len(rows[a])
    return total / max(len(chosen), 1)


def value_and_grad(function, student, *args):
    student = student.clone().requires_grad_()
    value = function(student, *args)
    (grad,) = torch.autograd.grad(value, student)
    return value.detach(), grad


def make(batch, width_s=4, width_t=6, seed=0):
    gen = torch.Generator().manual_seed(seed)
    rows = len(batch)
    student = torch.randn(rows, width_s, generator=gen, dtype=torch.float64)
    return student, torch.randn(rows, width_t, generator=gen, dtype=torch.float64)


BATCHES = {
    'ragged, any order, a gap': torch.tensor([4, 0, 1, 1, 0, 4, 4, 1, 0, 1, 4, 1]),
    'a sample of one point': torch.tensor([0, 1, 1, 1]),
    'rows left out': torch.tensor([0, -1, 1, 1, -1, 0]),
    'one sample': torch.tensor([3, 3, 3]),
    'one point': torch.tensor([0]),
    'nothing': torch.zeros(0, dtype=torch.int64),
}


@pytest.mark.parametrize('pairs', ['upper', 'off_diagonal', 'all'])
@pytest.mark.parametrize('name', BATCHES)
@pytest.mark.parametrize('block', [4, 1 << 18])
def test_value_and_gradient_equal_the_loop(monkeypatch, name, pairs, block):
    monkeypatch.setattr(module, 'MAX_BLOCK_ENTRIES', block)
    batch = BATCHES[name]
    student, teacher = make(batch)
    value, grad = value_and_grad(cross_sample_kl, student, teacher, batch, 0.7, pairs)
    expected, expected_grad = value_and_grad(reference, student, teacher, batch, 0.7, pairs)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grad, expected_grad)


def test_long_features_take_the_form_that_cannot_overflow():
    batch = BATCHES['ragged, any order, a gap']
    student, teacher = make(batch)
    student, teacher = 20 * student, 20 * teacher
    value, grad = value_and_grad(cross_sample_kl, student, teacher, batch)
    expected, expected_grad = value_and_grad(reference, student, teacher, batch)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grad, expected_grad)
    huge = cross_sample_kl(1e3 * student.float(), 1e3 * teacher.float(), batch)
    assert math.isfinite(huge.item())


@pytest.mark.parametrize('scale', [1.0, 20.0])
@pytest.mark.parametrize('direction', ['teacher_student', 'student_teacher'])
def test_both_directions_and_both_forms_pass_gradcheck(direction, scale):
    batch = torch.tensor([0, 1, 1, 2, 0])
    student, teacher = make(batch)
    function, teacher = _directed(direction), scale * teacher
    student = (scale * student).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: function(s, teacher, batch), student, atol=1e-6)


def _directed(direction):
    return lambda s, t, batch: cross_sample_kl(s, t, batch, 1.5, 'upper', direction)


@pytest.mark.parametrize('scale', [1.0, 20.0])
def test_the_student_first_order_equals_its_definition(scale):
    batch = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    student, teacher = (scale * feat for feat in make(batch))
    own, taught = ((f[:3] @ f[3:].T / 1.5).log_softmax(dim=1) for f in (student, teacher))
    expected = (own.exp() * (own - taught)).sum(dim=1).mean()
    value = _directed('student_teacher')(student, teacher, batch)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(('gap', 'rtol'), [(1.0, 1e-6), (1e-2, 2e-5), (1e-4, 1e-3)])
def test_float32_keeps_tiny_values(gap, rtol):
    batch = torch.arange(3).repeat_interleave(100)
    teacher, noise = make(batch, 16, 16)
    student = torch.nn.functional.normalize(teacher + gap * noise).float()
    teacher = torch.nn.functional.normalize(teacher).float()
    value, grad = value_and_grad(cross_sample_kl, student, teacher, batch)
    expected, expected_grad = value_and_grad(
        cross_sample_kl, student.double(), teacher.double(), batch
    )
    torch.testing.assert_close(value.double(), expected, rtol=rtol, atol=0)
    assert (grad.double() - expected_grad).norm() < rtol * expected_grad.norm()


@pytest.mark.parametrize('direction', ['teacher_student', 'student_teacher'])
def test_float32_keeps_tiny_values_of_long_features(direction):
    batch = torch.arange(2).repeat_interleave(300)
    teacher, noise = (feat.float() for feat in make(batch, 32, 32))
    student = 1.3 * (teacher + 1e-5 * noise)
    teacher = 1.3 * teacher
    assert teacher.square().sum(1).max() > 2 * module.SAFE_EXPONENT
    value = _directed(direction)(student, teacher, batch)
    expected = _directed(direction)(student.double(), teacher.double(), batch)
    assert expected < 1e-8
    torch.testing.assert_close(value.double(), expected, rtol=5e-3, atol=0)


def test_float32_holds_up_to_the_bound_of_the_precise_form(monkeypatch):
    # Logits of 16 and -16 that teacher and student rank in opposite order: d reaches 64.
    batch = torch.tensor([0] * 4 + [1] * 9)
    sign = torch.tensor([1.0, -1, 1, -1, 1, 1, 1, 1, 1, 1, 1, 1, -1])
    student, teacher = (torch.stack([4 * sign, 0.1 * sign.cumsum(0) / 13], dim=1) for _ in 'st')
    student[4:] *= -1
    args = teacher, batch, 1.01
    monkeypatch.setattr(module, '_forward_kl', functools.partial(_only_precise, module._forward_kl))
    value, grad = value_and_grad(cross_sample_kl, student, *args)
    expected, expected_grad = value_and_grad(reference, student.double(), *args)
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(grad.double(), expected_grad, rtol=1e-5, atol=1e-6)


def _only_precise(divergence, own, taught, spare, precise):
    assert precise
    return divergence(own, taught, spare, precise)


def test_only_blocks_are_held():
    class Largest(TorchDispatchMode):
        numel = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for each in out if isinstance(out, tuple | list) else [out]:
                if isinstance(each, torch.Tensor):
                    self.numel = max(self.numel, each.numel())
            return out

    batch = torch.arange(2).repeat_interleave(4000)
    student, teacher = (feat.float() / 4 for feat in make(batch, 8, 8))
    student.requires_grad_()
    with Largest() as largest:
        cross_sample_kl(student, teacher, batch).backward()
    assert 4000 * 30 < largest.numel <= 1 << 17  # the pair's matrix would be 16 million


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(temperature=0.0), 'temperature must be positive and finite, but got 0.0'),
        (dict(temperature=-1.0), 'temperature must be positive and finite, but got -1.0'),
        (dict(pairs='uper'), "pairs must be one of .* but got 'uper', nearest: 'upper'"),
        (dict(backend='trition'), "backend must be one of .* nearest: 'triton'"),
        (dict(batch=torch.zeros(4)), 'batch must hold integer ids'),
        (dict(batch=torch.zeros(5).long()), r'batch must have shape \(4,\)'),
    ],
)
def test_bad_arguments_are_refused(change, message):
    arguments = dict(student=torch.zeros(4, 2), teacher=torch.zeros(4, 3))
    arguments['batch'] = torch.tensor([0, 0, 1, 1])
    with pytest.raises(ValueError, match=message):
        cross_sample_kl(**{**arguments, **change})


@pytest.mark.parametrize(
    ('direction', 'dtype', 'message'),
    [
        ('student_teacher', torch.float32, 'knows no direction but teacher_student, and this is'),
        ('teacher_student', torch.float64, 'takes features up to float32, but these are .*float64'),
        ('teacher_student', torch.bfloat16, 'needs the package triton, which is not installed'),
    ],
)
def test_where_the_kernel_cannot_run_it_is_refused(monkeypatch, direction, dtype, message):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    feat, batch = torch.zeros(4, 2, dtype=dtype), torch.tensor([0, 0, 1, 1])
    with pytest.raises(ValueError, match=f"backend 'triton' {message}.*; use 'torch'"):
        cross_sample_kl(feat, feat, batch, 2.0, 'upper', direction, backend='triton')

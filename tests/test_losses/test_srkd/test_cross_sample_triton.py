"""The fused kernels in Triton's interpreter, which takes CPU tensors, in a process of its own.

Triton reads ``TRITON_INTERPRET`` when kernels are defined. Without it, this file runs itself again.
"""

import importlib
import math
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from processes import run
from torch.utils._python_dispatch import TorchDispatchMode

from projects.SRKD.losses import CrossSampleAffinityLoss, cross_sample_kl

pytest.importorskip('triton')
module = importlib.import_module('projects.SRKD.losses.srkd.cross_sample_kl')
fused = importlib.import_module('projects.SRKD.losses.srkd.cross_sample_triton')
interpreted = pytest.mark.skipif(not fused.INTERPRETED, reason='runs in the interpreter')
compiled = pytest.mark.skipif(fused.INTERPRETED, reason='runs without the interpreter')


@compiled
def test_everything_below_passes_in_the_interpreter():
    result = run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', __file__],
        cwd=Path(__file__).parents[3],
        env=os.environ | dict(TRITON_INTERPRET='1'),
    )
    assert result.returncode == 0, result.stdout
    assert ' passed' in result.stdout and ' failed' not in result.stdout


@compiled
def test_a_cpu_without_the_interpreter_is_refused():
    feat = torch.zeros(4, 2)
    with pytest.raises(ValueError, match='needs a GPU or TRITON_INTERPRET=1, but .* on cpu; use'):
        cross_sample_kl(feat, feat, torch.tensor([0, 0, 1, 1]), backend='triton')


def definition(student, teacher, batch, temperature, pairs):
    """Plainly, in float64: whole matrices, autograd."""
    student, teacher, ids = student.double(), teacher.double(), sorted({*batch.tolist()} - {-1})
    keep = {'upper': lambda a, b: a < b, 'off_diagonal': lambda a, b: a != b, 'all': lambda *_: 1}
    losses = []
    for a, b in [(a, b) for a in ids for b in ids if keep[pairs](a, b)]:
        log_q, log_p = (
            F.log_softmax(feat[batch == a] @ feat[batch == b].T / temperature, dim=1)
            for feat in (student, teacher)
        )
        losses.append(F.kl_div(log_q, log_p, reduction='batchmean', log_target=True))
    return sum(losses) / len(losses)


def value_and_grad(function, student, *args, **kwargs):
    student = student.clone().requires_grad_()
    value = function(student, *args, **kwargs)
    (grad,) = torch.autograd.grad(value, student)
    return value.detach().double(), grad.double()


def make(counts, width_s, width_t, seed=0, gap=None):
    """Unit features in any order of samples; the student at ``gap`` from the teacher if given."""
    gen = torch.Generator().manual_seed(seed)
    batch = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    batch = batch[torch.randperm(len(batch), generator=gen)]
    teacher = torch.randn(len(batch), width_t, generator=gen)
    student = torch.randn(len(batch), width_s, generator=gen)
    student = student if gap is None else teacher + gap * student
    return F.normalize(student), F.normalize(teacher), batch


def check(student, teacher, batch, temperature, pairs, rtol):
    args = teacher, batch, temperature, pairs
    value, grad = value_and_grad(cross_sample_kl, student, *args, backend='triton')
    expected, expected_grad = value_and_grad(definition, student.double(), *args)
    torch.testing.assert_close(value, expected, rtol=rtol, atol=0)
    assert (grad - expected_grad).norm() <= rtol * expected_grad.norm()


@interpreted
@pytest.mark.parametrize('pairs', ['upper', 'off_diagonal', 'all'])
@pytest.mark.parametrize(
    ('counts', 'width_s', 'width_t', 'temperature'),
    [([80, 33, 75], 16, 48, 0.1), ([1, 77, 64], 20, 7, 2.0), ([5, 3], 1, 1, 0.7)],
)
def test_value_and_gradient_equal_the_definition(counts, width_s, width_t, temperature, pairs):
    student, teacher, batch = make(counts, width_s, width_t)
    batch[(torch.arange(len(batch)) % 7 == 3) & (batch > 0)] = -1  # rows left out
    check(student, teacher, batch, temperature, pairs, 2e-6)


@interpreted
def test_a_wide_student_takes_its_gradient_in_parts(monkeypatch):
    monkeypatch.setattr(fused, 'MAX_W', 16)
    check(*make([40, 70], 37, 70), 1.0, 'upper', 2e-6)


@interpreted
@pytest.mark.parametrize(('gap', 'rtol'), [(1.0, 1e-6), (1e-2, 2e-5), (1e-4, 1e-3)])
def test_tiny_values_keep_their_precision(gap, rtol):
    check(*make([100] * 3, 16, 16, gap=gap), 2.0, 'upper', rtol)


@interpreted
def test_partners_whose_differences_lie_far_apart_are_merged_precisely():
    # Blocks of 64 partners: student and teacher differ by 4 and by -4, and little within each.
    base, _, _ = make([130], 4, 4)
    sign = torch.where(torch.arange(128) < 64, 1.0, -1.0)[:, None]
    rows = torch.cat([torch.ones(2, 1), sign]) * 2
    student = torch.cat([rows, base * 1e-2], dim=1)
    teacher = torch.cat([torch.zeros(130, 1), base], dim=1)
    batch = (torch.arange(130) >= 2).long()
    check(student, teacher, batch, 1.0, 'upper', 2e-6)


@interpreted
def test_half_precision_a_factor_and_a_second_backward():
    student, teacher, batch = make([20, 30], 8, 8)
    student = student.bfloat16().requires_grad_()
    loss = cross_sample_kl(student, teacher, batch, backend='triton')
    _, expected = value_and_grad(
        definition, student.detach().double(), teacher, batch, 2.0, 'upper'
    )
    first, second = (
        torch.autograd.grad(3 * loss, student, retain_graph=keep)[0] for keep in (True, False)
    )
    assert first.dtype == torch.bfloat16 and torch.equal(first, second)
    torch.testing.assert_close(first.double(), 3 * expected, rtol=1e-2, atol=1e-6)


@interpreted
def test_a_result_repeats_bit_by_bit_and_needs_no_gradient():
    student, teacher, batch = make([50, 70], 8, 12)
    args = teacher, batch
    runs = [value_and_grad(cross_sample_kl, student, *args, backend='triton') for _ in range(2)]
    assert runs[0][0] == runs[1][0] and torch.equal(runs[0][1], runs[1][1])
    alone = cross_sample_kl(student, *args, backend='triton')
    assert alone == runs[0][0] and not alone.requires_grad


@interpreted
def test_no_matrix_of_a_pair_is_held():
    class Largest(TorchDispatchMode):
        nbytes = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for each in out if isinstance(out, tuple | list) else [out]:
                if isinstance(each, torch.Tensor):
                    self.nbytes = max(self.nbytes, each.nbytes)
            return out

    student, teacher, batch = make([200, 200], 8, 8)
    with Largest() as largest:
        cross_sample_kl(student.requires_grad_(), teacher, batch, backend='triton').backward()
    assert largest.nbytes == student.nbytes  # a pair's matrix would be twelve times that


@interpreted
def test_long_features_go_to_torch(monkeypatch):
    monkeypatch.setattr(fused, 'fused_sweep', None)  # calling it would raise
    student, teacher, batch = make([20, 30], 8, 8)
    args = 20 * student, 20 * teacher, batch
    assert cross_sample_kl(*args, backend='triton') == cross_sample_kl(*args, backend='torch')


@interpreted
def test_the_kernels_are_compared_with_torch_before_they_are_taken(monkeypatch):
    check_agreement, right = fused.check_agreement.__wrapped__, fused.fused_sweep
    args = module._precise_sweep, torch.device('cpu'), 8, 12
    check_agreement(*args)
    monkeypatch.setattr(fused, 'fused_sweep', lambda *a: [1.001 * out for out in right(*a)])
    with pytest.raises(RuntimeError, match='off by 1e-03 on cpu with 8 and 12 channels, expected'):
        check_agreement(*args)
    monkeypatch.setattr(fused, 'fused_sweep', lambda *a: (right(*a)[0], math.nan * right(*a)[1]))
    with pytest.raises(RuntimeError, match='off by nan'):
        check_agreement(*args)


@interpreted
def test_the_loss_of_a_term_takes_them():
    student, teacher, batch = make([20, 30], 8, 12)
    values = []
    for backend in ('torch', 'triton'):
        torch.manual_seed(0)
        values.append(CrossSampleAffinityLoss(backend=backend)(student, teacher, batch))
    torch.testing.assert_close(*values, rtol=1e-5, atol=0)


def test_a_gpu_takes_them_where_they_agree(monkeypatch):
    asked = []
    monkeypatch.setattr(fused, 'check_agreement', lambda *args: asked.append(args[1:]))
    feat = SimpleNamespace(is_cuda=True, dtype=torch.float32, device='cuda:1', shape=(9, 4))
    kernel = module._fused_kernel(feat, 6, 'triton')
    assert kernel is fused.fused_sweep and asked == [('cuda:1', 4, 6)]
    assert module._fused_kernel(feat, 6, 'torch') is None

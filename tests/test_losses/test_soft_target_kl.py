import pytest
import torch

from projects.SRKD.losses import SoftTargetKLLoss, soft_target_kl


def reference(student, teacher, temperature=1.0):
    """The definition, point by point in float64."""
    total = student.double().sum() * 0
    for own, taught in zip(student.double(), teacher.double()):
        own, taught = own / temperature, taught / temperature
        log_q = own - own.exp().sum().log()
        log_p = taught - taught.exp().sum().log()
        total = total + sum(p.exp() * (p - q) for p, q in zip(log_p, log_q))
    return temperature**2 * total / max(len(student), 1)


def make(rows, classes=5, seed=0):
    gen = torch.Generator().manual_seed(seed)
    student = torch.randn(rows, classes, generator=gen, dtype=torch.float64)
    return student.requires_grad_(), torch.randn(rows, classes, generator=gen, dtype=torch.float64)


@pytest.mark.parametrize('rows', [0, 1, 7])
@pytest.mark.parametrize('temperature', [0.5, 1.0, 4.0])
def test_value_and_gradient_equal_the_loop(rows, temperature):
    student, teacher = make(rows)
    value, expected = (f(student, teacher, temperature) for f in (soft_target_kl, reference))
    torch.testing.assert_close(value, expected)
    gradients = [torch.autograd.grad(each, student)[0] for each in (value, expected)]
    torch.testing.assert_close(*gradients)


def test_gradient_passes_gradcheck():
    student, teacher = make(4)
    assert torch.autograd.gradcheck(lambda s: soft_target_kl(s, teacher, 2.0), student)


def test_gradient_size_does_not_fall_with_temperature():
    student, teacher = make(50)
    sizes = [
        torch.autograd.grad(soft_target_kl(student, teacher, t), student)[0].norm()
        for t in (8.0, 16.0)
    ]
    torch.testing.assert_close(*sizes, rtol=0.1, atol=0)


def test_directions_swap_the_roles():
    student, teacher = make(6)
    reverse = SoftTargetKLLoss(2.0, direction='student_teacher')(student, teacher)
    torch.testing.assert_close(reverse, reference(teacher, student, 2.0))
    assert torch.autograd.grad(reverse, student)[0].abs().sum() > 0


def test_t2_scale_can_be_left_out():
    student, teacher = make(6)
    plain = SoftTargetKLLoss(3.0, t2_scale=False)(student, teacher)
    torch.testing.assert_close(9 * plain, soft_target_kl(student, teacher, 3.0))


def test_ignored_points_count_unless_skipped():
    student, teacher = make(6)
    label = torch.tensor([0, -1, 3, 2, -1, 1])
    every = SoftTargetKLLoss(1.0)(student, teacher, label)
    torch.testing.assert_close(every, soft_target_kl(student, teacher))
    valid = SoftTargetKLLoss(1.0, skip_ignored=True)(student, teacher, label)
    known = label >= 0
    torch.testing.assert_close(valid, soft_target_kl(student[known], teacher[known]))


@pytest.mark.parametrize('temperature', [0, -2.0, float('nan'), float('inf')])
def test_bad_temperatures_are_refused(temperature):
    message = f'temperature must be positive and finite, but got {temperature}'
    with pytest.raises(ValueError, match=message):
        soft_target_kl(*make(2), temperature)
    with pytest.raises(ValueError, match=message):
        SoftTargetKLLoss(temperature)


def test_class_counts_that_differ_are_refused():
    with pytest.raises(ValueError, match='student has 20 classes but teacher has 13'):
        soft_target_kl(torch.zeros(3, 20), torch.zeros(3, 13))


def test_unknown_directions_are_refused():
    with pytest.raises(ValueError, match="nearest: 'teacher_student'"):
        SoftTargetKLLoss(direction='teacher')


def test_features_of_wrong_rank_are_refused():
    with pytest.raises(ValueError, match=r'must be \(N, C_s\) and \(N, C_t\), but got \(3,\)'):
        soft_target_kl(torch.zeros(3), torch.zeros(3, 1))

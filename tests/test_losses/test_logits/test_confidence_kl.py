import pytest
import torch
from logits_reference import class_of, compare, divergence, make

from projects.SRKD.losses import ConfidenceKLLoss, confidence_kl, soft_target_kl


def reference(student, teacher, temperature=2.0, power=1.0):
    """The definition, point by point in float64."""
    total, weights = student.sum() * 0, 0.0
    for own, taught in zip(student, teacher):
        weight = class_of(taught)[1] ** power
        total = total + weight * divergence(taught, own, temperature)
        weights += weight
    return temperature**2 * total / (weights or 1.0)


@pytest.mark.parametrize('rows', [0, 1, 7])
@pytest.mark.parametrize('classes', [1, 5])
@pytest.mark.parametrize('power', [0.5, 1.0, 8.0])
def test_value_and_gradient_equal_the_loop(rows, classes, power):
    student, teacher, _ = make(rows, classes, spread=2.0)
    value = confidence_kl(student, teacher, 2.0, power)
    compare(value, reference(student, teacher, 2.0, power), student)


def test_gradient_passes_gradcheck():
    student, teacher, _ = make(4)
    assert torch.autograd.gradcheck(lambda s: confidence_kl(s, teacher), student)


def test_a_teacher_as_sure_of_one_point_as_of_another_teaches_plain_soft_targets():
    student, teacher, _ = make(6)
    teacher = teacher[:1].repeat(6, 1)
    torch.testing.assert_close(
        confidence_kl(student, teacher, 3.0), soft_target_kl(student, teacher, 3.0)
    )


def test_high_powers_leave_the_surest_point():
    student, _, _ = make(3)
    teacher = torch.tensor([[0.1] * 4 + [0.0], [3.0, 0, 0, 0, 0], [0.0] * 5]).double()
    surest = soft_target_kl(student[1:2], teacher[1:2], 2.0)
    torch.testing.assert_close(confidence_kl(student, teacher, 2.0, 1000.0), surest)


def test_the_module_weighs_the_function():
    student, teacher, _ = make(5)
    expected = 0.3 * confidence_kl(student, teacher, 3.0, 2.0)
    compare(ConfidenceKLLoss(3.0, 2.0, loss_weight=0.3)(student, teacher), expected, student)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(temperature=-1), 'temperature must be positive and finite, but got -1'),
        (dict(power=0), 'power must be positive, but got 0'),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ConfidenceKLLoss(**options)
    with pytest.raises(ValueError, match=message):
        confidence_kl(*make(2)[:2], **options)


def test_class_counts_that_differ_are_refused():
    with pytest.raises(ValueError, match='student has 20 classes but teacher has 13'):
        confidence_kl(torch.zeros(3, 20), torch.zeros(3, 13))

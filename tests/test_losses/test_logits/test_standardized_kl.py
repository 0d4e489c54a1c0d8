import pytest
import torch
from logits_reference import compare, divergence, make

from projects.SRKD.losses import StandardizedKLLoss, standardized_kl


def standardized(row):
    mean = sum(row) / len(row)
    return [(z - mean) / torch.sqrt(sum((z - mean) ** 2 for z in row) / len(row)) for z in row]


def reference(student, teacher, temperature=2.0):
    """The definition, point by point in float64."""
    total = student.sum() * 0
    for own, taught in zip(student, teacher):
        total = total + divergence(standardized(taught), standardized(own), temperature)
    return temperature**2 * total / max(len(student), 1)


@pytest.mark.parametrize('rows', [0, 1, 7])
@pytest.mark.parametrize('classes', [2, 5])
@pytest.mark.parametrize('temperature', [0.5, 1.0, 4.0])
def test_value_and_gradient_equal_the_loop(rows, classes, temperature):
    student, teacher, _ = make(rows, classes, spread=30.0)
    student = (student * 30).detach().requires_grad_()  # beside which the floor is nothing
    value = standardized_kl(student, teacher, temperature)
    expected = reference(student, teacher, temperature)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7)
    both = [torch.autograd.grad(each, student)[0] for each in (value, expected)]
    torch.testing.assert_close(*both, rtol=1e-5, atol=1e-7)


def test_gradient_passes_gradcheck():
    student, teacher, _ = make(4)
    assert torch.autograd.gradcheck(lambda s: standardized_kl(s, teacher), student)


def test_scale_and_shift_of_either_change_nothing():
    student, teacher, _ = make(6)
    expected = standardized_kl(student, teacher)
    other = standardized_kl(10 * student - 3, 0.5 * teacher + 7)
    torch.testing.assert_close(other, expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize('classes', [1, 3])
def test_equal_logits_have_a_finite_gradient(classes):
    teacher = make(4, classes)[1]
    student = torch.zeros(4, classes, dtype=torch.float64, requires_grad=True)
    value = standardized_kl(student, teacher)
    (gradient,) = torch.autograd.grad(value, student)
    assert torch.isfinite(value) and torch.isfinite(gradient).all()
    value = standardized_kl(student, torch.zeros_like(student))
    assert value == 0


def test_the_module_weighs_the_function():
    student, teacher, _ = make(5)
    expected = 0.3 * standardized_kl(student, teacher, 3.0)
    compare(StandardizedKLLoss(3.0, loss_weight=0.3)(student, teacher), expected, student)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match='temperature must be positive and finite, but got 0'):
        StandardizedKLLoss(0)
    with pytest.raises(ValueError, match='student has 20 classes but teacher has 13'):
        standardized_kl(torch.zeros(3, 20), torch.zeros(3, 13))

import pytest
import torch
from logits_reference import class_of, compare, divergence, make

from projects.SRKD.losses import ClassTemperatureKLLoss, class_temperature_kl, soft_target_kl


def reference(student, teacher, temperatures):
    """The definition, point by point in float64."""
    total = student.sum() * 0
    for own, taught in zip(student, teacher):
        temperature = temperatures[class_of(taught)[0]]
        total = total + temperature**2 * divergence(taught, own, temperature)
    return total / max(len(student), 1)


@pytest.mark.parametrize('rows', [0, 1, 30])
@pytest.mark.parametrize('temperatures', [(2.0,), (1, 4.0), (0.5, 1, 2, 3, 8)])
def test_value_and_gradient_equal_the_loop(rows, temperatures):
    student, teacher, _ = make(rows, len(temperatures))
    value = class_temperature_kl(student, teacher, temperatures)
    compare(value, reference(student, teacher, temperatures), student)


def test_gradient_passes_gradcheck():
    student, teacher, _ = make(4, 3)
    assert torch.autograd.gradcheck(lambda s: class_temperature_kl(s, teacher, (1, 2, 4)), student)


def test_one_temperature_for_all_classes_is_the_plain_loss():
    student, teacher, _ = make(6)
    value = ClassTemperatureKLLoss([3.0] * 5, loss_weight=0.5)(student, teacher)
    torch.testing.assert_close(value, 0.5 * soft_target_kl(student, teacher, 3.0))


@pytest.mark.parametrize(
    ('temperatures', 'message'),
    [
        ((), r'temperatures must be a list of numbers, but got \(\)'),
        (2.0, r'temperatures must be a list of numbers, but got 2\.0'),
        ((1, 0), 'temperature must be positive and finite, but got 0'),
        ((1, float('nan')), 'temperature must be positive and finite, but got nan'),
    ],
)
def test_bad_temperatures_are_refused(temperatures, message):
    with pytest.raises(ValueError, match=message):
        ClassTemperatureKLLoss(temperatures)
    with pytest.raises(ValueError, match=message):
        class_temperature_kl(torch.zeros(2, 2), torch.zeros(2, 2), temperatures)


def test_a_temperature_too_few_is_refused():
    with pytest.raises(ValueError, match='one for each of the 3 classes, but got 2'):
        class_temperature_kl(torch.zeros(2, 3), torch.zeros(2, 3), (1, 2))
    with pytest.raises(ValueError, match='student has 20 classes but teacher has 13'):
        class_temperature_kl(torch.zeros(3, 20), torch.zeros(3, 13), (1,) * 20)

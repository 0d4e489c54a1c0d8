import pytest
import torch

from projects.SRKD.losses import FeatureMSELoss, feature_mse


@pytest.mark.parametrize('rows', [1, 6])
def test_value_and_gradient_equal_the_loop(rows):
    student = torch.randn(rows, 3, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(rows, 3, dtype=torch.float64)
    expected = sum((a - b) ** 2 for a, b in zip(student.flatten(), teacher.flatten())) / rows / 3
    value = feature_mse(student, teacher)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(
        torch.autograd.grad(value, student)[0], torch.autograd.grad(expected, student)[0]
    )


def test_widths_that_differ_are_refused_with_the_cure():
    with pytest.raises(ValueError, match='student has 2 channels but teacher has 4; lift'):
        FeatureMSELoss()(torch.zeros(3, 2), torch.zeros(3, 4))

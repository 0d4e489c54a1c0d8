import numpy as np
import pytest
import torch

from projects.SRKD.losses.pearson import PearsonLoss, pearson_mse


@pytest.mark.parametrize('rows', [2, 9])
def test_value_and_gradient_equal_the_loop(rows):
    student = torch.randn(rows, 3, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(rows, 3, dtype=torch.float64)
    total = 0
    for channels in zip(student.T, teacher.T):
        unit = []
        for channel in channels:
            mean = sum(channel) / rows
            deviation = (sum((v - mean) ** 2 for v in channel) / (rows - 1)) ** 0.5
            unit.append([(v - mean) / (deviation + 1e-6) for v in channel])
        total = total + sum((a - b) ** 2 for a, b in zip(*unit))
    value, expected = pearson_mse(student, teacher), total / (2 * rows * 3)
    torch.testing.assert_close(value, expected)
    gradients = [torch.autograd.grad(each, student)[0] for each in (value, expected)]
    torch.testing.assert_close(*gradients)


def test_the_value_is_one_minus_the_correlation():
    student, teacher = torch.randn(2, 50, 4, dtype=torch.float64)
    correlation = np.mean([np.corrcoef(s, t)[0, 1] for s, t in zip(student.T, teacher.T)])
    value = pearson_mse(student, teacher).item()
    assert value * 50 / 49 == pytest.approx(1 - correlation, rel=1e-5)


def test_scale_and_offset_of_a_channel_do_not_matter():
    student, teacher = torch.randn(2, 20, 4, dtype=torch.float64)
    scaled = student * torch.tensor([1.0, 3.0, 0.2, 9.0]) + torch.arange(4)
    value = pearson_mse(scaled, teacher)
    torch.testing.assert_close(value, pearson_mse(student, teacher), rtol=1e-5, atol=0)


def test_a_constant_channel_has_no_gradient():
    student = torch.randn(5, 2)
    student[:, 0] = 1
    student.requires_grad_()
    pearson_mse(student, torch.randn(5, 2)).backward()
    assert (student.grad[:, 0] == 0).all() and (student.grad[:, 1] != 0).all()


def test_widths_that_differ_are_refused_with_the_cure():
    with pytest.raises(ValueError, match='student has 2 channels but teacher has 4; lift'):
        PearsonLoss()(torch.zeros(3, 2), torch.zeros(3, 4))

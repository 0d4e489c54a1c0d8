import pytest
import torch
import torch.nn.functional as F

from projects.SRKD.losses.attention_transfer import AttentionTransferLoss, attention_mse


def check_against(expected, student, value):
    torch.testing.assert_close(value, expected)
    gradients = [torch.autograd.grad(each, student)[0] for each in (value, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize('sizes', [[7], [1], [3, 1, 5]])
def test_value_and_gradient_equal_the_loop(sizes):
    batch = torch.tensor([3 * b for b, n in enumerate(sizes) for _ in range(n)] + [-1, -1])
    batch = batch[torch.randperm(len(batch))]
    student = torch.randn(len(batch), 2, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(len(batch), 3, dtype=torch.float64)
    total = 0
    for sample in range(0, 3 * len(sizes), 3):
        maps = []
        for feat in (student, teacher):
            rows = [feat[i] for i in range(len(batch)) if batch[i] == sample]
            attention = [sum(v**2 for v in row) / len(row) for row in rows]
            length = sum(a**2 for a in attention) ** 0.5
            maps.append([a / length for a in attention])
        total = total + sum((a - b) ** 2 for a, b in zip(*maps))
    check_against(total / sum(sizes), student, attention_mse(student, teacher, batch))


def test_maps_of_one_size_give_the_usual_form():
    student, teacher = (
        torch.randn(4, c, 3, 5, dtype=torch.float64, requires_grad=c == 6) for c in (6, 2)
    )
    maps = [F.normalize(f.square().mean(1).flatten(1)) for f in (student, teacher)]
    rows = [f.movedim(1, 3).flatten(0, 2) for f in (student, teacher)]
    value = AttentionTransferLoss()(*rows, torch.arange(4).repeat_interleave(15))
    check_against(F.mse_loss(*maps), student, value)


def test_features_of_zeros_have_no_attention_and_a_finite_gradient():
    student = torch.zeros(4, 2, requires_grad=True)
    value = attention_mse(student, torch.ones(4, 2), torch.zeros(4).long())
    value.backward()
    torch.testing.assert_close(value, torch.tensor(0.25))
    assert (student.grad == 0).all()


def test_float_ids_are_refused():
    with pytest.raises(ValueError, match='batch must hold integer ids, but got torch.float32'):
        attention_mse(torch.zeros(2, 1), torch.zeros(2, 1), torch.zeros(2))

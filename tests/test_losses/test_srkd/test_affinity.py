import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from projects.SRKD.losses import affinity_mse
from projects.SRKD.losses.srkd import affinity


def reference(student, teacher, group=None, weight=None):
    """The definition, pair by pair in float64."""
    student, teacher = student.double(), teacher.double()
    group = [0] * len(student) if group is None else group.tolist()
    ids = sorted({g for g in group if g >= 0})
    total = student.sum() * 0
    for g in ids:
        rows = [i for i, own in enumerate(group) if own == g]
        w = 1.0 if weight is None else weight[g].item()
        inside = 0.0
        for i in rows:
            for j in rows:
                d_s = w * (student[i] - student[j]).square().sum()
                d_t = w * (teacher[i] - teacher[j]).square().sum()
                inside = inside + (d_s - d_t) ** 2
        total = total + inside / len(rows) ** 2
    return total / max(len(ids), 1)


def definition(student, teacher):
    """The definition as one matrix, in float64."""
    student, teacher = student.double(), teacher.double()
    d_s = (student[:, None] - student[None]).square().sum(dim=2)
    d_t = (teacher[:, None] - teacher[None]).square().sum(dim=2)
    return (d_s - d_t).square().mean()


def value_and_grad(function, student, *args):
    student = student.clone().requires_grad_()
    value = function(student, *args)
    (grad,) = torch.autograd.grad(value, student)
    return value.detach(), grad


def make(rows, width_s, width_t, dtype=torch.float64, seed=0):
    gen = torch.Generator().manual_seed(seed)
    student = torch.randn(rows, width_s, generator=gen, dtype=torch.float64)
    teacher = torch.randn(rows, width_t, generator=gen, dtype=torch.float64)
    return student.to(dtype), teacher.to(dtype)


@pytest.mark.parametrize('rows', [0, 1, 2, 3, 7, 19])
@pytest.mark.parametrize('widths', [(4, 4), (3, 6), (6, 3), (1, 5)])
def test_one_group_equals_the_loop(rows, widths):
    student, teacher = make(rows, *widths)
    value, grad = value_and_grad(affinity_mse, student, teacher)
    expected, expected_grad = value_and_grad(reference, student, teacher)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grad, expected_grad)


@pytest.mark.parametrize('weighted', [False, True])
def test_groups_smaller_and_larger_than_the_width_equal_the_loop(weighted):
    # Sizes to 5 (= C) take pairs, 12 takes Grams; ids have gaps; three rows are left out.
    sizes = {7: 1, 0: 2, 11: 3, 4: 5, 2: 12, -1: 3}
    group = torch.cat([torch.full((n,), g) for g, n in sizes.items()])
    group = group[torch.randperm(len(group), generator=torch.Generator().manual_seed(1))]
    student, teacher = make(len(group), 5, 3)
    weight = torch.linspace(0.5, 2.0, 12) if weighted else None
    value, grad = value_and_grad(affinity_mse, student, teacher, group, weight)
    expected, expected_grad = value_and_grad(reference, student, teacher, group, weight)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grad, expected_grad)
    assert grad[group == -1].abs().max() == 0


def test_many_groups_span_several_blocks(monkeypatch):
    monkeypatch.setattr(affinity, 'CPU_BLOCK_ROWS', 8)
    group = torch.randint(0, 15, (60,), generator=torch.Generator().manual_seed(2))
    student, teacher = make(60, 4, 4)
    value, grad = value_and_grad(affinity_mse, student, teacher, group)
    expected, expected_grad = value_and_grad(reference, student, teacher, group)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grad, expected_grad)


def test_gradient_passes_gradcheck():
    student, teacher = make(9, 3, 4)
    group = torch.tensor([0, 0, 0, 0, 0, 2, 2, -1, 5])
    student.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: affinity_mse(s, teacher, group), student)


@pytest.mark.parametrize('rows', [40, 300])  # pairs and Grams
@pytest.mark.parametrize('gap', [1.0, 1e-2, 1e-4, 1e-6])
def test_float32_keeps_its_precision_near_the_teacher(rows, gap):
    teacher, noise = make(rows, 64, 64, torch.float32)
    student = teacher + gap * noise
    value, grad = value_and_grad(affinity_mse, student, teacher)
    expected, expected_grad = value_and_grad(definition, student, teacher)
    torch.testing.assert_close(value.double(), expected, rtol=2e-7, atol=0)
    difference = (grad.double() - expected_grad).norm() / expected_grad.norm()
    assert difference < 2e-7


def test_a_common_offset_costs_no_precision():
    student, teacher = make(200, 16, 16, torch.float32)
    student, teacher = student + 100, teacher - 300
    value, expected = affinity_mse(student, teacher), definition(student, teacher)
    torch.testing.assert_close(value.double(), expected, rtol=2e-7, atol=0)


@pytest.mark.parametrize('seed', range(10))
@pytest.mark.parametrize('rows', [3, 50])
def test_a_rotation_of_the_teacher_is_zero_and_never_below(rows, seed):
    _, teacher = make(rows, 8, 8, seed=seed)
    rotation = torch.linalg.qr(make(8, 8, 8, seed=seed + 100)[0]).Q
    value = affinity_mse(teacher @ rotation, teacher)
    assert 0 <= value < 1e-11  # the squared distances are near 250


def test_groups_take_grams_from_one_and_a_half_times_the_channels_on(monkeypatch):
    taken = {}
    for name in ('_gram_form', '_pair_form'):
        form = getattr(affinity, name)

        def spy(own, taught, real, factor, form=form, name=name):
            taken.setdefault(name, []).extend(real.sum(dim=1).tolist())
            return form(own, taught, real, factor)

        monkeypatch.setattr(affinity, name, spy)
    sizes = torch.tensor([1, 9, 7, 4, 30, 2, 8])
    group = torch.repeat_interleave(torch.arange(7), sizes)
    affinity_mse(*make(len(group), 3, 5), group)
    assert sorted(taken['_pair_form']) == [1, 2, 4, 7]
    assert sorted(taken['_gram_form']) == [8, 9, 30]


def test_no_matrix_of_all_pairs_is_built():
    class Largest(TorchDispatchMode):
        numel = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for each in out if isinstance(out, tuple | list) else [out]:
                if isinstance(each, torch.Tensor):
                    self.numel = max(self.numel, each.untyped_storage().nbytes() // 8)
            return out

    rows, width = 200_000, 8
    student, teacher = make(rows, width, width, torch.float32)
    student.requires_grad_()
    mixed = torch.randint(0, 2000, (rows,), generator=torch.Generator().manual_seed(4))
    mixed[: rows // 2] = 5000  # one giant group beside many of 50 points
    mixed[:7000] = torch.arange(7000) % 3000 + 6000  # and of 2 or 3, below the width
    for group in (None, mixed):
        with Largest() as largest:
            affinity_mse(student, teacher, group).backward()
        assert rows * width // 2 <= largest.numel <= rows * width
        assert torch.isfinite(student.grad).all()


def test_weight_and_teacher_receive_no_gradient():
    student, teacher = make(6, 3, 3)
    teacher.requires_grad_()
    weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
    value = affinity_mse(student.requires_grad_(), teacher, None, weight)
    value.backward()
    assert teacher.grad is None and weight.grad is None and student.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ('group', 'weight', 'message'),
    [
        (torch.zeros(3), None, 'group must hold integer ids, but got torch.float32'),
        (torch.zeros(2).long(), None, r'group must have shape \(3,\), one id per row, but got'),
        (torch.tensor([0, -2, 1]), None, 'or -1 to leave a row out, but got -2'),
        (torch.tensor([0, 4, 4]), torch.ones(4), r'shape \(5,\) or longer, but got \(4,\)'),
    ],
)
def test_bad_groups_are_refused(group, weight, message):
    with pytest.raises(ValueError, match=message):
        affinity_mse(*make(3, 2, 2), group, weight)


def test_rows_that_differ_are_refused():
    with pytest.raises(ValueError, match='student has 3 rows but teacher has 4'):
        affinity_mse(torch.zeros(3, 2), torch.zeros(4, 2))


@pytest.mark.parametrize(('c_s', 'c_t'), [(5, 9), (9, 5)])
def test_large_groups_are_streamed_to_the_same_value_and_gradient(monkeypatch, c_s, c_t):
    student = torch.randn(700, c_s, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(700, c_t, dtype=torch.float64)
    group, weight = torch.randint(-1, 4, (700,)), torch.rand(4, dtype=torch.float64)
    found = []
    for rows in (1 << 10, 14):  # whole; in blocks of seven rows
        monkeypatch.setattr(affinity, 'CPU_BLOCK_ROWS', rows)
        value = affinity.affinity_mse(student, teacher, group, weight)
        found.append((value, torch.autograd.grad(value, student)[0]))
    torch.testing.assert_close(*found)


def test_inputs_that_are_not_streamed_may_be_overwritten_after_the_loss():
    student, teacher = make(50, 4, 4)
    student.requires_grad_()
    feat = student * 1
    loss = affinity_mse(feat, teacher)
    (expected,) = torch.autograd.grad(loss, student, retain_graph=True)
    feat.relu_()
    (grad,) = torch.autograd.grad(loss, student)
    assert torch.equal(grad, expected)


@pytest.mark.parametrize('block_rows', [1 << 10, 14])  # whole and streamed
def test_an_incoming_factor_scales_the_gradient_at_every_call(monkeypatch, block_rows):
    monkeypatch.setattr(affinity, 'CPU_BLOCK_ROWS', block_rows)
    student, teacher = make(60, 4, 4)
    student.requires_grad_()
    group = torch.arange(60) // 30 + torch.arange(60) % 30 // 28  # groups of 28, 30 and 2
    value = affinity_mse(student, teacher, group)
    (expected,) = torch.autograd.grad(reference(student, teacher, group), student)
    for factor in (3.0, -0.5):
        (grad,) = torch.autograd.grad(factor * value, student, retain_graph=True)
        torch.testing.assert_close(grad, factor * expected)

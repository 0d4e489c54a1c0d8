import pytest
import torch

from projects.SRKD.losses import ChannelKLLoss, VoxelChannelKLLoss, channel_kl
from projects.SRKD.losses.divergence import divergence_terms


def reference(student, teacher, batch, temperature=1.0):
    """The definition, channel by channel in float64."""
    student, teacher = student.double() / temperature, teacher.double() / temperature
    ids = sorted(set(batch.tolist()) - {-1})
    total = student.sum() * 0
    for b in ids:
        rows = [i for i, own in enumerate(batch.tolist()) if own == b]
        for c in range(student.shape[1]):
            p = torch.stack([teacher[i, c].exp() for i in rows])
            q = torch.stack([student[i, c].exp() for i in rows])
            p, q = p / p.sum(), q / q.sum()
            total = total + sum(x * (x / y).log() for x, y in zip(p, q)) / student.shape[1]
    return temperature**2 * total / max(len(ids), 1)


def make(rows, width=3, seed=0):
    gen = torch.Generator().manual_seed(seed)
    student = torch.randn(rows, width, generator=gen, dtype=torch.float64)
    return student.requires_grad_(), torch.randn(rows, width, generator=gen, dtype=torch.float64)


@pytest.mark.parametrize(
    'batch', [[], [0], [2, 2, 2], [5, 0, 5, 2, 0, 5, 5], [0, -1, 1, -1, 1, 0, 1], [-1, -1]]
)
@pytest.mark.parametrize('temperature', [1.0, 3.0])
def test_value_and_gradient_equal_the_loop(batch, temperature):
    batch = torch.tensor(batch, dtype=torch.int64)
    student, teacher = make(len(batch))
    value, expected = (f(student, teacher, batch, temperature) for f in (channel_kl, reference))
    torch.testing.assert_close(value, expected)
    gradients = [torch.autograd.grad(each, student)[0] for each in (value, expected)]
    torch.testing.assert_close(*gradients)


def test_gradient_passes_gradcheck():
    student, teacher = make(5)
    batch = torch.tensor([0, 1, 1, 0, 1])
    assert torch.autograd.gradcheck(lambda s: channel_kl(s, teacher, batch, 2.0), student)


def test_samples_weigh_equally_whatever_their_size():
    student, teacher = make(40)
    batch = torch.tensor([0] * 3 + [1] * 37)
    apart = [channel_kl(student[r], teacher[r], batch[r]) for r in (batch == 0, batch == 1)]
    torch.testing.assert_close(channel_kl(student, teacher, batch), sum(apart) / 2)


def test_options_of_the_module():
    student, teacher = make(8)
    batch = torch.arange(8) % 2
    reverse = ChannelKLLoss(2.0, direction='student_teacher')(student, teacher, batch)
    torch.testing.assert_close(reverse, reference(teacher, student, batch, 2.0))
    plain = ChannelKLLoss(2.0, t2_scale=False)(student, teacher, batch)
    torch.testing.assert_close(4 * plain, channel_kl(student, teacher, batch, 2.0))


def test_voxel_form_compares_means_over_cubes():
    student, teacher = make(5)
    batch = torch.tensor([0, 0, 0, 0, 1])
    # Points 0 and 2 share a cube; point 4 lies in the same cube of another sample.
    coord = torch.tensor([[0.1, 0, 0], [-0.1, 0, 0], [0.4, 0.4, 0.4], [0, 0, 0.6], [0.1, 0, 0]])
    pooled = [torch.stack([(f[0] + f[2]) / 2, f[1], f[3], f[4]]) for f in (student, teacher)]
    expected = channel_kl(*pooled, torch.tensor([0, 0, 0, 1]), 2.0)
    value = VoxelChannelKLLoss(0.5, 2.0)(student, teacher, coord, batch)
    torch.testing.assert_close(value, expected)


def test_widths_that_differ_are_refused_with_the_cure():
    message = 'student has 2 channels but teacher has 4; lift the student with a connector'
    with pytest.raises(ValueError, match=message):
        channel_kl(torch.zeros(3, 2), torch.zeros(3, 4), torch.zeros(3).long())


@pytest.mark.parametrize(
    ('batch', 'message'),
    [
        (torch.zeros(3), 'batch must hold integer ids, but got torch.float32'),
        (torch.zeros(4).long(), r'batch must have shape \(3,\), one id per row'),
    ],
)
def test_bad_sample_ids_are_refused(batch, message):
    with pytest.raises(ValueError, match=message):
        channel_kl(torch.zeros(3, 2), torch.zeros(3, 2), batch)


@pytest.mark.parametrize('temperature', [0, -1.0, float('nan')])
@pytest.mark.parametrize('kind', [ChannelKLLoss, VoxelChannelKLLoss])
def test_a_temperature_that_is_not_positive_is_refused(kind, temperature):
    with pytest.raises(ValueError, match='temperature'):
        kind(temperature=temperature)
    with pytest.raises(ValueError, match='temperature'):
        channel_kl(*make(4), torch.zeros(4, dtype=torch.long), temperature)


@pytest.mark.parametrize('spread', [1e-1, 1e-2, 1e-3, 1e-4])
def test_it_is_right_and_never_negative_where_student_and_teacher_are_nearly_equal(spread):
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(20000, 4, generator=generator)
    student = teacher + spread * torch.randn(20000, 4, generator=generator)
    batch = torch.zeros(20000).long()
    exact = channel_kl(student.double(), teacher.double(), batch)
    found = channel_kl(student, teacher, batch)
    assert found >= 0
    torch.testing.assert_close(found.double(), exact, rtol=2e-2, atol=1e-9)


def test_the_mean_divides_each_sample_by_its_points():
    student, teacher = torch.randn(7, 3), torch.randn(7, 3)
    batch = torch.tensor([0, 0, 1, 1, 1, 1, 1])
    rows = [batch == 0, batch == 1]
    parts = [channel_kl(student[own], teacher[own], batch[own]) for own in rows]
    expected = (parts[0] / 2 + parts[1] / 5) / 2
    torch.testing.assert_close(channel_kl(student, teacher, batch, reduction='mean'), expected)


def test_far_apart_distributions_give_finite_values_and_gradients():
    student = torch.tensor([[0.0], [200.0]], requires_grad=True)
    teacher = torch.tensor([[200.0], [0.0]])
    loss = channel_kl(student, teacher, torch.zeros(2).long())
    loss.backward()
    assert loss.item() == pytest.approx(200.0) and student.grad.isfinite().all()


@pytest.mark.parametrize('name', ['direction', 'reduction'])
def test_an_unknown_choice_is_refused(name):
    with pytest.raises(ValueError, match=f'{name} must be one of'):
        channel_kl(torch.rand(2, 1), torch.rand(2, 1), torch.zeros(2).long(), **{name: 'means'})


def test_what_is_almost_equal_in_float32_keeps_its_digits_and_its_sign():
    gen = torch.Generator().manual_seed(0)
    log_p = torch.log_softmax(torch.randn(20000, generator=gen), dim=0)
    for gap in (1e-2, 1e-3, 1e-4, 1e-5):
        shift = gap * torch.randn(20000, generator=gen)
        terms = divergence_terms(log_p, log_p + shift)
        r = ((log_p + shift) - log_p).double()
        assert (terms >= 0).all()
        exact = log_p.double().exp() * (r.square() / 2 + r**3 / 6 + r**4 / 24 + r**5 / 120)
        torch.testing.assert_close(terms.double(), exact, rtol=1e-4, atol=1e-16)

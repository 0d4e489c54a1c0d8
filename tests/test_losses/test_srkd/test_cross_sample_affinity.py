import warnings

import pytest
import torch
from processes import run_group
from torch.nn.parallel import DistributedDataParallel

from projects.SRKD.losses import CrossSampleAffinityLoss, cross_sample_kl
from projects.SRKD.ops import l2_normalize


def clouds(sizes=(6, 9, 4), seed=0):
    gen = torch.Generator().manual_seed(seed)
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    student = torch.randn(len(batch), 5, generator=gen, dtype=torch.float64)
    teacher = torch.randn(len(batch), 8, generator=gen, dtype=torch.float64)
    return student, teacher, batch


def test_small_clouds_are_compared_whole_with_unit_rows():
    student, teacher, batch = clouds()
    value = CrossSampleAffinityLoss()(student, teacher, batch)
    expected = cross_sample_kl(l2_normalize(student), l2_normalize(teacher), batch)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(CrossSampleAffinityLoss()(9 * student, teacher, batch), expected)


def test_n_points_of_every_cloud_are_drawn():
    student, teacher, batch = clouds((30, 5, 50))
    student.requires_grad_()
    CrossSampleAffinityLoss(n_points=7)(student, teacher, batch).backward()
    touched = student.grad.abs().sum(dim=1) > 0
    assert torch.bincount(batch[touched]).tolist() == [7, 5, 7]


def test_teacher_and_student_are_drawn_alike():
    student, _, batch = clouds((30, 50))
    assert CrossSampleAffinityLoss(n_points=7)(student, student.clone(), batch) == 0


@pytest.mark.parametrize('valid_only', [True, False])
def test_points_without_valid_label_are_left_out_by_default(valid_only):
    student, teacher, batch = clouds()
    label = torch.arange(len(batch)) % 3 - 1
    keep = label >= 0 if valid_only else slice(None)
    value = CrossSampleAffinityLoss(valid_only=valid_only)(student, teacher, batch, label)
    expected = CrossSampleAffinityLoss()(student[keep], teacher[keep], batch[keep])
    torch.testing.assert_close(value, expected)


def test_t2_scale_and_temperature():
    student, teacher, batch = clouds()
    plain = CrossSampleAffinityLoss(temperature=3.0)(student, teacher, batch)
    scaled = CrossSampleAffinityLoss(temperature=3.0, t2_scale=True)(student, teacher, batch)
    torch.testing.assert_close(scaled, 9 * plain)


def test_a_batch_of_one_cloud_is_zero_and_warns_once():
    student, teacher, batch = clouds((6,))
    student.requires_grad_()
    loss = CrossSampleAffinityLoss()
    with pytest.warns(UserWarning, match='fewer than two with valid points') as caught:
        for _ in range(3):
            loss(student, teacher, batch).backward()
    assert len(caught) == 1
    assert (student.grad == 0).all()


def test_all_pairs_of_one_cloud_compare_it_with_itself():
    student, teacher, batch = clouds((6,))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert CrossSampleAffinityLoss(pairs='all')(student, teacher, batch) > 0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(temperature=0.0), 'temperature must be positive and finite, but got 0.0'),
        (dict(n_points=0), 'n_points must be positive, but got 0'),
        (dict(pairs='of_diagonal'), "nearest: 'off_diagonal'"),
        (dict(direction='student_techer'), "nearest: 'student_teacher'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        CrossSampleAffinityLoss(**options)


SHARES = ((0, 6), (6, 19), (0, 0))  # rows per rank: unequal, and a rank without any point


def _one_rank(rank, batch_of_rank):
    student, teacher, _ = clouds()
    rows = slice(*SHARES[rank])
    net = DistributedDataParallel(_net())
    loss = CrossSampleAffinityLoss(gather=True)
    value = loss(net(student[rows]), teacher[rows], batch_of_rank[rank])
    value.backward()
    grads = [parameter.grad for parameter in net.parameters()]
    return value.detach(), grads


def _net():
    torch.manual_seed(3)
    return torch.nn.Linear(5, 4).double()


@pytest.mark.parametrize('world', [2, 3])
def test_gathered_clouds_equal_one_process_that_sees_them_all(world):
    student, teacher, batch = clouds()
    # Every rank numbers its own clouds from 0, as a data loader does.
    batches = [batch[:6], batch[6:] - 1, batch[:0]]
    answers = run_group(_one_rank, world, batches)
    net = _net()
    expected = CrossSampleAffinityLoss()(net(student), teacher, batch)
    expected.backward()
    for value, grads in answers:
        torch.testing.assert_close(value, expected.detach())
        for grad, parameter in zip(grads, net.parameters()):
            torch.testing.assert_close(grad, parameter.grad)


def test_a_backend_that_does_not_know_the_direction_is_refused_while_building():
    with pytest.raises(ValueError, match='knows no direction but teacher_student, and this is stu'):
        CrossSampleAffinityLoss(direction='student_teacher', backend='triton')

import pytest
import torch
from logits_reference import class_of, compare, divergence, make

from projects.SRKD.losses import CorrectTeacherKLLoss, correct_teacher_kl, soft_target_kl


def reference(student, teacher, label, temperature=2.0, unlabeled='all'):
    """The definition, point by point in float64."""
    total, kept = student.sum() * 0, 0
    for own, taught, known in zip(student, teacher, label):
        if int(known) == class_of(taught)[0] or (int(known) < 0 and unlabeled == 'all'):
            total, kept = total + divergence(taught, own, temperature), kept + 1
    return temperature**2 * total / max(kept, 1)


@pytest.mark.parametrize('rows', [0, 1, 30])
@pytest.mark.parametrize('classes', [1, 3])
@pytest.mark.parametrize('unlabeled', ['all', 'none'])
def test_value_and_gradient_equal_the_loop(rows, classes, unlabeled):
    student, teacher, label = make(rows, classes)
    value = correct_teacher_kl(student, teacher, label, 3.0, unlabeled)
    compare(value, reference(student, teacher, label, 3.0, unlabeled), student)


def test_gradient_passes_gradcheck():
    student, teacher, label = make(6, 2)
    assert torch.autograd.gradcheck(lambda s: correct_teacher_kl(s, teacher, label), student)


def test_where_the_teacher_is_wrong_it_teaches_nothing():
    student, teacher, _ = make(3)
    label = teacher.argmax(1)
    label[1] = (label[1] + 1) % 5
    (gradient,) = torch.autograd.grad(correct_teacher_kl(student, teacher, label), student)
    assert gradient[[0, 2]].abs().sum(1).min() > 0 and not gradient[1].any()
    label = (teacher.argmax(1) + 1) % 5
    value = correct_teacher_kl(student, teacher, label)
    assert value == 0 and not torch.autograd.grad(value, student)[0].any()


def test_without_labels_all_points_count_or_none():
    student, teacher, _ = make(6)
    bare = torch.full((6,), -1)
    for label in (None, bare):
        every = CorrectTeacherKLLoss(loss_weight=0.5)(student, teacher, label)
        torch.testing.assert_close(every, 0.5 * soft_target_kl(student, teacher, 2.0))
        assert CorrectTeacherKLLoss(unlabeled='none')(student, teacher, label) == 0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(temperature=0), 'temperature must be positive and finite, but got 0'),
        (dict(unlabeled='some'), r"unlabeled must be one of \['all', 'none'\], but got 'some'"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        CorrectTeacherKLLoss(**options)
    with pytest.raises(ValueError, match=message):
        correct_teacher_kl(*make(2), **options)


def test_labels_and_classes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r'label must have shape \(3,\)'):
        correct_teacher_kl(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(4).long())
    with pytest.raises(ValueError, match='student has 20 classes but teacher has 13'):
        correct_teacher_kl(torch.zeros(3, 20), torch.zeros(3, 13), None)

import pytest
import torch
from logits_reference import class_of, compare, log_softmax, make

from projects.SRKD.losses import PseudoLabelLoss, pseudo_label_ce


def reference(student, teacher, threshold):
    """The definition, point by point in float64."""
    total, kept = student.sum() * 0, 0
    for own, taught in zip(student, teacher):
        label, confidence = class_of(taught)
        if confidence > threshold:
            total, kept = total - log_softmax(own)[label], kept + 1
    return total / max(kept, 1)


@pytest.mark.parametrize('rows', [0, 1, 9])
@pytest.mark.parametrize('classes', [1, 2, 5])
@pytest.mark.parametrize('threshold', [0.0, 0.6, 0.99])
def test_value_and_gradient_equal_the_loop(rows, classes, threshold):
    student, teacher, _ = make(rows, classes, spread=3.0)
    compare(
        pseudo_label_ce(student, teacher, threshold),
        reference(student, teacher, threshold),
        student,
    )


def test_gradient_passes_gradcheck():
    student, teacher, _ = make(6, spread=3.0)
    assert torch.autograd.gradcheck(lambda s: pseudo_label_ce(s, teacher, 0.5), student)


def test_points_of_which_the_teacher_is_unsure_teach_nothing():
    student, teacher, _ = make(2, 2)
    teacher = torch.tensor([[3.0, 0.0], [0.3, 0.0]], dtype=torch.float64)  # 0.95 and 0.57
    (gradient,) = torch.autograd.grad(pseudo_label_ce(student, teacher, 0.9), student)
    assert gradient[0].abs().min() > 0 and not gradient[1].any()


def test_where_nothing_is_sure_the_loss_is_a_connected_zero():
    student, teacher, _ = make(5)
    value = pseudo_label_ce(student, teacher, 0.999)
    (gradient,) = torch.autograd.grad(value, student)
    assert value == 0 and gradient.shape == student.shape and not gradient.any()


def test_points_with_a_label_are_left_to_it_unless_all_are_asked_for():
    student, teacher, _ = make(6, spread=5.0)
    label = torch.tensor([0, -1, 3, 2, -1, 1])
    bare = label < 0
    some = PseudoLabelLoss(0.1, loss_weight=0.5)(student, teacher, label)
    torch.testing.assert_close(some, 0.5 * pseudo_label_ce(student[bare], teacher[bare], 0.1))
    every = pseudo_label_ce(student, teacher, 0.1)
    torch.testing.assert_close(PseudoLabelLoss(0.1, 'all')(student, teacher, label), every)
    torch.testing.assert_close(PseudoLabelLoss(0.1)(student, teacher), every)
    assert PseudoLabelLoss(0.1)(student, teacher, label.clamp(min=0)) == 0


@pytest.mark.parametrize('threshold', [-0.1, 1, 1.5, float('nan')])
def test_bad_thresholds_are_refused(threshold):
    match = rf'threshold must be a probability in \[0, 1\), but got {threshold}'
    with pytest.raises(ValueError, match=match):
        pseudo_label_ce(*make(2)[:2], threshold)
    with pytest.raises(ValueError, match=match):
        PseudoLabelLoss(threshold)


def test_unknown_rows_and_other_classes_are_refused():
    with pytest.raises(ValueError, match=r"rows must be one of \['unlabeled', 'all'\].* 'bare'"):
        PseudoLabelLoss(rows='bare')
    with pytest.raises(ValueError, match='student has 20 classes but teacher has 13'):
        pseudo_label_ce(torch.zeros(3, 20), torch.zeros(3, 13))

import pytest
import torch
from toy_boxes import check_against_loop, first_box, scene

from projects.SRKD.losses.foreground_mse import ForegroundMSELoss, foreground_mse


def call(loss, fields, **changes):
    return loss(**{k: v for k, v in {**fields, **changes}.items() if k != 'cell_size'})


def loop(fields, per_box, margin):
    """Squares of one row after the other, gathered by box."""
    squares = {}
    for row, (own, taught) in enumerate(zip(fields['student'], fields['teacher'])):
        number = first_box(fields, row, range(9), margin)
        if number is not None:
            square = sum((a - b) ** 2 for a, b in zip(own, taught)) / len(own)
            squares.setdefault(number, []).append(square)
    if not per_box:
        squares = {0: [square for some in squares.values() for square in some]}
    return sum(sum(some) / len(some) for some in squares.values()) / len(squares)


@pytest.mark.parametrize('per_box', [False, True])
@pytest.mark.parametrize('margin', [0.0, 0.3])
@pytest.mark.parametrize('counts', [[6], [0, 7, 5], [1, 0]])
def test_value_and_gradient_equal_the_loop(counts, margin, per_box):
    fields = scene(counts, (3, 3))
    fields['classes'][-1][:1] = -1  # an ignored box
    fields['classes'][-2 % len(counts)][-1:] = 1
    value = call(ForegroundMSELoss(per_box, margin), fields)
    check_against_loop(value, loop(fields, per_box, margin), fields['student'])


@pytest.mark.parametrize('per_box', [False, True])
@pytest.mark.parametrize(
    'box',
    [
        torch.zeros(0, 7),
        torch.tensor([[90.0, 90.0, 0.0, 4.0, 2.0, 1.5, 0.3]]),
        torch.tensor([[-1.2, 1.5, 0.0, 0.1, 0.1, 1.5, 0.3]]),
    ],
    ids=['no box', 'outside the map', 'between the cells'],
)
def test_without_foreground_the_loss_is_a_connected_zero(box, per_box):
    fields = scene([0, 0], (3, 3))
    fields['boxes'][1], fields['classes'][1] = box, torch.zeros(len(box)).long()
    value = call(ForegroundMSELoss(per_box), fields)
    value.backward()
    assert value == 0 and (fields['student'].grad == 0).all()


def test_a_box_between_the_cells_is_seen_with_a_margin():
    fields = scene([0], (3, 3))
    fields['boxes'] = [torch.tensor([[-1.2, 1.5, 0.0, 0.1, 0.1, 1.5, 0.3]])]
    fields['classes'] = [torch.zeros(1).long()]
    assert call(ForegroundMSELoss(margin=0.6), fields) > 0


def test_a_single_cell_is_enough():
    fields = scene([1], (2, 2), height=1, width=1)
    fields['boxes'] = [torch.tensor([[-1.6, 1.25, 0.0, 1.0, 1.0, 1.0, 0.0]])]
    fields['classes'] = [torch.zeros(1).long()]
    expected = (fields['student'] - fields['teacher']).square().mean()
    torch.testing.assert_close(call(ForegroundMSELoss(), fields), expected)


def test_every_box_weighs_the_same_if_wanted():
    student, teacher = torch.zeros(10, 1), torch.ones(10, 1)
    teacher[0] = 3.0
    box = torch.tensor([5] + [2] * 9)
    torch.testing.assert_close(foreground_mse(student, teacher, box), torch.tensor(1.8))
    torch.testing.assert_close(foreground_mse(student, teacher, box, True), torch.tensor(5.0))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(teacher=torch.zeros(30, 4)), 'student has 3 channels but teacher has 4; lift'),
        (dict(teacher=torch.zeros(29, 3)), 'student has 30 rows but teacher has 29'),
        (dict(boxes=[]), 'boxes holds 0 samples but classes holds 1'),
        (dict(batch=torch.ones(30).long()), 'batch names sample 1 but boxes holds 1 samples'),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        call(ForegroundMSELoss(), scene([1], (3, 3)), **changes)


def test_boxes_as_float_ids_and_a_negative_margin_are_refused():
    with pytest.raises(ValueError, match='box must hold integer ids, but got torch.float32'):
        foreground_mse(torch.zeros(2, 1), torch.zeros(2, 1), torch.zeros(2))
    with pytest.raises(ValueError, match='margin must be at least 0 meters, but got -0.1'):
        ForegroundMSELoss(margin=-0.1)

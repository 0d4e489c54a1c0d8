import pytest
import torch
from toy_boxes import center_rows, check_against_loop, scene

from projects.SRKD.losses.sparsekd.center_regression import CenterRegressionLoss


@pytest.mark.parametrize('classes', [None, (0, 2), (1,)])
@pytest.mark.parametrize('counts', [[9], [0, 9, 7], [8, 0]])
def test_value_and_gradient_equal_the_loop(counts, classes):
    fields = scene(counts, (3, 3), seed=1)
    rows = center_rows(fields, range(9) if classes is None else classes)
    gaps = [abs(a - b) for r in rows for a, b in zip(fields['student'][r], fields['teacher'][r])]
    value = CenterRegressionLoss(classes)(**fields)
    assert rows
    check_against_loop(value, sum(gaps) / len(rows), fields['student'])


def test_two_objects_in_one_cell_count_twice():
    fields = scene([0], (1, 1), height=1, width=2)
    here, there = fields['coord'][:, :2].tolist()
    gaps = (fields['student'] - fields['teacher']).abs().flatten().tolist()
    boxes = [[*place, 0.0, 1.0, 1.0, 1.0, 0.0] for place in (here, here, there)]
    fields['boxes'], fields['classes'] = [torch.tensor(boxes)], [torch.zeros(3).long()]
    value = CenterRegressionLoss()(**fields)
    assert value.item() == pytest.approx((2 * gaps[0] + gaps[1]) / 3)


@pytest.mark.parametrize(
    'box',
    [torch.zeros(0, 7), torch.tensor([[90.0, 90.0, 0.0, 4.0, 2.0, 1.5, 0.3]])],
    ids=['no box', 'outside the map'],
)
def test_without_centers_the_loss_is_a_connected_zero(box):
    fields = scene([0, 0], (3, 3))
    fields['boxes'][1], fields['classes'][1] = box, torch.zeros(len(box)).long()
    value = CenterRegressionLoss()(**fields)
    value.backward()
    assert value == 0 and (fields['student'].grad == 0).all()


def test_a_box_smaller_than_its_cell_still_has_a_center():
    fields = scene([0], (2, 2))
    fields['boxes'] = [torch.tensor([[-1.2001, 1.499, 0.0, 0.01, 0.01, 1.5, 0.3]])]
    fields['classes'] = [torch.zeros(1).long()]
    (row,) = center_rows(fields)
    expected = (fields['student'] - fields['teacher'])[row].abs().sum()
    torch.testing.assert_close(CenterRegressionLoss()(**fields), expected)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(teacher=torch.zeros(30, 2)),
            'student has 3 channels but teacher has 2; tap the same',
        ),
        (dict(cell_size=(0.8,)), 'cell_size must be two positive lengths in meters'),
        (dict(classes=[torch.zeros(2).long()]), 'sample 0 has 1 boxes and classes of shape'),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        CenterRegressionLoss()(**{**scene([1], (3, 3)), **changes})

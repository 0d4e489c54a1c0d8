import pytest
import torch
from mmdet3d.models.dense_heads import Anchor3DHead
from toy_boxes import check_against_loop, first_box, scene

from projects.SRKD.losses.sparsekd.anchor_boxes import AnchorBoxLoss, anchor_smooth_l1


def call(loss, fields, **changes):
    return loss(**{k: v for k, v in {**fields, **changes}.items() if k != 'cell_size'})


def loop(fields, code_size, margin):
    anchors = fields['student'].shape[1] // code_size
    sums, counts = [0] * len(fields['boxes']), [0] * len(fields['boxes'])
    for row, (own, taught) in enumerate(zip(fields['student'], fields['teacher'])):
        if first_box(fields, row, range(9), margin) is None:
            continue
        sample = fields['batch'][row]
        for channel, (a, b) in enumerate(zip(own, taught)):
            gap = torch.sin(a - b) if channel % code_size == 6 else a - b
            small = gap.abs() < 1 / 9
            sums[sample] = sums[sample] + (4.5 * gap**2 if small else gap.abs() - 1 / 18)
        counts[sample] += anchors
    return sum(s / c for s, c in zip(sums, counts) if c) / len(counts)


@pytest.mark.parametrize(('anchors', 'code_size'), [(2, 7), (1, 7), (2, 9)])
@pytest.mark.parametrize('margin', [0.0, 0.3])
@pytest.mark.parametrize('counts', [[6], [0, 7, 5]])
def test_value_and_gradient_equal_the_loop(counts, margin, anchors, code_size):
    fields = scene(counts, (anchors * code_size,) * 2)
    near = torch.rand(len(fields['teacher'])) < 0.5  # half of the norms are in their square part
    close = fields['student'].detach() + fields['teacher'] / 30
    fields['teacher'] = torch.where(near[:, None], close, fields['teacher'])
    value = call(AnchorBoxLoss(code_size, margin), fields)
    check_against_loop(value, loop(fields, code_size, margin), fields['student'])


def test_the_angle_is_compared_as_the_head_compares_it():
    student, teacher = torch.randn(2, 40, 7, dtype=torch.float64)
    own, taught = Anchor3DHead.add_sin_difference(student, teacher)
    expected = torch.nn.functional.smooth_l1_loss(own, taught, beta=1 / 9) * 7
    value = anchor_smooth_l1(student, teacher, torch.zeros(40).long(), 1)
    torch.testing.assert_close(value, expected)


def test_anchors_are_outermost_as_the_head_orders_them():
    head = torch.zeros(1, 2 * 7)
    head[0, 7 + 6] = torch.pi  # yaw of the second anchor, half a turn
    value = anchor_smooth_l1(torch.zeros(1, 14), head, torch.tensor([0]), 1)
    assert value == pytest.approx(0.0, abs=1e-6)
    head = Anchor3DHead.add_sin_difference(head.view(-1, 7), torch.zeros(2, 7))[0]  # its own view
    assert head[1, 6] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    'box',
    [
        torch.zeros(0, 7),
        torch.tensor([[90.0, 90.0, 0.0, 4.0, 2.0, 1.5, 0.3]]),
        torch.tensor([[-1.2, 1.5, 0.0, 0.1, 0.1, 1.5, 0.3]]),
    ],
    ids=['no box', 'outside the map', 'between the cells'],
)
def test_without_foreground_the_loss_is_a_connected_zero(box):
    fields = scene([0, 0], (7, 7))
    fields['boxes'][1], fields['classes'][1] = box, torch.zeros(len(box)).long()
    value = call(AnchorBoxLoss(), fields)
    value.backward()
    assert value == 0 and (fields['student'].grad == 0).all()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(code_size=6), 'code_size must be at least 7, x, y, z, dx, dy, dz and yaw, but got 6'),
        (dict(margin=-1.0), 'margin must be at least 0 meters, but got -1.0'),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AnchorBoxLoss(**options)


def test_a_map_of_logits_is_refused():
    with pytest.raises(ValueError, match='anchors of 7 numbers each, but 18 channels came: tap'):
        call(AnchorBoxLoss(), scene([1], (18, 18)))


def test_heads_with_other_anchors_are_refused():
    with pytest.raises(ValueError, match='student has 7 channels but teacher has 14; both heads'):
        call(AnchorBoxLoss(), scene([1], (7, 14)))

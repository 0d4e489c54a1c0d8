import pytest
import torch
from toy_boxes import check_against_loop, first_box, scene, sigmoid

from projects.SRKD.losses.sparsekd.anchor_logits import AnchorLogitLoss


def call(loss, fields, **changes):
    return loss(**{k: v for k, v in {**fields, **changes}.items() if k != 'cell_size'})


def loop(fields, mask, threshold, soft, margin):
    total, mass = 0, 0
    for row, (own, taught) in enumerate(zip(fields['student'], fields['teacher'])):
        sure = max(sigmoid(z).item() for z in taught)
        if mask == 'spatial':
            weight = first_box(fields, row, range(9), margin) is not None
        else:
            weight = mask == 'none' or sure > threshold
        weight = weight * (sure if soft and mask != 'none' else 1)
        total = total + weight * sum((sigmoid(a) - sigmoid(b)) ** 2 for a, b in zip(own, taught))
        mass += weight
    return total / (mass + 1e-6)


@pytest.mark.parametrize('soft', [False, True])
@pytest.mark.parametrize(
    ('mask', 'threshold', 'margin'),
    [('spatial', 0.0, 0.0), ('spatial', 0.0, 0.3), ('teacher', 0.8, 0.0), ('none', 0.0, 0.0)],
)
@pytest.mark.parametrize('counts', [[6], [0, 7, 5]])
def test_value_and_gradient_equal_the_loop(counts, mask, threshold, margin, soft):
    fields = scene(counts, (6, 6))
    value = call(AnchorLogitLoss(mask, threshold, soft, margin), fields)
    expected = loop(fields, mask, threshold, soft, margin)
    check_against_loop(value, expected, fields['student'])


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
    fields = scene([0, 0], (4, 4))
    fields['boxes'][1], fields['classes'][1] = box, torch.zeros(len(box)).long()
    value = call(AnchorLogitLoss(), fields)
    value.backward()
    assert value == 0 and (fields['student'].grad == 0).all()


@pytest.mark.parametrize('mask', ['teacher', 'none'])
def test_masks_without_boxes_need_no_objects_but_a_sample(mask):
    fields = scene([0, 0], (4, 4))
    loss = AnchorLogitLoss(mask)
    kept = fields['batch'] == 0
    rows = {k: fields[k][kept] for k in ('student', 'teacher', 'coord', 'batch')}
    expected = call(loss, {**fields, **rows})
    fields['batch'] = torch.where(kept, 0, -1)
    assert expected > 0
    torch.testing.assert_close(call(loss, fields), expected)


def test_an_unsure_teacher_teaches_nothing_above_the_threshold():
    fields = scene([3], (4, 4))
    fields['teacher'] = torch.full_like(fields['teacher'], -1.0)
    value = call(AnchorLogitLoss('teacher', threshold=0.3), fields)
    value.backward()
    assert value == 0 and (fields['student'].grad == 0).all()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(mask='anchor'), "mask must be one of .* but got 'anchor'"),
        (dict(threshold=2.0), r'threshold must be a probability in \[0, 1\), but got 2.0'),
        (dict(margin=-1.0), 'margin must be at least 0 meters, but got -1.0'),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AnchorLogitLoss(**options)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(teacher=torch.zeros(30, 6)), 'student has 4 classes but teacher has 6'),
        (dict(teacher=torch.zeros(29, 4)), 'student has 30 rows but teacher has 29'),
        (dict(batch=torch.zeros(30)), 'batch must hold integer ids'),
        (dict(boxes=[torch.zeros(1, 6)]), r'x, y, z, dx, dy, dz, yaw.* sample 0 has \(1, 6\)'),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        call(AnchorLogitLoss(), scene([1], (4, 4)), **changes)

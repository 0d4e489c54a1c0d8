import math

import pytest
import torch
from toy_boxes import CELL, CORNER, check_against_loop, objects, scene, sigmoid

from projects.SRKD.losses.sparsekd.pivotal_logits import (
    PivotalHeatmapLoss,
    pivotal_mse,
    row_confidence,
)


def heat(fields, row, classes, min_radius):
    """Largest Gaussian of a task at a row."""
    sample, (x, y, _) = fields['batch'][row].item(), fields['coord'][row].tolist()
    column, line = ((v - c) // s for v, c, s in zip((x, y), CORNER, CELL))
    best = 0.0
    for owner, box in objects(fields, classes):
        at = [int((box[axis] - CORNER[axis]) / CELL[axis]) for axis in (0, 1)]
        if owner != sample or not (0 <= at[0] < 6 and 0 <= at[1] < 5):
            continue
        total = box[3] / CELL[0] + box[4] / CELL[1]
        area = box[3] / CELL[0] * box[4] / CELL[1]
        radius = (math.sqrt(0.04 * total**2 + 16 * 0.1 * 0.9 * area) - 0.2 * total) / 2
        radius = max(min_radius, int(radius))  # the third root is the smallest for so small boxes
        gap = abs(column - at[0]), abs(line - at[1])
        if max(gap) <= radius:
            sigma = (2 * radius + 1) / 6
            best = max(best, math.exp(-(gap[0] ** 2 + gap[1] ** 2) / (2 * sigma**2)))
    return best


def loop(fields, classes, threshold=0.0, rank=None, masks=('confidence', 'foreground'), soft=True):
    rows = range(len(fields['student']))
    sure = [max(sigmoid(z).item() for z in fields['teacher'][row]) for row in rows]
    total, mass = 0, 0
    for row in rows:
        mask = 1.0
        if 'confidence' in masks:
            mask *= (sure[row] if soft else 1) * (sure[row] > threshold)
        if 'foreground' in masks:
            warm = heat(fields, row, classes, min_radius=0)
            mask *= warm if soft else warm > 0
        if rank is not None:
            peers = [r for r in rows if fields['batch'][r] == fields['batch'][row]]
            mask *= sum(sure[r] > sure[row] for r in peers) < rank
        pairs = zip(fields['student'][row], fields['teacher'][row])
        total = total + mask * sum((sigmoid(a) - sigmoid(b)) ** 2 for a, b in pairs)
        mass += mask
    return total / (mass + 1e-6)


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(threshold=0.8),
        dict(rank=4),
        dict(rank=4, masks=(), threshold=0.9),
        dict(masks=('foreground',)),
        dict(masks=('confidence',), threshold=0.7, soft=False),
        dict(soft=False, rank=999),
        dict(masks=()),
    ],
    ids=str,
)
@pytest.mark.parametrize('counts', [[6], [0, 7, 5]])
def test_value_and_gradient_equal_the_loop(counts, options):
    classes = (2, 0)
    fields = scene(counts, (2, 2))
    value = PivotalHeatmapLoss(classes, min_radius=0, **options)(**fields)
    # The heat map is float32, as is the head's own target.
    torch.testing.assert_close(value, loop(fields, classes, **options), rtol=1e-6, atol=0)
    gradients = [
        torch.autograd.grad(each, fields['student'])[0]
        for each in (value, loop(fields, classes, **options))
    ]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-9)


def test_the_function_equals_the_loop_on_any_mask():
    fields = scene([3, 4], (3, 3))
    mask = torch.rand(len(fields['batch']), dtype=torch.float64)
    expected = 0
    for weight, own, taught in zip(mask, fields['student'], fields['teacher']):
        expected = expected + weight * sum(
            (sigmoid(a) - sigmoid(b)) ** 2 for a, b in zip(own, taught)
        )
    value = pivotal_mse(fields['student'], fields['teacher'], mask)
    check_against_loop(value, expected / (mask.sum() + 1e-6), fields['student'])


def test_another_task_s_objects_are_no_foreground():
    fields = scene([5, 5], (2, 2))
    fields['classes'] = [torch.full((5,), 2), torch.full((5,), -1)]
    value = PivotalHeatmapLoss((0, 1))(**fields)
    value.backward()
    assert value == 0 and (fields['student'].grad == 0).all()
    assert PivotalHeatmapLoss((2, 0))(**fields) > 0


@pytest.mark.parametrize('options', [dict(), dict(rank=3)])
def test_without_objects_the_loss_is_a_connected_zero(options):
    fields = scene([0, 0], (2, 2))
    value = PivotalHeatmapLoss((0, 1), **options)(**fields)
    value.backward()
    assert value == 0 and (fields['student'].grad == 0).all()
    assert PivotalHeatmapLoss((0, 1), masks=('confidence',), **options)(**fields) > 0


def test_rows_of_no_sample_are_left_out():
    fields = scene([6, 6], (2, 2))
    loss = PivotalHeatmapLoss((0, 1), masks=('confidence',))
    alone = {k: fields[k][fields['batch'] == 0] for k in ('student', 'teacher', 'coord', 'batch')}
    expected = loss(**{**fields, **alone})
    fields['batch'] = torch.where(fields['batch'] == 0, 0, -1)
    torch.testing.assert_close(loss(**fields), expected)


def test_a_single_cell_under_an_object_counts_fully():
    fields = scene([1], (1, 1), height=1, width=1)
    fields['boxes'] = [torch.tensor([[-1.6, 1.25] + [1.0] * 5])]
    fields['classes'] = [torch.ones(1).long()]
    expected = (sigmoid(fields['student']) - sigmoid(fields['teacher'])).square().sum()
    torch.testing.assert_close(PivotalHeatmapLoss([1])(**fields), expected, rtol=1e-3, atol=0)


def test_confidence_is_that_of_the_likeliest_class_and_finite_for_any_logit():
    teacher = torch.tensor([[0.0, 1.0], [-99.0, 99.0], [-99.0, -99.0]])
    expected = [1 / (1 + math.exp(-1)), 1 - 1e-4, 1e-4]
    assert row_confidence(teacher).tolist() == pytest.approx(expected, rel=1e-4)
    assert row_confidence(torch.zeros(2, 0)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(masks=('confidense',)), "masks must be one of .* nearest: 'confidence'"),
        (dict(threshold=1.0), r'threshold must be a probability in \[0, 1\), but got 1.0'),
        (dict(threshold=-0.1), r'threshold must be a probability in \[0, 1\), but got -0.1'),
        (dict(rank=0), 'rank must be positive, but got 0'),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PivotalHeatmapLoss((0, 1), **options)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(student=torch.zeros(30, 3)), '3 channels but classes names 2: give the class ids'),
        (dict(teacher=torch.zeros(30, 3)), 'student has 2 classes but teacher has 3; both must'),
        (dict(teacher=torch.zeros(30)), r'must be \(N, C_s\) and \(N, C_t\)'),
        (dict(classes=[torch.zeros(2).long()]), 'sample 0 has 1 boxes and classes of shape'),
        (dict(cell_size=(0.0, 1.0)), 'cell_size must be two positive lengths in meters'),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PivotalHeatmapLoss((0, 1))(**{**scene([1], (2, 2)), **changes})


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r'mask must have shape \(2,\), one .* but got \(2, 1\)'):
        pivotal_mse(torch.zeros(2, 1), torch.zeros(2, 1), torch.zeros(2, 1))

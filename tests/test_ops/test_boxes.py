import math

import pytest
import torch

from projects.SRKD.ops import boxes as boxes_module
from projects.SRKD.ops.boxes import (
    ragged_arange,
    rows_at_centers,
    rows_in_boxes_bev,
    select_boxes,
)


def make_boxes(counts, extent=10.0, seed=0):
    gen = torch.Generator().manual_seed(seed)
    boxes = []
    for count in counts:
        box = torch.rand(count, 7, generator=gen) * extent
        box[:, 3:6] = torch.rand(count, 3, generator=gen) * 4 + 0.1
        box[:, 6] = torch.randn(count, generator=gen) * 5  # several turns
        boxes.append(box)
    return boxes


def make_rows(rows, samples, extent=10.0, seed=0):
    gen = torch.Generator().manual_seed(seed)
    coord = torch.rand(rows, 3, generator=gen) * (extent + 2) - 1
    return coord, torch.randint(-1, samples, (rows,), generator=gen)


def inside_loop(coord, batch, boxes, margin=0.0):
    """First box around every row, by complex numbers."""
    found = []
    for (x, y, *_), sample in zip(coord.tolist(), batch.tolist()):
        hit = -1
        for b, box in enumerate(boxes[sample].tolist() if sample >= 0 else []):
            turned = complex(x - box[0], y - box[1]) * complex(math.cos(-box[6]), math.sin(-box[6]))
            if (
                hit < 0
                and abs(turned.real) < box[3] / 2 + margin
                and abs(turned.imag) < box[4] / 2 + margin
            ):
                hit = b + sum(len(each) for each in boxes[:sample])
        found.append(hit)
    return torch.tensor(found, dtype=torch.int64)


@pytest.mark.parametrize('max_pairs', [1, 40, 1 << 20])
@pytest.mark.parametrize('counts', [[12], [0, 9, 3], [1, 0, 0], [0, 0]])
@pytest.mark.parametrize('margin', [0.0, 0.4])
def test_rows_in_boxes_equal_the_loop(monkeypatch, counts, margin, max_pairs):
    monkeypatch.setattr(boxes_module, 'MAX_PAIRS', max_pairs)
    boxes = make_boxes(counts)
    coord, batch = make_rows(300, len(counts))
    found = rows_in_boxes_bev(coord, batch, boxes, margin)
    assert torch.equal(found, inside_loop(coord, batch, boxes, margin))
    assert (found >= 0).any() == (sum(counts) > 0)


def test_a_row_on_the_border_and_a_box_without_an_area_are_outside():
    coord = torch.tensor([[2.0, 0.0, 0.0], [1.99, 0.0, 0.0], [5.0, 5.0, 0.0]])
    box = torch.tensor(
        [
            [5.0, 5.0, 0.0, -9.0, -9.0, -9.0, 0.5],  # KITTI's DontCare
            [0.0, 0.0, 9.0, 4.0, 2.0, 1.0, 0.0],
            [5.0, 5.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        ]
    )
    found = rows_in_boxes_bev(coord, torch.zeros(3).long(), [box])
    assert found.tolist() == [-1, 1, -1]


def test_a_box_between_the_cell_centers_needs_a_margin():
    coord = torch.tensor([[0.5, 0.5, 0.0], [1.5, 0.5, 0.0]])
    box = [torch.tensor([[1.0, 0.5, 0.0, 0.6, 0.6, 1.0, 0.3]])]
    batch = torch.zeros(2).long()
    assert rows_in_boxes_bev(coord, batch, box).tolist() == [-1, -1]
    assert rows_in_boxes_bev(coord, batch, box, margin=0.4).tolist() == [0, 0]


def test_velocities_behind_the_box_are_ignored():
    coord, batch = make_rows(50, 1)
    (box,) = make_boxes([4])
    fast = torch.cat([box, torch.full((4, 2), 7.0)], dim=1)
    assert torch.equal(
        rows_in_boxes_bev(coord, batch, [box]), rows_in_boxes_bev(coord, batch, [fast])
    )


def grid_rows(samples=2, height=7, width=9, low=(-3.0, 1.0), size=(0.5, 0.8), seed=0):
    """Cells of a map, shuffled: coordinates and samples, with column and row of each."""
    cells = torch.cartesian_prod(
        torch.arange(samples), torch.arange(height), torch.arange(width)
    )  # (M, 3) sample, y, x
    cells = cells[torch.randperm(len(cells), generator=torch.Generator().manual_seed(seed))]
    xy = (cells[:, [2, 1]] + 0.5) * torch.tensor(size) + torch.tensor(low)
    return torch.cat([xy, torch.zeros(len(xy), 1)], dim=1), cells[:, 0], cells


def test_rows_at_centers_are_the_cells_that_hold_them():
    coord, batch, cells = grid_rows()
    boxes = make_boxes([5, 8], extent=6.0)
    for box in boxes:
        box[:, 0] -= 3.4  # some lie outside
    row, box = rows_at_centers(coord, batch, boxes, (0.5, 0.8))
    found = {(int(b), *cells[r].tolist()) for r, b in zip(row, box)}
    expected, number = set(), 0
    for sample, some in enumerate(boxes):
        for x, y, *_ in some.tolist():
            column, line = int((x + 3) / 0.5), int((y - 1) / 0.8)  # towards zero, like mmdet3d
            if 0 <= column < 9 and 0 <= line < 7:
                expected.add((number, sample, line, column))
            number += 1
    assert len(row) == len(found) and found == expected and 3 < len(expected) < 13


def test_two_boxes_share_a_cell_and_two_voxels_a_box():
    coord = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 2.0], [1.5, 0.5, 0.0]])
    box = torch.tensor([[0.2, 0.2] + [1.0] * 5, [0.9, 0.9] + [1.0] * 5])
    row, which = rows_at_centers(coord, torch.zeros(3).long(), [box], (1.0, 1.0))
    assert sorted(zip(row.tolist(), which.tolist())) == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize('rows', [0, 1])
@pytest.mark.parametrize('counts', [[], [0], [0, 0]])
def test_no_boxes_and_no_rows_give_nothing(rows, counts):
    coord, batch = torch.zeros(rows, 3), torch.full((rows,), -1 if not counts else 0)
    boxes = [torch.zeros(n, 7) for n in counts]
    assert (rows_in_boxes_bev(coord, batch, boxes) == -1).all()
    row, box = rows_at_centers(coord, batch, boxes, (1.0, 1.0))
    assert row.tolist() == box.tolist() == []


def test_boxes_are_chosen_by_class():
    (box,) = make_boxes([5])
    classes = [torch.tensor([2, -1, 0, 2, 1])]
    assert torch.equal(select_boxes([box], classes)[0], box[[0, 2, 3, 4]])
    assert torch.equal(select_boxes([box], classes, range(2))[0], box[[2, 4]])
    assert select_boxes([box], classes, ())[0].shape == (0, 7)


def test_ragged_arange_equals_a_loop():
    counts = torch.tensor([0, 3, 1, 0, 2])
    owner, position = ragged_arange(counts)
    expected = [(g, i) for g, n in enumerate(counts.tolist()) for i in range(n)]
    assert list(zip(owner.tolist(), position.tolist())) == expected


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(coord=torch.zeros(4)), r'coord must be \(M, >= 2\) and batch \(M,\), but got \(4,\)'),
        (dict(batch=torch.zeros(3).long()), r'but got \(4, 3\) and \(3,\)'),
        (dict(boxes=[torch.zeros(2, 7), torch.zeros(2, 5)]), r'but sample 1 has \(2, 5\)'),
        (dict(boxes=[torch.zeros(2, 7)]), 'batch names sample 1 but boxes holds 1 samples: give'),
        (dict(cell_size=(0.5, 0.0)), r'two positive lengths in meters.* but got \(0.5, 0.0\)'),
        (dict(cell_size=(0.5,)), r'two positive lengths in meters.* but got \(0.5,\)'),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    fields = dict(
        coord=torch.zeros(4, 3),
        batch=torch.tensor([0, 1, 0, 1]),
        boxes=[torch.zeros(1, 7), torch.zeros(0, 7)],
        cell_size=(0.5, 0.5),
    )
    with pytest.raises(ValueError, match=message):
        rows_at_centers(**{**fields, **changes})


def test_classes_that_do_not_fit_are_refused():
    boxes = [torch.zeros(1, 7), torch.zeros(2, 7)]
    with pytest.raises(ValueError, match='boxes holds 2 samples but classes holds 1'):
        select_boxes(boxes, [torch.zeros(1).long()])
    with pytest.raises(ValueError, match=r'sample 1 has 2 boxes and classes of shape \(1,\)'):
        select_boxes(boxes, [torch.zeros(1).long()] * 2)

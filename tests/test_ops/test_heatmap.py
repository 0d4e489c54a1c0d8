"""The heat map against the target that mmdet3d's CenterHead trains on."""

import mmdet3d.models  # noqa: F401 - registers the head
import pytest
import torch
from mmdet3d.models.utils import gaussian_radius as mmdet3d_radius
from mmdet3d.registry import MODELS
from mmdet3d.structures import LiDARInstance3DBoxes
from mmengine.structures import InstanceData

from projects.SRKD.ops.boxes import rows_at_centers, select_boxes
from projects.SRKD.ops.heatmap import gaussian_heatmap, gaussian_radius

LOW, VOXEL, FACTOR, CELLS = (-8.0, -4.0), (0.2, 0.25), 4, (20, 11)  # x, y
CELL = tuple(size * FACTOR for size in VOXEL)
TASKS = (('car',), ('truck', 'bus'))


def make_head(overlap, min_radius):
    train_cfg = dict(
        grid_size=[CELLS[0] * FACTOR, CELLS[1] * FACTOR, 1],
        point_cloud_range=[*LOW, -5.0, LOW[0] + CELLS[0] * CELL[0], LOW[1] + CELLS[1] * CELL[1], 3],
        voxel_size=[*VOXEL, 8.0],
        out_size_factor=FACTOR,
        dense_reg=1,
        gaussian_overlap=overlap,
        max_objs=500,
        min_radius=min_radius,
        code_weights=[1.0] * 10,
    )
    coder = dict(type='CenterPointBBoxCoder', pc_range=LOW, out_size_factor=4, voxel_size=VOXEL)
    return MODELS.build(
        dict(
            type='CenterHead',
            in_channels=4,
            tasks=[dict(num_class=len(names), class_names=list(names)) for names in TASKS],
            common_heads=dict(reg=(2, 1)),
            share_conv_channel=4,
            bbox_coder=coder,
            separate_head=dict(type='SeparateHead', init_bias=-2.19, final_kernel=1),
            loss_cls=dict(type='mmdet.GaussianFocalLoss'),
            loss_bbox=dict(type='mmdet.L1Loss'),
            train_cfg=train_cfg,
        )
    )


def make_objects(counts, seed):
    """Objects in and around the range; some are dots, some longer than the map."""
    gen = torch.Generator().manual_seed(seed)
    boxes, classes = [], []
    for count in counts:
        box = torch.randn(count, 9, generator=gen)
        extent = torch.tensor(CELLS) * torch.tensor(CELL)
        box[:, :2] = torch.rand(count, 2, generator=gen) * (extent + 4) + torch.tensor(LOW) - 2
        box[:, 3:6] = torch.rand(count, 3, generator=gen).square() * 12
        box[:1, 3] = 0
        boxes.append(box)
        classes.append(torch.randint(0, 3, (count,), generator=gen))
    return boxes, classes


def truths(boxes, classes):
    return [
        InstanceData(
            bboxes_3d=LiDARInstance3DBoxes(box, box_dim=9, origin=(0.5, 0.5, 0.5)), labels_3d=ids
        )
        for box, ids in zip(boxes, classes)
    ]


def make_rows(samples):
    """All cells, ordered b, y, x."""
    y, x = torch.meshgrid(torch.arange(CELLS[1]), torch.arange(CELLS[0]), indexing='ij')
    xy = (torch.stack([x, y], dim=-1) + 0.5) * torch.tensor(CELL) + torch.tensor(LOW)
    return (
        torch.nn.functional.pad(xy.flatten(0, 1), (0, 1)).repeat(samples, 1),
        torch.arange(samples).repeat_interleave(y.numel()),
    )


@pytest.mark.parametrize(('overlap', 'min_radius'), [(0.1, 2), (0.1, 0), (0.5, 1)])
@pytest.mark.parametrize('seed', range(4))
def test_a_full_grid_carries_the_target_of_center_head(overlap, min_radius, seed):
    boxes, classes = make_objects([9, 0, 25], seed)
    coord, batch = make_rows(3)
    heat = gaussian_heatmap(coord, batch, boxes, classes, 3, CELL, overlap, min_radius)
    head = make_head(overlap, min_radius)
    target = torch.cat(head.get_targets(truths(boxes, classes))[0], dim=1)  # (B, K, H, W)
    assert 0 < (target > 0).float().mean() < 1 and (target == 1).sum() > 10
    torch.testing.assert_close(heat, target.permute(0, 2, 3, 1).flatten(0, 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize('seed', range(4))
def test_centers_lie_in_the_cells_that_center_head_regresses_in(seed):
    boxes, classes = make_objects([9, 0, 25], seed)
    for box in boxes:
        box[:, 3:5] += 0.1  # the head has no target for a box without an area
    coord, batch = make_rows(3)
    _, _, places, masks = make_head(0.1, 2).get_targets(truths(boxes, classes))
    for wanted, place, mask in zip([(0,), (1, 2)], places, masks):
        rows, _ = rows_at_centers(coord, batch, select_boxes(boxes, classes, wanted), CELL)
        start = (torch.arange(3) * CELLS[0] * CELLS[1])[:, None]
        expected = (place + start)[mask.bool()]
        assert rows.sort().values.tolist() == expected.sort().values.tolist() and len(rows)


def test_order_and_absence_of_rows_and_ignored_boxes_change_nothing_else():
    boxes, classes = make_objects([12, 7], seed=5)
    coord, batch = make_rows(2)
    full = gaussian_heatmap(coord, batch, boxes, classes, 3, CELL)
    kept = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))[:-60]
    kept = torch.cat([torch.tensor([0, len(batch) - 1]), kept])  # the corners hold the grid
    some = gaussian_heatmap(coord[kept], batch[kept], boxes, classes, 3, CELL)
    assert torch.equal(some, full[kept])
    more = [torch.cat([box, box + 1.0]) for box in boxes]
    ignored = [torch.cat([ids, torch.full_like(ids, -1)]) for ids in classes]
    assert torch.equal(gaussian_heatmap(coord, batch, more, ignored, 3, CELL), full)


def test_a_row_of_no_sample_is_cold():
    boxes, classes = make_objects([12], seed=5)
    coord, batch = make_rows(1)
    full = gaussian_heatmap(coord, batch, boxes, classes, 3, CELL)
    batch[::2] = -1
    heat = gaussian_heatmap(coord, batch, boxes, classes, 3, CELL)
    assert (heat[::2] == 0).all() and torch.equal(heat[1::2], full[1::2])


@pytest.mark.parametrize('rows', [0, 1])
@pytest.mark.parametrize('counts', [[], [0], [0, 0]])
def test_without_objects_or_rows_nothing_is_hot(rows, counts):
    boxes = [torch.zeros(n, 7) for n in counts]
    classes = [torch.zeros(n).long() for n in counts]
    batch = torch.full((rows,), 0 if counts else -1)
    heat = gaussian_heatmap(torch.zeros(rows, 3), batch, boxes, classes, 4, (1.0, 1.0))
    assert heat.shape == (rows, 4) and (heat == 0).all()


def test_one_cell_is_hot_for_its_own_box_alone():
    box = [torch.tensor([[0.3, 0.3] + [0.1] * 5, [2.0, 0.3] + [0.1] * 5])]
    heat = gaussian_heatmap(
        torch.zeros(1, 3), torch.zeros(1).long(), box, [torch.tensor([1, 0])], 2, (1.0, 1.0)
    )
    assert heat.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize('overlap', [0.1, 0.5, 0.7])
def test_the_radius_is_that_of_mmdet3d(overlap):
    length, width = torch.rand(2, 50, dtype=torch.float64) * 30
    expected = torch.stack([mmdet3d_radius(pair, overlap) for pair in zip(width, length)])
    torch.testing.assert_close(gaussian_radius(length, width, overlap), expected)


def test_a_class_beyond_the_map_is_refused():
    box = [torch.ones(2, 7)]
    with pytest.raises(ValueError, match='below num_classes = 3, or -1 .* but got 3'):
        gaussian_heatmap(
            torch.zeros(1, 3), torch.zeros(1).long(), box, [torch.tensor([0, 3])], 3, (1.0, 1.0)
        )

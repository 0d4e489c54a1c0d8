"""Overlaps and suppression of mmdet3d's boxes, exact on a CPU."""

import math

import pytest
import torch

from projects.SRKD import compat

pytest.importorskip('mmdet3d')
from mmdet3d.models.layers import box3d_multiclass_nms, box3d_nms, nms_bev  # noqa: E402
from mmdet3d.structures import CameraInstance3DBoxes, LiDARInstance3DBoxes  # noqa: E402
from mmdet3d.structures.bbox_3d import base_box3d  # noqa: E402
from mmdet3d.structures.ops import bbox_overlaps_nearest_3d  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402

from projects.SRKD.compat import mmdet3d_rotated_nms  # noqa: E402
from projects.SRKD.compat.mmdet3d_rotated_nms import rotated_nms  # noqa: E402
from projects.SRKD.ops.rotated_iou import rotated_iou, rotated_iou_3d  # noqa: E402

compat.apply()


def boxes(rows, seed=0, spread=30.0):
    """Boxes in space (N, 7)."""
    g = torch.Generator().manual_seed(seed)
    return torch.cat([torch.rand(rows, 3, generator=g) * torch.tensor([spread, spread, 1.0]),
                      torch.rand(rows, 3, generator=g) * 4 + 0.5,
                      torch.randn(rows, 1, generator=g) * 5], dim=1)  # fmt: skip


def crowd(rows, spread, seed, objects=10):
    """Rectangles (N, 5) that all but repeat those of some objects, half turned by pi; scores."""
    g = torch.Generator().manual_seed(seed)
    things = torch.rand(objects, 5, generator=g) * torch.tensor([40, 40, 0.8, 0.3, 6.28])
    things += torch.tensor([0, 0, 3.5, 1.5, 0])
    found = things[torch.randint(objects, (rows,), generator=g)]
    found = found + spread * torch.randn(rows, 5, generator=g)
    found[:, 4] += math.pi * torch.randint(2, (rows,), generator=g)
    return found, torch.rand(rows, generator=g)


def plain_nms(dets, scores, threshold):
    """Greedy suppression in plain loops."""
    iou, kept = rotated_iou(dets, dets).tolist(), []
    for row in sorted(range(len(dets)), key=lambda row: -scores[row]):
        if all(iou[row][other] <= threshold for other in kept):
            kept.append(row)
    return kept


@pytest.mark.parametrize('kind', [LiDARInstance3DBoxes, CameraInstance3DBoxes])
def test_overlaps_in_space_are_exact(kind):
    a, b = boxes(60, 0), boxes(50, 1)
    found = kind.overlaps(kind(a), kind(b))
    assert found.dtype == torch.float32 and (found > 0.01).sum() > 50
    if kind is CameraInstance3DBoxes:  # in LiDAR axes: x, z; y points down; yaw turns z to x
        swap = [0, 2, 1, 3, 5, 4, 6]
        a, b = (each[:, swap] * torch.tensor([1, 1, -1, 1, 1, 1, -1]) for each in (a, b))
    expected = rotated_iou_3d(a, b)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('mode', ['iou', 'iof'])
@pytest.mark.parametrize('turn', [0, math.pi, -math.pi])
@pytest.mark.parametrize('move', [0, 1e-6, 1e-7])
def test_a_box_covers_itself_turned_and_moved(mode, turn, move):
    first = boxes(1000, 2, spread=5)
    second = first + torch.tensor([move, 0, 0, 0, 0, 0, turn])
    for row in torch.arange(1000).split(100):
        pair = LiDARInstance3DBoxes(first[row]), LiDARInstance3DBoxes(second[row])
        found = LiDARInstance3DBoxes.overlaps(*pair, mode=mode).diagonal()
        torch.testing.assert_close(found, torch.ones(100), rtol=0, atol=2e-5)


@pytest.mark.shows_a_fault
def test_without_the_cure_a_box_turned_by_pi_misses_itself():
    first = boxes(1000, 2)[:, [0, 1, 3, 4, 6]]
    second = first + torch.tensor([0, 0, 0, 0, math.pi])
    theirs = base_box3d.box_iou_rotated.original(first, second, aligned=True)
    assert ((theirs - 1).abs() > 0.1).sum() > 20
    ours = base_box3d.box_iou_rotated(first, second).diagonal()
    torch.testing.assert_close(ours, torch.ones(1000), rtol=0, atol=1e-5)


def test_both_turn_the_same_way():
    a, b = boxes(80, 3)[:, [0, 1, 3, 4, 6]], boxes(70, 4)[:, [0, 1, 3, 4, 6]]
    theirs = base_box3d.box_iou_rotated.original(a, b)
    ours = base_box3d.box_iou_rotated(a, b)
    assert (theirs > 0.05).sum() > 50 and ours.dtype == theirs.dtype
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_no_gradient_passes_through_overlaps():
    found = base_box3d.box_iou_rotated(torch.ones(1, 5, requires_grad=True), torch.ones(1, 5))
    assert found.item() == 1 and not found.requires_grad


def test_nearest_overlaps_of_the_assigners_need_no_cure():
    a = boxes(20, 5)
    found = bbox_overlaps_nearest_3d(a, a, is_aligned=True)
    torch.testing.assert_close(found, torch.ones(20))


@pytest.mark.parametrize('threshold', [0.01, 0.2, 0.7])
@pytest.mark.parametrize('spread', [0, 1e-7, 1e-6, 1e-3, 0.1, 1.0])
@pytest.mark.parametrize('block', [512, 7])
def test_suppression_is_that_of_plain_loops(monkeypatch, threshold, spread, block):
    monkeypatch.setattr(mmdet3d_rotated_nms, 'BLOCK', block)
    for seed in range(3):
        dets, scores = crowd(60, spread, seed)
        found = rotated_nms(dets, scores, threshold)
        assert found.dtype == torch.int64
        assert found.tolist() == plain_nms(dets, scores.tolist(), threshold)


@pytest.mark.shows_a_fault
def test_without_the_cure_doubles_survive():
    kept = []
    for nms in (box3d_nms.nms_rotated.original, box3d_nms.nms_rotated):
        kept.append(sum(len(nms(*crowd(100, 1e-7, seed), 0.5)[1]) for seed in range(20)))
    assert kept[0] > kept[1]


def test_suppression_returns_what_mmcv_returns():
    dets, scores = crowd(50, 0.3, 1)
    theirs, ours = (nms(dets, scores, 0.2)
                    for nms in (box3d_nms.nms_rotated.original, box3d_nms.nms_rotated))  # fmt: skip
    for a, b in zip(theirs, ours):
        torch.testing.assert_close(a, b)
    assert torch.equal(nms_bev(box3d(dets), scores, 0.2), ours[1])
    assert nms_bev(box3d(dets), scores, 0.2, pre_max_size=10, post_max_size=3).tolist() == [
        row for row in scores.argsort(descending=True)[:10].tolist()
        if row in rotated_nms(dets, scores, 0.2)][:3]  # fmt: skip


def box3d(dets):
    """Rectangles as two corners and yaw, as heads pass them."""
    low, high = dets[:, :2] - dets[:, 2:4] / 2, dets[:, :2] + dets[:, 2:4] / 2
    return torch.cat([low, high, dets[:, 4:]], dim=1)


def test_multiclass_suppression_of_the_heads_uses_it():
    dets, scores = crowd(80, 1e-7, 0)
    both = torch.stack([scores, 1 - scores, torch.zeros(80)], dim=1)
    cfg = ConfigDict(use_rotate_nms=True, nms_thr=0.5)
    space = torch.cat([dets, dets[:, :2]], dim=1)
    _, found, labels = box3d_multiclass_nms(space, box3d(dets), both, 0.0, 100, cfg)
    for label in (0, 1):
        kept = plain_nms(dets, both[:, label].tolist(), 0.5)
        assert found[labels == label].tolist() == both[kept, label].tolist()


def test_nothing_to_suppress_and_boxes_without_numbers():
    assert rotated_nms(torch.zeros(0, 5), torch.zeros(0), 0.5).tolist() == []
    dets = torch.ones(3, 5)
    dets[0, 2] = math.inf
    assert rotated_nms(dets, torch.tensor([0.9, 0.1, 0.5]), 0.5).tolist() == [0, 2]


def test_of_equal_scores_the_first_is_kept():
    assert rotated_nms(torch.ones(600, 5), torch.ones(600), 0.5).tolist() == [0]

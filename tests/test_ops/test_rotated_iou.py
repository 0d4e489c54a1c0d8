import json
import math
import os
import subprocess
import sys
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import shapely
import torch

from projects.SRKD.ops.rotated_iou import (
    rotate_iou_eval,
    rotated_intersection,
    rotated_iou,
    rotated_iou_3d,
)

ours = import_module('projects.SRKD.ops.rotated_iou')
KITTI = 'mmdet3d.evaluation.functional.kitti_utils'


def corners(boxes, clockwise=False):
    """Corners of rectangles, each turned by a matrix of its own, (N, 4, 2)."""
    found = []
    for x, y, w, h, yaw in boxes:
        angle = -yaw if clockwise else yaw
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        found.append(np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 @ turn.T + [x, y])
    return np.array(found)


def reference(a, b, clockwise=False):
    """Areas of the intersection, (N, M), by shapely; for boxes in no special position.

    GEOS 3.11 errs in one of ten thousand pairs with collinear edges: nothing for all, or all for 0.
    """
    first, second = (shapely.polygons(corners(each, clockwise)) for each in (a, b))
    return shapely.area(shapely.intersection(first[:, None], second))


def exact(first, second):
    """Area two convex polygons share: Sutherland & Hodgman's clipping in rational numbers."""
    first, second = ([tuple(map(Fraction, xy)) for xy in each.tolist()] for each in (first, second))
    for (ax, ay), (bx, by) in zip(second, second[1:] + second[:1]):
        side = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for x, y in first]
        kept = []
        for i, (x, y) in enumerate(first):
            (last_x, last_y), last, here = first[i - 1], side[i - 1], side[i]
            if last * here < 0:
                t = last / (last - here)
                kept.append((last_x + t * (x - last_x), last_y + t * (y - last_y)))
            if here >= 0:
                kept.append((x, y))
        first = kept
    turns = (first[i - 1][0] * y - first[i - 1][1] * x for i, (x, y) in enumerate(first))
    return float(sum(turns)) / 2


def reference_iou(a, b, clockwise=False):
    shared = reference(a, b, clockwise)
    return shared / (a[:, None, 2] * a[:, None, 3] + b[:, 2] * b[:, 3] - shared)


def random_boxes(rows, seed, spread=4.0, sizes=(0.3, 5.0), origin=0.0):
    random = np.random.default_rng(seed)
    center = origin + random.uniform(-spread, spread, (rows, 2))
    yaw = random.uniform(-20, 20, (rows, 1))
    return np.hstack([center, random.uniform(*sizes, (rows, 2)), yaw])


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(
    'kind',
    [{}, {'spread': 12}, {'sizes': (0.001, 0.1), 'spread': 0.05}, {'sizes': (0.001, 40)},
     {'origin': 2000}],
    ids=['crowded', 'scattered', 'tiny', 'thin', 'far from the origin'],
)  # fmt: skip
def test_random_boxes_overlap_as_shapely_says(kind, device):
    a, b = random_boxes(60, 0, **kind), random_boxes(70, 1, **kind)
    found = rotated_iou(torch.from_numpy(a).to(device), torch.from_numpy(b).to(device))
    assert found.dtype == torch.float64 and found.device.type == torch.device(device).type
    expected = reference_iou(a, b)
    assert (expected > 0).sum() > 100
    np.testing.assert_allclose(found.cpu(), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize('noise', [0, 1e-16, 1e-15, 1e-13, 1e-11, 1e-9, 1e-7, 1e-5])
def test_boxes_on_a_lattice_share_edges_and_corners_with_and_without_noise(noise):
    """One yaw or at right angles, whole coordinates: nearly every pair has collinear edges."""
    random = np.random.default_rng(2)
    rows, yaw = 80, random.uniform(-9, 9)
    turn = np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
    low, size = random.integers(0, 4, (2, rows, 2))
    quarter = random.integers(-4, 5, rows)
    own = np.where(quarter[:, None] % 2, size[:, ::-1], size)
    placed = np.hstack([(low + size / 2) @ turn.T, own, (yaw + quarter * math.pi / 2)[:, None]])
    placed += noise * random.uniform(-1, 1, placed.shape)
    shared = np.minimum((low + size)[:, None], low + size) - np.maximum(low[:, None], low)
    expected = shared.clip(0).prod(axis=2)
    found = rotated_intersection(*[torch.from_numpy(placed)] * 2).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 + 20 * noise)
    iou = rotated_iou(*[torch.from_numpy(placed)] * 2)
    assert found.min() == 0 and iou.min() >= 0 and iou.max() <= 1  # not by a rounding either
    solid = np.flatnonzero(size.all(axis=1))[:20]
    corner = corners(placed[solid])
    expected = [[exact(first, second) for second in corner] for first in corner]
    np.testing.assert_allclose(found[np.ix_(solid, solid)], expected, rtol=0, atol=1e-13)


# name: second box relative to the first, which is 4 x 2 at the origin; their IoU
DEGENERATE = {
    'identical': ((0, 0, 4, 2, 0), 1),
    'turned by pi': ((0, 0, 4, 2, math.pi), 1),
    'turned many times': ((0, 0, 4, 2, 1000 * math.pi), 1),
    'turned by pi/2, sides swapped': ((0, 0, 2, 4, math.pi / 2), 1),
    'moved by a micrometer along': ((1e-6, 0, 4, 2, 0), (4 - 1e-6) / (4 + 1e-6)),
    'moved by a micrometer across': ((0, 1e-6, 4, 2, 0), (2 - 1e-6) / (2 + 1e-6)),
    'turned by a microradian': ((0, 0, 4, 2, 1e-6), 1),
    'turned by less than a rounding': ((0, 0, 4, 2, 1e-17), 1),
    'larger by a micrometer': ((0, 0, 4 + 1e-6, 2 + 1e-6, 0), 8 / ((4 + 1e-6) * (2 + 1e-6))),
    'half along, two collinear edges': ((2, 0, 4, 2, 0), 1 / 3),
    'half along, turned by pi': ((2, 0, 4, 2, -math.pi), 1 / 3),
    'shares a corner and two edges': ((-1, -0.5, 2, 1, 0), 2 / 8),
    'shares three edges': ((1, 0, 2, 2, 0), 4 / 8),
    'shares one edge': ((0, 0.5, 2, 1, math.pi), 2 / 8),
    'touches with an edge': ((4, 0, 4, 2, 0), 0),
    'touches with part of an edge': ((3, 0.3, 1, 2, math.pi / 2), 0),
    'touches with a corner': ((4, 2, 4, 2, 0), 0),
    'touches an edge with a corner': ((0, 1 + math.sqrt(0.5), 1, 1, math.pi / 4), 0),
    'contained': ((0.5, 0.2, 1, 0.5, 0.7), 0.5 / 8),
    'contained, its corners on the edges': ((0, 0, math.sqrt(2), math.sqrt(2), math.pi / 4), 2 / 8),
    'contains': ((0, 0, 40, 20, 0.7), 8 / 800),
    'cross': ((0, 0, 4, 2, math.pi / 2), 4 / 12),
    'no width': ((0, 0, 0, 2, 0.3), 0),
    'a line upon an edge': ((0, 1, 4, 0, 0), 0),
    'a point': ((0.1, 0.1, 0, 0, 0.3), 0),
    'negative size, as a DontCare': ((0, 0, -1, -1, 0), 0),
    'far away': ((-1000, -1000, 4, 2, 0), 0),
    'a millionth of the size': ((1, 0.5, 4e-6, 2e-6, 1), 1e-12),
    'a million times the size': ((1, 0.5, 4e6, 2e6, 1), 1e-12),
}  # fmt: skip


@pytest.mark.parametrize('name', DEGENERATE)
def test_degenerate_pairs_have_their_iou_wherever_they_stand(name):
    (x, y, w, h, turn), expected = DEGENERATE[name]
    for yaw in [0, 0.3, math.pi / 4, math.pi / 2, -math.pi, 100.0, *np.linspace(-7, 7, 29)]:
        cos, sin = math.cos(yaw), math.sin(yaw)
        for east, north in ((0, 0), (-73.21, 41.97)):
            first = boxes((east, north, 4, 2, yaw))
            place = (east + cos * x - sin * y, north + sin * x + cos * y)
            second = boxes((*place, w, h, yaw + turn))
            # a microradian costs about a millionth
            tolerance = 3e-6 if name == 'turned by a microradian' else 1e-11
            for pair in ((first, second), (second, first)):
                assert rotated_iou(*pair).item() == pytest.approx(expected, abs=tolerance)


def test_square_over_its_turned_self_is_an_octagon():
    found = rotated_intersection(boxes((5, 6, 2, 2, 0.2)), boxes((5, 6, 2, 2, 0.2 + math.pi / 4)))
    assert found.item() == pytest.approx(8 * (math.sqrt(2) - 1), rel=1e-14)


def test_two_boxes_without_area_overlap_in_nothing():
    flat = boxes((0, 0, 0, 2, 0.3), (0, 0, 0, 0, 0))
    for criterion in ours.CRITERIA:
        assert rotated_iou(flat, flat, criterion).eq(0).all()


def test_criteria_divide_by_the_union_either_box_or_nothing():
    a, b = boxes((0, 0, 4, 2, 0)), boxes((2, 0, 2, 1, 0), (9, 9, 1, 1, 0))
    names = ('iou', 'over_first', 'over_second', 'intersection')
    found = [rotated_iou(a, b, name).tolist() for name in names]
    assert found == [[[1 / 9, 0]], [[1 / 8, 0]], [[1 / 2, 0]], [[1, 0]]]


def test_few_pairs_are_held_at_a_time_and_their_number_changes_nothing(monkeypatch):
    a, b = torch.from_numpy(random_boxes(50, 3)), torch.from_numpy(random_boxes(20, 4))
    expected, held, whole = rotated_intersection(a, b), [], ours._pairwise_intersection
    monkeypatch.setattr(ours, 'MAX_PAIRS', 64)
    monkeypatch.setattr(
        ours, '_pairwise_intersection', lambda a, b: held.append(len(a)) or whole(a, b)
    )
    assert torch.equal(rotated_intersection(a, b), expected)
    assert len(held) == 17 and max(held) <= 64


@pytest.mark.parametrize(('rows', 'others'), [(0, 3), (3, 0), (0, 0)])
def test_no_boxes_have_no_overlap(rows, others):
    assert rotated_iou(torch.zeros(rows, 5), torch.zeros(others, 5)).shape == (rows, others)
    assert rotated_iou_3d(torch.zeros(rows, 7), torch.zeros(others, 7)).shape == (rows, others)
    assert rotate_iou_eval(np.zeros((rows, 5)), np.zeros((others, 5))).shape == (rows, others)


def test_inputs_of_any_type_are_left_alone():
    a, whole = boxes((0, 0, 4, -2, 1)), torch.tensor([[0, 0, 4, -2, 1]])
    assert rotated_iou(a.float().requires_grad_(), whole).grad_fn is None
    rotate_iou_eval(a.numpy(), a.numpy())
    assert a.tolist() == [[0, 0, 4, -2, 1]] and whole.tolist() == [[0, 0, 4, -2, 1]]


def test_boxes_in_space_overlap_by_area_times_height():
    random = np.random.default_rng(7)
    flat, z, tall = random_boxes(60, 8), random.uniform(-2, 2, 60), random.uniform(0.5, 3, 60)
    upright = torch.from_numpy(np.column_stack([flat[:, :2], z, flat[:, 2:4], tall, flat[:, 4]]))
    height = np.minimum((z + tall)[:, None], z + tall) - np.maximum(z[:, None], z)
    shared = reference(flat, flat) * height.clip(0)
    volume = flat[:, 2] * flat[:, 3] * tall
    found = rotated_iou_3d(upright[:25], upright[20:])
    expected = shared / (volume[:, None] + volume - shared)
    np.testing.assert_allclose(found, expected[:25, 20:], rtol=0, atol=1e-9)
    share = rotated_iou_3d(upright[:25], upright[20:], 'over_second')
    np.testing.assert_allclose(share, (shared / volume)[:25, 20:], rtol=0, atol=1e-9)
    np.testing.assert_allclose(rotated_iou_3d(upright, upright).diagonal(), 1, rtol=0, atol=1e-15)


def test_stand_in_turns_clockwise_as_mmdet3d_does():
    a, b = random_boxes(60, 9), random_boxes(70, 10)
    found = rotate_iou_eval(a, b)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, reference_iou(a, b, clockwise=True), rtol=0, atol=1e-9)
    assert np.abs(found - reference_iou(a, b)).max() > 0.3  # the other sign is not the same


def test_stand_in_agrees_with_the_kernel_of_mmdet3d_run_by_the_cuda_simulator_of_numba():
    source = Path(find_spec('mmdet3d').origin).parent / 'evaluation/functional/kitti_utils'
    a, b = random_boxes(7, 11, spread=2), random_boxes(9, 12, spread=2)
    program = (
        'import json, sys; sys.path.insert(0, sys.argv[1]); import numpy as np, rotate_iou as r; '
        'a, b = (np.array(each) for each in json.load(sys.stdin)); '
        'print(json.dumps([r.rotate_iou_gpu_eval(a, b, c).tolist() for c in (-1, 0, 1, 2)]))'
    )
    finished = subprocess.run(
        [sys.executable, '-c', program, str(source)],
        input=json.dumps([a.tolist(), b.tolist()]),
        env={**os.environ, 'NUMBA_ENABLE_CUDASIM': '1'},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = np.array(json.loads(finished.stdout))
    mine = np.array([rotate_iou_eval(a, b, criterion) for criterion in (-1, 0, 1, 2)])
    assert (mine[0] > 0.05).sum() > 20
    np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)  # theirs is float32


@pytest.mark.parametrize('criterion', [-1, 0, 1])
def test_overlaps_of_mmdet3d_in_space_work_with_the_stand_in(monkeypatch, criterion):
    """KITTI's camera: y points down and is the bottom's, sizes are l, h, w, yaw turns z to x."""
    evaluation = import_module(f'{KITTI}.eval')
    module = ModuleType(f'{KITTI}.rotate_iou')
    module.rotate_iou_gpu_eval = rotate_iou_eval
    monkeypatch.setitem(sys.modules, module.__name__, module)
    kernel = evaluation.d3_box_overlap_kernel.py_func  # compiling takes longer
    monkeypatch.setattr(evaluation, 'd3_box_overlap_kernel', kernel)
    random = np.random.default_rng(13)
    flat, y, tall = random_boxes(40, 14), random.uniform(-1, 1, 40), random.uniform(1, 2, 40)
    camera = np.column_stack([flat[:, 0], y, flat[:, 1], flat[:, 2], tall, flat[:, 3:]])
    found = evaluation.d3_box_overlap(camera, camera[:30], criterion)
    # in LiDAR axes: x forward = z, y left = -x, z up = -y; yaw counter-clockwise from -y
    x, z, yaw = flat[:, 0], flat[:, 1], flat[:, 4]
    lidar = np.column_stack([z, -x, -y, flat[:, 2:4], tall, -yaw - math.pi / 2])
    lidar = torch.from_numpy(lidar)
    ours_3d = rotated_iou_3d(lidar, lidar[:30], ours.CRITERIA[criterion + 1])
    assert (ours_3d > 0.01).sum() > 100
    np.testing.assert_allclose(found, ours_3d, rtol=0, atol=1e-9)
    bev = evaluation.bev_box_overlap(flat, flat[:30])
    np.testing.assert_allclose(bev, reference_iou(flat, flat[:30], True), rtol=0, atol=1e-9)


FIVE, SEVEN = torch.zeros(1, 5), torch.zeros(1, 7)
BAD = [
    (rotated_iou, (torch.zeros(3, 4), FIVE),
     r'a must be \(rows, 5\), boxes of x, y, w, h, yaw, but got \(3, 4\)'),
    (rotated_intersection, (FIVE, FIVE[0]), r'b must be \(rows, 5\), .* but got \(5,\)'),
    (rotated_iou_3d, (SEVEN, FIVE),
     r'b must be \(rows, 7\), boxes of x, y, z, dx, dy, dz, yaw, but got \(1, 5\)'),
    (rotated_iou, (boxes((0, 0, 1, 1, 0), (0, 0, 1, math.nan, 0)), FIVE),
     'a must hold finite numbers, but h of its box 1 is nan'),
    (rotate_iou_eval, (FIVE.numpy(), np.full((1, 5), np.inf)),
     'query_boxes must hold finite numbers, but x of its box 0 is inf'),
    (rotated_iou, (FIVE, FIVE, 'over_frist'),
     "criterion must be one of .* got 'over_frist', nearest: 'over_first'"),
    (rotate_iou_eval, (FIVE.numpy(), FIVE.numpy(), 3),
     r'criterion must be one of \[-1, 0, 1, 2\] .* but got 3'),
]  # fmt: skip


@pytest.mark.parametrize(('function', 'arguments', 'message'), BAD)
def test_bad_input_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)

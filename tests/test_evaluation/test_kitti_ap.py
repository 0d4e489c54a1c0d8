"""mmdet3d's KITTI score on a CPU against the plain loops of kitti_ap_reference."""

import functools

import kitti_ap_reference as reference
import numpy as np
import pytest

from projects.SRKD import compat
from projects.SRKD.evaluation.kitti_metric import CLASSES, DIFFICULTIES, MIN_OVERLAPS

pytest.importorskip('mmdet3d')
import toy_kitti_scenes as toy  # noqa: E402  (needs mmdet3d)
from mmdet3d.evaluation.functional.kitti_utils import eval as kitti  # noqa: E402

compat.apply()
VIEWS = {'bbox': '2D', 'bev': 'BEV', '3d': '3D'}
FRAMES = {1: 60, 2: 12}  # seed -> frames; few objects and many


def score(truth, found, classes=CLASSES, views=VIEWS):
    return kitti.kitti_eval(truth, found, list(classes), eval_types=list(views))[1]


@functools.cache
def scored(seed):
    truth, found = toy.scenes(FRAMES[seed], seed)
    return truth, found, score(truth, found)


@pytest.mark.parametrize('view', ['bev', '3d'])
def test_overlaps_are_those_of_polygons(view):
    truth, found, _ = scored(1)
    number = list(VIEWS).index(view)
    pairs = 0
    for true, guess in zip(truth, found):
        (theirs,), _, _, _ = kitti.calculate_iou_partly([guess], [true], number, 1)
        real = np.flatnonzero(true['name'] != 'DontCare')
        polygons = [[reference.overlap(view, guess, j, true, i) for i in real]
                    for j in range(len(guess['name']))]  # fmt: skip
        np.testing.assert_allclose(theirs[:, real], polygons, rtol=0, atol=1e-10)
        pairs += np.count_nonzero(polygons)
    assert pairs > 1500


@pytest.mark.parametrize('seed', FRAMES)
@pytest.mark.parametrize('view', VIEWS)
def test_average_precision_is_that_of_plain_loops(view, seed):
    truth, found, theirs = scored(seed)
    ap40, objects = [], []
    for name in CLASSES:
        for difficulty in DIFFICULTIES:
            for kind, limits in MIN_OVERLAPS.items():
                limit = limits[name] if view != 'bbox' else MIN_OVERLAPS['strict'][name]
                expected = reference.kitti_ap(truth, found, view, name, difficulty, limit)
                for steps in ('AP11', 'AP40'):
                    key = f'KITTI/{name}_{VIEWS[view]}_{steps}_{difficulty}_{kind}'
                    assert theirs[key] == pytest.approx(
                        getattr(expected, steps.lower()), abs=1e-10
                    ), key
                ap40.append(expected.ap40)
                objects.append(expected.objects)
    assert len(set(ap40)) >= 9 and max(ap40) > 20  # not trivially equal
    assert (max(objects) > 80 and min(objects) > 10) if seed == 1 else max(objects) < 41


@pytest.mark.parametrize('cars', [1, 2, 35, 40, 41, 42, 83])
def test_truth_against_itself_has_a_ceiling_until_there_are_41_objects(cars):
    truth = toy.row_of_cars(cars)
    for scores in (np.ones(cars), np.random.default_rng(0).random(cars)):
        parts = np.split(scores, np.cumsum([len(frame['name']) for frame in truth])[:-1])
        found = [{**frame, 'score': part} for frame, part in zip(truth, parts)]
        theirs = score(truth, found, ['Car'], ['bev', '3d'])
        expected = 100 if cars >= 41 else (cars - 1) / 40 * 100
        ap40 = [ap for key, ap in theirs.items() if 'AP40' in key]
        assert ap40 == pytest.approx([expected] * 12, abs=1e-10)


def frame(*rows):
    """Boxes of 100 x height pixels at a place of their own: name, x, height, then more columns."""
    names, x, heights, *more = zip(*rows)
    n, x = len(rows), np.array(x, float)
    bbox = np.column_stack([x * 200, np.zeros(n), x * 200 + 100, heights])
    place, size = np.column_stack([x * 20, np.ones(n), np.full(n, 9)]), np.tile([4, 2, 2.0], (n, 1))
    return toy.annotation(names, place, size, np.zeros(n), bbox), [np.array(each) for each in more]


# objects: name, place, height in the image, occluded, truncated; detections: name, place, height,
# score; then difficulty, view and the hits and false alarms at the lowest score of a hit
CAR = ('Car', 0, 60, 0, 0.0)
RULES = {
    'a car is found': ([CAR], [('Car', 0, 60, 0.5)], 'easy', 'bev', (1, 0)),
    'a false alarm below the last hit does not count': (
        [CAR], [('Car', 0, 60, 0.5), ('Car', 1, 60, 0.4)], 'easy', 'bev', (1, 0)),
    'a false alarm above it does': (
        [CAR], [('Car', 0, 60, 0.5), ('Car', 1, 60, 0.6)], 'easy', 'bev', (1, 1)),
    'a second box on a car is a false alarm': (
        [CAR, ('Car', 1, 60, 0, 0.0)],
        [('Car', 0, 60, 0.6), ('Car', 0, 60, 0.5), ('Car', 1, 60, 0.4)], 'easy', 'bev', (2, 1)),
    'a van may be found as a car': (
        [CAR, ('Van', 1, 60, 0, 0.0)], [('Car', 0, 60, 0.5), ('Car', 1, 60, 0.6)], 'easy', 'bev',
        (1, 0)),
    'a truck may not': (
        [CAR, ('Truck', 1, 60, 0, 0.0)], [('Car', 0, 60, 0.5), ('Car', 1, 60, 0.6)], 'easy', 'bev',
        (1, 1)),
    'so may a car too occluded': (
        [CAR, ('Car', 1, 60, 1, 0.0)], [('Car', 0, 60, 0.5), ('Car', 1, 60, 0.6)], 'easy', 'bev',
        (1, 0)),
    'a car too truncated': (
        [CAR, ('Car', 1, 60, 0, 0.31)], [('Car', 0, 60, 0.5), ('Car', 1, 60, 0.6)], 'moderate',
        'bev', (1, 0)),
    'a car too low': (
        [CAR, ('Car', 1, 40, 0, 0.0)], [('Car', 0, 60, 0.5), ('Car', 1, 60, 0.6)], 'easy', 'bev',
        (1, 0)),
    'a low false alarm does not count': (
        [CAR], [('Car', 0, 60, 0.5), ('Car', 1, 39, 0.6)], 'easy', 'bev', (1, 0)),
    'one exactly of the limit does': (
        [CAR], [('Car', 0, 60, 0.5), ('Car', 1, 40, 0.6)], 'easy', 'bev', (1, 1)),
    'a DontCare region excuses boxes in the image': (
        [CAR, ('DontCare', 1, 60, 0, 0.0)], [('Car', 0, 60, 0.5), ('Car', 1, 60, 0.6)], 'easy',
        'bbox', (1, 0)),
}  # fmt: skip


@pytest.mark.parametrize('rule', RULES)
def test_rules_on_one_frame(rule):
    objects, detections, difficulty, view, (hits, false) = RULES[rule]
    truth, (occluded, truncated) = frame(*objects)
    found, (scores,) = frame(*detections)
    truth.update(occluded=occluded, truncated=truncated)
    found.update(score=scores)
    # more cars, found for sure, so that a precision below 1 is that of the last threshold alone
    more = toy.row_of_cars(39)
    truth, found = [truth, *more], [found, *({**each, 'score': each['truncated'] + 1}
                                             for each in more)]  # fmt: skip
    hits += 39
    expected = 100 * (hits - 2 + hits / (hits + false)) / 40
    key = f'KITTI/Car_{VIEWS[view]}_AP40_{difficulty}_strict'
    assert score(truth, found, ['Car'], [view])[key] == pytest.approx(expected, abs=1e-10)
    ap = reference.kitti_ap(truth, found, view, 'Car', difficulty, 0.7)
    assert ap.ap40 == pytest.approx(expected, abs=1e-10)

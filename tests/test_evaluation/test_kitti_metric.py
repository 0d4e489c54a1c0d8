"""KittiMetric and the one with ceilings, from predictions to scores, without CUDA and images."""

import kitti_ap_reference as reference
import mmengine
import numpy as np
import pytest

from projects.SRKD import compat
from projects.SRKD.base import UsageError

pytest.importorskip('mmdet3d')
import toy_kitti_scenes as toy  # noqa: E402  (needs mmdet3d)
from mmdet3d.registry import METRICS  # noqa: E402
from mmengine.evaluator import Evaluator  # noqa: E402

from projects.SRKD.evaluation import kitti_metric as ours  # noqa: E402
from projects.SRKD.evaluation.score_names import score_names  # noqa: E402

compat.apply()
CLASSES = ['Pedestrian', 'Cyclist', 'Car']
NAME = 'pred_instances_3d/KITTI'


def evaluate(folder, truth, found, kind='KittiMetric', classes=CLASSES, **kwargs):
    """Run a metric as mmengine's test loop does, two frames at a time."""
    path = toy.write_infos(folder / 'infos.pkl', truth)
    built = METRICS.build(dict(type=kind, ann_file=path, **kwargs))
    evaluator = Evaluator(built)
    evaluator.dataset_meta = dict(classes=classes)
    samples = toy.predictions(found, classes)
    for first in range(0, len(samples), 2):
        evaluator.process(samples[first : first + 2], {})
    scores = evaluator.evaluate(len(samples))
    known = score_names(built, dict(classes=classes))
    assert set(scores) <= known
    if kind == 'KittiMetric' and not kwargs:
        assert set(scores) >= {key for key in known if 'pred_instances_3d' in key}
    return {key.removeprefix('Kitti metric/'): value for key, value in scores.items()}


def guesses(truth, seed=0):
    """Cars moved and turned a little, one in six dropped, some invented; with the reference's box
    in the image, which no limit is near to."""
    r, found = np.random.default_rng(seed), []
    for frame in truth:
        keep = np.flatnonzero(r.random(len(frame['name'])) < 0.85)
        rows = np.concatenate([keep, keep[r.random(len(keep)) < 0.3]])
        size = frame['dimensions'][rows] * r.uniform(0.9, 1.1, (len(rows), 1))
        place = frame['location'][rows] + r.normal(0, 0.12, (len(rows), 3)) * [1, 0.5, 1]
        yaw = frame['rotation_y'][rows] + r.normal(0, 0.05, len(rows))
        bbox = [toy.project([*a, *b, c]) for a, b, c in zip(place, size, yaw)]
        found.append(toy.annotation(frame['name'][rows], place, size, yaw,
                                    np.array(bbox).reshape(-1, 4),
                                    score=r.random(len(rows))))  # fmt: skip
    return found


@pytest.mark.parametrize('cars', [35, 41])
def test_truth_as_prediction_reaches_the_ceiling(tmp_path, cars):
    truth = toy.row_of_cars(cars)
    scores = evaluate(tmp_path, truth, truth)
    for view in ('BEV', '3D', '2D'):
        ap = scores[f'{NAME}/Car_{view}_AP40_moderate_strict']
        assert ap == pytest.approx(100 if cars == 41 else 85)
    assert scores[f'{NAME}/Pedestrian_3D_AP40_moderate_strict'] == 0


def test_frames_without_objects_may_come_first(tmp_path):
    truth = [toy.nobody(), *toy.row_of_cars(10), toy.nobody()]
    found = [truth[1], *truth[1:-1], toy.nobody()]  # five false alarms on the first
    scores = evaluate(tmp_path, truth, found, classes=['Car'])
    assert scores[f'{NAME}/Car_3D_AP40_easy_strict'] == pytest.approx(9 / 40 * 100 * 10 / 15)


@pytest.mark.parametrize('name', [None, 'Van'])
def test_no_object_of_any_class_is_refused(tmp_path, name):
    truth = [toy.nobody()] * 2
    if name is not None:
        truth = toy.row_of_cars(2, per_frame=1)
        for anno in truth:
            anno['name'] = np.array([name] * len(anno['name']))
    with pytest.raises(ValueError, match='the 2 frames to score hold no object of Ped'):
        evaluate(tmp_path, truth, toy.row_of_cars(2, per_frame=1))


@pytest.fixture(scope='module')
def scored(tmp_path_factory):
    truth = toy.row_of_cars(52, seed=3)
    found = guesses(truth)
    scores = {kind: evaluate(tmp_path_factory.mktemp(kind), truth, found, kind)
              for kind in ('KittiMetric', 'KittiMetricWithCeiling')}  # fmt: skip
    return truth, found, scores


def test_predictions_score_as_in_plain_loops(scored):
    truth, found, scores = scored
    for view, key in (('bev', 'BEV'), ('3d', '3D')):
        for kind, limits in ours.MIN_OVERLAPS.items():
            expected = reference.kitti_ap(truth, found, view, 'Car', 'moderate', limits['Car'])
            prefix, postfix = f'{NAME}/Car_{key}', f'moderate_{kind}'
            assert 5 < expected.ap40 < 95 and expected.objects == 52
            for found_by in scores.values():
                assert found_by[f'{prefix}_AP40_{postfix}'] == pytest.approx(
                    expected.ap40, abs=1e-4
                )
            area = scores['KittiMetricWithCeiling'][f'{prefix}_area_{postfix}']
            assert area == pytest.approx(expected.area, abs=1e-4)
            assert abs(area - expected.ap40) < 5


def test_the_other_keys_are_the_parents(scored):
    theirs, mine = scored[2].values()
    assert mine.items() >= {key: value for key, value in theirs.items() if '/Car_' in key}.items()
    # nobody walks or rides here: no score, and none over all classes
    assert {key for key in mine if '/Car_' not in key} == {
        f'{NAME}/{name}_{what}_{level}'
        for name in ('Pedestrian', 'Cyclist')
        for what in ('objects', 'AP40_ceiling')
        for level in ours.DIFFICULTIES
    }


@pytest.mark.parametrize('seed', [1, 2])
@pytest.mark.parametrize('view', ours.VIEWS)
def test_area_and_numbers_of_random_scenes_are_those_of_plain_loops(view, seed):
    truth, found = toy.scenes(12, seed)
    number = ours.VIEWS[view]
    overlaps = ours.kitti.calculate_iou_partly(found, truth, number, len(truth))[0]
    for name in ours.CLASSES:
        for level in ours.DIFFICULTIES:
            limit = ours.MIN_OVERLAPS['loose'][name]
            expected = reference.kitti_ap(truth, found, view.lower(), name, level, limit)
            area = ours.curve_area(truth, found, overlaps, view, name, level, limit)
            assert area == pytest.approx(expected.area, abs=1e-10)
            assert ours.valid_objects(truth, name, level) == expected.objects > 0


def test_area_of_truth_against_itself_is_full_whatever_the_number(tmp_path):
    truth = toy.row_of_cars(3)
    scores = evaluate(tmp_path, truth, truth, 'KittiMetricWithCeiling', classes=['Car'])
    assert scores[f'{NAME}/Car_objects_easy'] == 3
    assert scores[f'{NAME}/Car_AP40_ceiling_easy'] == 5
    for view in ours.VIEWS:
        assert scores[f'{NAME}/Car_{view}_AP40_easy_strict'] == 5
        assert scores[f'{NAME}/Car_{view}_area_easy_strict'] == 100


def test_few_points_of_a_long_curve_give_nearly_its_area(monkeypatch):
    truth = toy.row_of_cars(300)
    found = guesses(truth, 1)
    overlaps = ours.kitti.calculate_iou_partly(found, truth, 2, len(truth))[0]
    area = ours.curve_area(truth, found, overlaps, '3D', 'Car', 'easy', 0.5)
    monkeypatch.setattr(ours, 'MAX_THRESHOLDS', 100)
    shorter = ours.curve_area(truth, found, overlaps, '3D', 'Car', 'easy', 0.5)
    assert area > 50 and 0 < area - shorter < 1


def test_ceiling_is_that_of_41_thresholds():
    assert [ours.ap40_ceiling(n) for n in (0, 1, 2, 35, 40, 41, 1000)] == [
        0, 0, 2.5, 85, 97.5, 100, 100]  # fmt: skip


def test_table_shows_numbers_alone_where_objects_are_few(tmp_path, monkeypatch):
    truth = toy.row_of_cars(6)
    for level, frame in enumerate(truth):
        frame['occluded'][:] = level  # five easy, one moderate
        frame['name'][0] = 'Cyclist'
    printed = []
    monkeypatch.setattr(ours, 'print_log', lambda text, logger: printed.append(text))
    scores = evaluate(tmp_path, truth, truth, 'KittiMetricWithCeiling', min_objects=4)
    rows = {row[0]: row[1:] for row in (
        [cell.strip() for cell in line.strip('|').split('|')] for line in printed[0].splitlines()
    ) if len(row) > 1}  # fmt: skip
    assert rows['strict / loose IoU'] == [
        'objects', 'ceiling', 'BEV AP40', 'BEV area', '3D AP40', '3D area']  # fmt: skip
    full = ['7.50 / 7.50', '100.00 / 100.00'] * 2
    assert rows['Car easy'] == rows['Car moderate'] == ['4', '7.5', *full]
    assert rows['Cyclist easy'] == ['1', '0.0', *['- / -'] * 4]
    assert rows['Cyclist moderate'] == ['2', '2.5', *['- / -'] * 4]
    assert rows['Pedestrian hard'] == ['0', '0.0', *['- / -'] * 4]
    assert not any('Overall' in key or 'Cyclist_3D' in key for key in scores)
    assert len(printed) == 1


def test_a_class_without_rules_is_refused(tmp_path):
    truth = toy.row_of_cars(2)
    message = 'rules for the classes Car, Pedestrian, Cyclist, but the data set names Van'
    with pytest.raises(ValueError, match=message):
        evaluate(tmp_path, truth, truth, 'KittiMetricWithCeiling', classes=['Car', 'Van'])


def test_boxes_in_the_image_alone_are_left_to_the_parent(tmp_path):
    truth = toy.row_of_cars(41)
    scores = evaluate(tmp_path, truth, truth, 'KittiMetricWithCeiling', ['Car'], metric='img_bbox')
    assert scores[f'{NAME}/Car_2D_AP40_easy_strict'] == 100
    assert not any('3D' in key or 'objects' in key for key in scores)


def submission(folder, names, format_only=True):
    """Write a submission of one car per frame, of frames with these names."""
    truth = toy.row_of_cars(len(names), per_frame=1)
    path = toy.write_infos(folder / 'infos.pkl', truth)
    infos = mmengine.load(path)
    for info, name in zip(infos['data_list'], names):
        info['lidar_points'] = dict(lidar_path=f'{name}.bin')
        if format_only:  # as in a test split
            del info['instances']
    mmengine.dump(infos, path)
    out = str(folder / 'out')
    kwargs = dict(ann_file=path, format_only=format_only, submission_prefix=out)
    evaluator = Evaluator(METRICS.build(dict(type='KittiMetric', **kwargs)))
    evaluator.dataset_meta = dict(classes=['Car'])
    evaluator.process(toy.predictions(truth, ['Car']), {})
    return evaluator.evaluate(len(names)), truth


@pytest.mark.parametrize('format_only', [True, False])
def test_a_submission_names_its_files_by_the_frames(tmp_path, format_only):
    scores, truth = submission(tmp_path, ['000004', '000007'], format_only)
    written = sorted((tmp_path / 'out').rglob('*.txt'))
    assert [path.name for path in written] == ['000004.txt', '000007.txt']
    for path, frame in zip(written, truth):
        name, *numbers = path.read_text().split()
        assert name == 'Car' and len(numbers) == 15
        np.testing.assert_allclose(np.array(numbers[10:13], float), frame['location'][0], atol=1e-3)
    assert list((tmp_path / 'out/pred_instances_3d').iterdir()) == written
    assert bool(scores) != format_only


def test_frames_of_one_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match='infos.pkl has 2 frames named 000004, expected one'):
        submission(tmp_path, ['000004', '000004'])

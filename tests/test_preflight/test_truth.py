"""Ground truth against itself: silent where it scores, else named, or refused."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from mmdet3d.datasets import Seg3DDataset
from mmdet3d.evaluation.functional.kitti_utils import eval as kitti_evaluation
from mmdet3d.registry import DATASETS, METRICS
from mmdet3d.structures import Det3DDataSample
from toy_kitti import interpret

from projects.SRKD.base import UsageError
from projects.SRKD.preflight import truth
from projects.SRKD.preflight.truth import check_truth_scores

CLASSES = ['Pedestrian', 'Cyclist', 'Car']
SIZES = dict(Car=(3.9, 1.5, 1.6), Pedestrian=(0.8, 1.7, 0.6), Cyclist=(1.8, 1.7, 0.6))
CATEGORIES = dict(Pedestrian=0, Cyclist=1, Car=2, DontCare=-1)
LIDAR2CAM = [[0, -1, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]]
CAM2IMG = [[700, 0, 600, 0], [0, 700, 180, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
DONT_CARE = ('DontCare', 0, 0)


def instance(name, x, z, **changes):
    """An object in the camera's frame, standing on the road, with its box in the image."""
    length, height, width = SIZES.get(name, (-1, -1, -1))
    top, low, half = 180 + 700 * (1.65 - height) / z if z else 0, 1.65, 350 * length / max(z, 1)
    u = 600 + 700 * x / max(z, 1)
    box = [u - half, top, u + half, 180 + 700 * low / max(z, 1)]
    number = CATEGORIES[name]
    return dict(
        bbox=box, bbox_label=number, bbox_label_3d=number,
        bbox_3d=[x, 1.65, z, length, height, width, 0.3], num_lidar_pts=50, difficulty=0,
        truncated=0.0, occluded=0, alpha=-10.0, score=0.0, depth=z, center_2d=[u, 180],
        group_id=0, index=0) | changes  # fmt: skip


def good(frame):
    return [('Car', -3 + frame, 12), ('Pedestrian', 2, 10 + frame), ('Cyclist', 4, 15), DONT_CARE]


def runner(tmp_path, objects=good, frames=3, split='val', size=(1242, 375), edit=None, **metric):
    """What a check sees of a run: a data set of KITTI's layout and its metric."""
    infos = []
    for frame in range(frames):
        things = [instance(*each) for each in objects(frame)]
        for thing in things:
            thing.update((edit or dict)(thing) if edit else {})
        camera = dict(cam2img=CAM2IMG, lidar2cam=LIDAR2CAM, width=size[0], height=size[1],
                      lidar2img=CAM2IMG, img_path='')  # fmt: skip
        infos.append(dict(
            sample_idx=frame, images=dict(CAM2=camera, R0_rect=np.eye(4).tolist()),
            lidar_points=dict(num_pts_feats=4, lidar_path=f'{frame}.bin'),
            instances=things))  # fmt: skip
    path = tmp_path / 'infos.pkl'
    path.write_bytes(pickle.dumps(dict(metainfo=dict(categories=CATEGORIES), data_list=infos)))
    data = DATASETS.build(dict(
        type='KittiDataset', data_root=str(tmp_path), ann_file='infos.pkl', pipeline=[],
        data_prefix=dict(pts=''), modality=dict(use_lidar=True, use_camera=False),
        metainfo=dict(classes=CLASSES), box_type_3d='LiDAR', test_mode=True))  # fmt: skip
    metric = METRICS.build(dict(type='KittiMetric', ann_file=str(path)) | metric)
    loop = SimpleNamespace(
        evaluator=SimpleNamespace(metrics=[metric]), dataloader=SimpleNamespace(dataset=data)
    )
    return SimpleNamespace(**{f'_{split}_loop': loop})


@pytest.fixture
def lines(monkeypatch):
    said = []
    monkeypatch.setattr(truth, 'print_log', lambda line, **where: said.append(line))
    return said


@pytest.mark.parametrize('split', ['val', 'test'])
@pytest.mark.parametrize('kind', ['KittiMetric', 'KittiMetricWithCeiling'])
def test_ground_truth_that_scores_passes_in_silence(tmp_path, lines, split, kind):
    run = runner(tmp_path, split=split, type=kind)
    before = copy.deepcopy(getattr(run, f'_{split}_loop').evaluator.metrics[0].__dict__)
    check_truth_scores(run)
    assert not lines
    assert before == getattr(run, f'_{split}_loop').evaluator.metrics[0].__dict__


BROKEN = {
    'image boxes of -1': (dict(edit=lambda t: dict(bbox=[-1.0] * 4)),
                          '9 of 9 have an image box .bbox. without area, such as -1 or 0'),
    'image boxes of 0': (dict(edit=lambda t: dict(bbox=[0.0] * 4)), '9 of 9 have an image box'),
    'width and height swapped': (dict(size=(375, 1242), objects=lambda frame: [('Car', 5, 12)]),
                                 r'3 of 3 do not project into the image of 375 x 1242 pixels'),
    'a sensor on a mast': (dict(pcd_limit_range=[0, -40, -1, 70.4, 40, 5]),
                           r'9 of 9 lie outside pcd_limit_range \[0, -40, -1, 70.4, 40, 5\]'),
    'behind the limit': (dict(pcd_limit_range=[20, -40, -3, 70, 40, 0]), '9 of 9 lie outside'),
    'occluded': (dict(edit=lambda t: dict(occluded=3)), '9 of 9 are too small .* too occluded'),
    'truncated': (dict(edit=lambda t: dict(truncated=0.9)), '9 of 9 are .* too truncated'),
    'far away': (dict(objects=lambda frame: [('Pedestrian', 0, 65)]), '3 of 3 are too small in'),
}  # fmt: skip


@pytest.mark.parametrize('case', BROKEN)
def test_ground_truth_that_scores_nothing_is_refused_with_the_reason(tmp_path, case):
    changes, reason = BROKEN[case]
    with pytest.raises(UsageError, match=f'val_dataloader scores 0 against itself .*: .*{reason}'):
        check_truth_scores(runner(tmp_path, **changes))


def test_a_class_that_scores_nothing_is_named(tmp_path, lines):
    def hidden(thing):
        return dict(bbox=[-1.0] * 4) if thing['bbox_label'] == 1 else {}

    check_truth_scores(runner(tmp_path, edit=hidden))
    (line,) = lines
    assert 'scores 0 against itself in KittiMetric for Cyclist: 3 of 3 have an image box' in line


@pytest.mark.parametrize('objects', [lambda frame: [DONT_CARE], lambda frame: []])
def test_frames_without_an_object_are_refused(tmp_path, objects):
    with pytest.raises(UsageError, match='3 frames of val_dataloader has no object of Pedestrian'):
        check_truth_scores(runner(tmp_path, objects))


def test_one_frame_with_an_object_is_enough(tmp_path, lines):
    check_truth_scores(runner(tmp_path, lambda frame: [('Car', 0, 12)] if frame == 1 else []))
    assert not lines


def test_an_absent_class_is_not_named(tmp_path, lines):
    check_truth_scores(runner(tmp_path, lambda frame: [('Car', 0, 12)]))
    assert not lines


def test_info_files_of_different_frames_are_refused(tmp_path):
    run = runner(tmp_path)
    (tmp_path / 'more').mkdir()
    runner(tmp_path / 'more', frames=4)
    run._val_loop.evaluator.metrics[0].ann_file = str(tmp_path / 'more/infos.pkl')
    with pytest.raises(UsageError, match='infos.pkl, has 4 frames, but the data set .* 3'):
        check_truth_scores(run)


def test_at_most_200_frames_are_looked_at(tmp_path, monkeypatch):
    run = runner(tmp_path, frames=450)
    data, asked = run._val_loop.dataloader.dataset, []
    read = data.get_data_info

    def get_data_info(index):
        asked.append(index)
        return read(index)

    monkeypatch.setattr(data, 'get_data_info', get_data_info)
    check_truth_scores(run)
    assert len(asked) == 200 and asked[0] == 0 and asked[-1] == 449


def test_runs_without_kittis_metric_or_without_a_loop_are_left_alone(tmp_path):
    check_truth_scores(SimpleNamespace())
    check_truth_scores(SimpleNamespace(_val_loop=None, _test_loop=dict(type='TestLoop')))
    other = SimpleNamespace(evaluator=SimpleNamespace(metrics=[object()]), dataloader=None)
    other.dataloader = SimpleNamespace(dataset=None)
    check_truth_scores(SimpleNamespace(_val_loop=other))


def test_the_metric_itself_agrees(tmp_path, monkeypatch):
    """Average precision above 0 where the check passes, 0 where it refuses."""
    interpret(monkeypatch, kitti_evaluation)
    for changes, positive in ((dict(), True), (BROKEN['image boxes of -1'][0], False),
                              (BROKEN['occluded'][0], False)):  # fmt: skip
        loop = runner(tmp_path, **changes)._val_loop
        metric, data = loop.evaluator.metrics[0], loop.dataloader.dataset
        metric.dataset_meta = data.metainfo
        for frame in range(len(data)):
            found = truth._as_found(data.get_data_info(frame))
            metric.process({}, [dict(pred_instances_3d=found, pred_instances={}, sample_idx=frame)])
        scores = metric.evaluate(len(data))
        best = {key: value for key, value in scores.items() if key.endswith('AP11_hard_loose')}
        assert len(best) >= 9
        assert all((value > 0) == positive for key, value in best.items() if '_3D_' in key)


# --- nuScenes and segmentations ------------------------------------------------------------------


def nuscenes_runner(tmp_path, classes=('car', 'pedestrian'), place=10.0, points=9, count=3):
    frames = []
    for number in range(count):
        things = [
            dict(bbox_3d=[x, 1, 0, 4, 2, 1.5, 0], bbox_label_3d=label, bbox_label=label,
                 velocity=[1.0, 0.0], num_lidar_pts=points, bbox_3d_isvalid=True)
            for label, x in ((0, place), (7, place / 2))]  # of mmdet3d's own list  # fmt: skip
        lidar = dict(num_pts_feats=5, lidar_path='a.bin', lidar2ego=np.eye(4).tolist())
        frames.append(dict(sample_idx=number, token=str(number), timestamp=0.0, images={},
                           ego2global=np.eye(4).tolist(), lidar_points=lidar, instances=things,
                           lidar_sweeps=[]))  # fmt: skip
    categories = {name: i for i, name in enumerate(classes)}
    path = tmp_path / 'infos.pkl'
    path.write_bytes(
        pickle.dumps(dict(metainfo=dict(categories=categories, version='v'), data_list=frames))
    )
    data = DATASETS.build(dict(
        type='NuScenesDataset', data_root=str(tmp_path), ann_file='infos.pkl', pipeline=[],
        metainfo=dict(classes=list(classes)), test_mode=True, box_type_3d='LiDAR',
        data_prefix=dict(pts='', img='', sweeps='')))  # fmt: skip
    metric = METRICS.build(
        dict(type='NuScenesMetric', data_root=str(tmp_path), ann_file=str(path), metric='bbox')
    )
    loop = SimpleNamespace(
        evaluator=SimpleNamespace(metrics=[metric]), dataloader=SimpleNamespace(dataset=data)
    )
    return SimpleNamespace(_val_loop=loop)


def test_nuscenes_ground_truth_that_scores_passes_in_silence(tmp_path, lines):
    check_truth_scores(nuscenes_runner(tmp_path))
    assert not lines


def test_a_class_beyond_the_distance_that_nuscenes_scores_is_named(tmp_path, lines):
    check_truth_scores(nuscenes_runner(tmp_path, place=60))  # pedestrians at 30 m count
    (line,) = lines
    assert 'for car: all lie farther from the car than nuScenes scores their class (car 50' in line


@pytest.mark.parametrize('case, reason', [
    (dict(place=500), r'in NuScenesMetric, every class of it \(car, pedestrian\), .* farther'),
    (dict(points=0), 'has no object of car, pedestrian')])  # fmt: skip
def test_nuscenes_ground_truth_that_scores_nothing_is_refused(tmp_path, case, reason):
    with pytest.raises(UsageError, match=reason):
        check_truth_scores(nuscenes_runner(tmp_path, **case))


class Scans(Seg3DDataset):
    """Some scans with their labels, as a test pipeline gives them."""

    METAINFO = dict(classes=('road', 'car'))

    def __init__(self, labels, ignore_index=2):
        self.labels, self.ignore_index, self.asked = labels, ignore_index, []

    metainfo = METAINFO

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        self.asked.append(index)
        sample = Det3DDataSample()
        if self.labels[index] is not None:
            sample.eval_ann_info = dict(pts_semantic_mask=np.array(self.labels[index]))
        return dict(data_samples=sample)


def segmentation(labels, **more):
    loop = SimpleNamespace(
        evaluator=SimpleNamespace(metrics=[METRICS.build(dict(type='SegMetric'))]),
        dataloader=SimpleNamespace(dataset=Scans(labels, **more)),
    )
    return SimpleNamespace(_test_loop=loop)


@pytest.mark.parametrize('labels, looked_at', [([[0, 2], [2]], 1), ([[2, 2], [2, 1]], 2),
                                               ([None, [2]], 1)])  # fmt: skip
def test_a_segmentation_with_a_label_passes_at_the_first(labels, looked_at):
    run = segmentation(labels)
    check_truth_scores(run)
    assert len(run._test_loop.dataloader.dataset.asked) == looked_at


@pytest.mark.parametrize('labels, ignored', [([[2, 2]] * 30, 2), ([[255, -1], [255]], 255),
                                             ([[1, 1]], 1)])  # fmt: skip
def test_a_segmentation_without_a_label_is_refused(labels, ignored):
    with pytest.raises(UsageError, match=f'none of {min(len(labels), 20)} scans of test'):
        check_truth_scores(segmentation(labels, ignore_index=ignored))

"""Scores of a part of a split: the devkit's own where the part is the whole."""

import shutil
from pathlib import Path

import mmengine
import pytest
import torch
from mmdet3d.datasets import NuScenesDataset
from mmdet3d.registry import METRICS
from mmdet3d.structures import LiDARInstance3DBoxes

from projects.MiniScenes.streets import write_nuscenes_detection
from projects.SRKD.base import UsageError
from projects.SRKD.datasets.infos.nuscenes_detection import write_nuscenes_infos
from projects.SRKD.evaluation.score_names import score_names

PREFIX = dict(pts='samples/LIDAR_TOP', img='', sweeps='sweeps/LIDAR_TOP')
START = 'NuScenes metric/pred_instances_3d_NuScenes/'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp('nuscenes') / 'streets'
    return write_nuscenes_detection(out, 1, 2, 2, azimuth_steps=120)


def score(root, kind, shift=0.0):
    """Scores of the ground truth, moved, by a metric."""
    data = NuScenesDataset(data_root=str(root), ann_file='nuscenes_infos_val.pkl', test_mode=True,
                           data_prefix=PREFIX, metainfo=dict(version='v1.0-mini'))  # fmt: skip
    samples = []
    for i in range(len(data)):
        truth = data.get_data_info(i)['eval_ann_info']
        boxes, labels = truth['gt_bboxes_3d'].clone(), torch.from_numpy(truth['gt_labels_3d'])
        boxes.tensor[:, 0] += shift
        found = dict(bboxes_3d=boxes, labels_3d=labels, scores_3d=torch.linspace(1, 0, len(labels)))
        samples.append(dict(pred_instances_3d=found, pred_instances={}, sample_idx=i))
    metric = METRICS.build(dict(type=kind, data_root=str(root),
                                ann_file=f'{root}/nuscenes_infos_val.pkl'))  # fmt: skip
    metric.dataset_meta = data.metainfo
    metric.process({}, samples)
    scores = metric.evaluate(len(samples))
    assert set(scores) == score_names(metric, data.metainfo)
    return {name.removeprefix(START): value for name, value in scores.items()}


def empty(root, kind='NuScenesMetric', samples=(), **meta):
    """Scores of frames in which nothing was found, by a metric that stands alone."""
    metric = METRICS.build(dict(type=kind, data_root=str(root),
                                ann_file=f'{root}/nuscenes_infos_val.pkl'))  # fmt: skip
    metric.dataset_meta = meta
    none = dict(
        bboxes_3d=LiDARInstance3DBoxes(torch.zeros(0, 9), box_dim=9),
        labels_3d=torch.zeros(0, dtype=torch.long),
        scores_3d=torch.zeros(0),
    )
    metric.process(
        {}, [dict(pred_instances_3d=dict(none), pred_instances={}, sample_idx=i) for i in samples]
    )
    return metric.compute_metrics(metric.results)


CLASSES = dict(classes=NuScenesDataset.METAINFO['classes'])
MINI = dict(CLASSES, version='v1.0-mini')


@pytest.mark.parametrize(('samples', 'meta', 'message'), [
    (range(4), {}, 'dataset_meta of NuScenesMetric names no classes'),
    (range(4), CLASSES, 'version in the dataset_meta of NuScenesMetric must be .*, but got None'),
    (range(4), dict(CLASSES, version='v1.0-trainval'),
     'the tables .*v1.0-trainval do not exist, .*; the nearest name there is .*v1.0-mini'),
    ((), MINI, 'has no predictions of .*nuscenes_infos_val.pkl'),
    (range(3), MINI, '1 of the 4 key frames of the split mini_val are not in the predictions'),
])  # fmt: skip
def test_a_metric_that_stands_alone_says_what_it_lacks(root, samples, meta, message):
    with pytest.raises(UsageError, match=message):
        empty(root, samples=samples, **meta)


def test_frames_of_another_version_are_refused_in_a_part_as_well(root, tmp_path):
    other = Path(shutil.copytree(root, tmp_path / 'other'))
    (other / 'v1.0-mini').rename(other / 'v1.0-trainval')
    (other / 'nuscenes_infos_train.pkl').rename(other / 'nuscenes_infos_val.pkl')
    for kind in ('NuScenesMetric', 'NuScenesPartMetric'):
        with pytest.raises(
            UsageError,
            match='2 of the 2 key frames of the predictions of .* are '
            'not in the split val of .*v1.0-trainval, the first is ',
        ):
            empty(other, kind, range(2), **dict(CLASSES, version='v1.0-trainval'))


def test_scores_of_the_whole_are_those_of_mmdet3d(root):
    for shift in (0.0, 0.7):
        ours, theirs = (score(root, kind, shift)
                        for kind in ('NuScenesPartMetric', 'NuScenesMetric'))  # fmt: skip
        assert ours == pytest.approx(theirs, abs=0, nan_ok=True)


def test_a_part_is_scored_where_the_devkit_asks_for_all_frames(root, tmp_path):
    part = Path(shutil.copytree(root, tmp_path / 'part'))
    infos = mmengine.load(part / 'nuscenes_infos_val.pkl')['data_list']
    for info in infos[2:]:  # the second scene
        (part / 'samples/LIDAR_TOP' / info['lidar_points']['lidar_path']).unlink()
    with pytest.warns(UserWarning, match='left out'):
        assert write_nuscenes_infos(part, 'v1.0-mini') == dict(train=2, val=2)
    with pytest.raises(
        UsageError,
        match='2 of the 4 key frames of the split mini_val are not in '
        'the predictions of .*nuscenes_infos_val.pkl, those of scene-0916: .*'
        "type='NuScenesPartMetric' scores the part",
    ):
        score(part, 'NuScenesMetric')
    scores = score(part, 'NuScenesPartMetric')
    assert scores['pedestrian_AP_dist_0.5'] == pytest.approx(1.0)
    assert score(part, 'NuScenesPartMetric', 1.5)['pedestrian_AP_dist_0.5'] < 0.5

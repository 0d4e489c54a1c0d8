"""Scores of a part of a split: the devkit's own where the part is the whole."""

import shutil
from pathlib import Path

import mmengine
import pytest
import torch
from mmdet3d.datasets import NuScenesDataset
from mmdet3d.registry import METRICS

from projects.MiniScenes.streets import write_nuscenes_detection
from projects.SRKD.datasets.infos.nuscenes_detection import write_nuscenes_infos

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
    return {name.removeprefix(START): value for name, value in scores.items()}


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
    with pytest.raises(AssertionError, match='[Ss]amples in split'):
        score(part, 'NuScenesMetric')
    scores = score(part, 'NuScenesPartMetric')
    assert scores['pedestrian_AP_dist_0.5'] == pytest.approx(1.0)
    assert score(part, 'NuScenesPartMetric', 1.5)['pedestrian_AP_dist_0.5'] < 0.5

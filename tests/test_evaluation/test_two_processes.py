"""Scores of an odd number of frames in two processes, the last shown twice, are those of one."""

import numpy as np
import pytest
import torch
import toy_kitti_scenes as toy
from mmdet3d.datasets import NuScenesDataset
from mmdet3d.registry import METRICS
from mmdet3d.structures import DepthInstance3DBoxes
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from processes import run_group
from test_evaluation.test_kitti_metric import CLASSES, guesses
from test_evaluation.test_nuscenes_part_metric import PREFIX
from test_evaluation.test_seg_metric import meta, scans

import projects.SRKD  # noqa: F401 - registers the metrics
from projects.MiniScenes.streets import write_nuscenes_detection

FRAMES = 5


def segmentation(folder, kind):
    return dict(type=kind), meta(), scans(count=FRAMES)


def kitti(folder, kind):
    truth = toy.row_of_cars(5 * FRAMES, per_frame=5, seed=3)
    path = toy.write_infos(folder / 'infos.pkl', truth)
    samples = toy.predictions(guesses(truth), CLASSES)
    return dict(type=kind, ann_file=path), dict(classes=CLASSES), samples


def indoor(folder, kind):
    rng, samples = np.random.default_rng(0), []
    for _ in range(FRAMES):
        boxes = np.hstack([rng.random((4, 3)) * 4, rng.random((4, 3)) + 0.5]).astype(np.float32)
        moved = boxes + rng.normal(0, 0.1, boxes.shape).astype(np.float32)
        labels = rng.integers(0, 2, 4)
        truth, found = (DepthInstance3DBoxes(each, box_dim=6, with_yaw=False, origin=(0.5,) * 3)
                        for each in (boxes, moved))  # fmt: skip
        samples.append(dict(
            eval_ann_info=dict(gt_bboxes_3d=truth, gt_labels_3d=labels),
            pred_instances_3d=dict(bboxes_3d=found, labels_3d=torch.from_numpy(labels),
                                   scores_3d=torch.from_numpy(rng.random(4))),
        ))  # fmt: skip
    return dict(type=kind), dict(classes=('chair', 'table'), box_type_3d='Depth'), samples


def nuscenes(folder, kind):
    root = folder / 'streets'
    if not root.exists():
        write_nuscenes_detection(root, 1, 1, FRAMES, azimuth_steps=60)
    data = NuScenesDataset(data_root=str(root), ann_file='nuscenes_infos_val.pkl', test_mode=True,
                           data_prefix=PREFIX, metainfo=dict(version='v1.0-mini'))  # fmt: skip
    assert len(data) == FRAMES
    samples = []
    for i in range(len(data)):
        truth = data.get_data_info(i)['eval_ann_info']
        boxes, labels = truth['gt_bboxes_3d'].clone(), torch.from_numpy(truth['gt_labels_3d'])
        boxes.tensor[:, 0] += 0.2 * i
        found = dict(bboxes_3d=boxes, labels_3d=labels, scores_3d=torch.linspace(1, 0, len(labels)))
        samples.append(dict(pred_instances_3d=found, pred_instances={}, sample_idx=i))
    metric = dict(type=kind, data_root=str(root), ann_file=f'{root}/nuscenes_infos_val.pkl')
    return metric, data.metainfo, samples


METRICS_OF = {
    'SegMetric': segmentation, 'SegMetricWithVoxels': segmentation, 'KittiMetric': kitti,
    'KittiMetricWithCeiling': kitti, 'IndoorMetric': indoor, 'NuScenesPartMetric': nuscenes,
}  # fmt: skip


def score(folder, kind, rows=None):
    metric, about, samples = METRICS_OF[kind](folder, kind)
    evaluator = Evaluator(METRICS.build(metric))
    evaluator.dataset_meta = about
    rows = range(FRAMES) if rows is None else rows
    for first in range(0, len(rows), 2):  # two frames at a time
        evaluator.process([samples[i] for i in rows[first : first + 2]], {})
    return evaluator.evaluate(FRAMES)


def _rank(rank, folder):
    # each writes its own infos; the streets are there
    own = folder / str(rank)
    own.mkdir(exist_ok=True)
    (own / 'streets').symlink_to(folder / 'streets')
    answers = {}
    for kind in METRICS_OF:
        rows = list(DefaultSampler(range(FRAMES), shuffle=False))
        assert len(rows) == 3  # of five: one frame is shown twice
        answers[kind] = score(own, kind, rows)
    return answers


@pytest.fixture(scope='module')
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp('two')
    alone = {kind: score(folder, kind) for kind in METRICS_OF}
    return alone, run_group(_rank, 2, folder)


@pytest.mark.parametrize('kind', METRICS_OF)
def test_two_processes_score_an_odd_number_of_frames_as_one_does(answers, kind):
    alone, ranks = answers
    assert any(value not in (0, 1, 100) for value in alone[kind].values())
    for found in ranks:
        np.testing.assert_equal(found[kind], alone[kind])


def test_our_metrics_are_among_them():
    ours = {name for name, metric in METRICS.module_dict.items()
            if metric.__module__.startswith('projects.SRKD')}  # fmt: skip
    assert ours <= set(METRICS_OF)

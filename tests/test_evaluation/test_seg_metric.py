"""The metric equals mmdet3d's on raw points and plain counting on voxels."""

import copy
import json
import uuid

import numpy as np
import pytest
import torch
from mmdet3d.evaluation import SegMetric, seg_eval
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.evaluator import Evaluator
from processes import run_group
from toy import save_checkpoint
from toy_nuscenes import write_nuscenes_config
from toy_run import write_config

from projects.SRKD.base import UsageError
from projects.SRKD.engine import launch
from projects.SRKD.evaluation import SegMetricWithVoxels
from projects.SRKD.evaluation.score_names import score_names

NAMES = ('car', 'bus', 'road', 'tree')  # 'bus' never occurs in `scans`


def meta(ignore_index=4):
    return dict(label2cat=dict(enumerate(NAMES)), ignore_index=ignore_index, classes=NAMES)


def scans(count=5, seed=0, voxels=True, classes=(0, 2, 3)):
    """Random truths and predictions of scans of different sizes; 4 is the ignored label."""
    rng = np.random.default_rng(seed)
    samples = []
    for i in range(count):
        size = 50 + 13 * i
        truth = rng.choice([*classes, 4], size)
        rows = rng.integers(0, size // 3, size) if voxels else None
        # Network-like: the points of a voxel share a prediction.
        per_voxel = rng.choice(classes, size)
        predicted = per_voxel[rows] if voxels else rng.choice(classes, size)
        sample = Det3DDataSample(
            metainfo=dict(lidar_path=f'scan{i}.bin'),
            pred_pts_seg=PointData(pts_semantic_mask=torch.from_numpy(predicted)),
        )
        sample.eval_ann_info = dict(pts_semantic_mask=truth)
        if voxels:
            sample.point2voxel_map = torch.from_numpy(rows)
        samples.append(sample)
    return samples


def score(samples, metric=None, batch=None, **changes):
    metric = metric or SegMetricWithVoxels()
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = meta(**changes)
    for sample in copy.deepcopy(samples):
        evaluator.process([sample], batch or dict(inputs=dict(points=[])))
    scores = evaluator.evaluate(len(samples))
    known = score_names(metric, evaluator.dataset_meta)
    assert set(scores) | {'voxel_miou', 'tta_views'} >= known >= set(scores)
    return scores


def arrays(samples):
    truths = [sample.eval_ann_info['pts_semantic_mask'].copy() for sample in samples]
    predictions = [sample.pred_pts_seg.pts_semantic_mask.numpy().copy() for sample in samples]
    return truths, predictions


def iou_by_counting(pairs, name):
    """IoU of one class over (truth, prediction) pairs, the ignored label left out."""
    pairs = [(t, p) for t, p in pairs if t != 4]
    number = NAMES.index(name)
    both = sum(t == p == number for t, p in pairs)
    either = sum(number in (t, p) for t, p in pairs)
    return both / either if either else np.nan


@pytest.mark.parametrize('classes', [(0, 1, 2, 3), (0, 2, 3), (2,)], ids=str)
def test_raw_point_scores_are_those_of_mmdet3d(classes):
    samples = scans(classes=classes)
    expected = seg_eval(*arrays(samples), meta()['label2cat'], 4)
    got = score(samples)
    assert set(got) == {*expected, 'voxel_miou'}
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=0, atol=1e-12, equal_nan=True)
    assert np.isnan(got['bus']) == (1 not in classes)


def test_mmdet3ds_own_metric_gives_the_same_in_a_runner_like_loop():
    samples = scans()
    own = score(samples, SegMetric())
    got = score(samples)
    np.testing.assert_equal({key: got[key] for key in own}, own)


def test_an_ignored_label_among_the_classes_is_left_out_as_in_mmdet3d():
    samples = scans(classes=(0, 1, 2, 3))
    expected = seg_eval(*arrays(samples), meta()['label2cat'], 2)
    got = score(samples, ignore_index=2)
    np.testing.assert_equal({key: got[key] for key in expected}, expected)
    assert np.isnan(got['road'])


def test_a_voxel_counts_once_with_the_label_of_its_first_point():
    samples, pairs = scans(), []
    for sample in samples:
        seen = set()
        rows = sample.point2voxel_map.tolist()
        for row, truth, predicted in zip(rows, *(a[0] for a in arrays([sample]))):
            if row not in seen:
                pairs.append((truth, predicted))
            seen.add(row)
    expected = np.nanmean([iou_by_counting(pairs, name) for name in NAMES])
    got = score(samples)
    assert got['voxel_miou'] == pytest.approx(expected, abs=1e-12)
    assert abs(got['voxel_miou'] - got['miou']) > 1e-3


def test_points_without_a_voxel_are_no_voxel():
    (sample,) = scans(count=1)
    dropped = sample.point2voxel_map == 3
    sample.point2voxel_map[dropped] = -1
    (kept,) = scans(count=1)
    kept.eval_ann_info['pts_semantic_mask'][dropped.numpy()] = 4
    assert score([sample])['voxel_miou'] == score([kept])['voxel_miou']


def test_without_voxels_there_is_no_voxel_score():
    assert 'voxel_miou' not in score(scans(voxels=False))


def test_augmented_scores_say_how_many_views_they_average():
    views = dict(inputs=[dict(points=[])] * 10)
    got = score(scans(), batch=views)
    assert got['tta_views'] == 10 and 'voxel_miou' not in got
    plain = score(scans())
    assert 'tta_views' not in plain and got['miou'] == plain['miou']


def test_the_table_lists_classes_in_the_data_sets_order_and_tells_the_figures_apart(monkeypatch):
    printed = []
    monkeypatch.setattr('projects.SRKD.evaluation.seg_metric.print_log',
                        lambda text, **_: printed.append(text))  # fmt: skip
    got = score(scans())
    rows = [line.split('|')[1:-1] for line in printed[0].splitlines() if line.startswith('|')]
    rows = [[cell.strip() for cell in row] for row in rows]
    assert rows[0] == ['class', 'IoU, raw points', 'accuracy', 'IoU, voxels', 'points']
    assert [row[0] for row in rows[1:]] == [*NAMES, 'mean']
    assert rows[1][1] == f'{got["car"]:.4f}' and rows[2][1] == 'nan'
    assert rows[-1][1:4] == [f'{got[key]:.4f}' for key in ('miou', 'acc_cls', 'voxel_miou')]
    labeled = sum((truth != 4).sum() for truth in arrays(scans())[0])
    assert rows[-1][4] == str(labeled)
    score(scans(), batch=dict(inputs=[{}] * 4))
    assert 'IoU, raw points, 4 TTA views' in printed[1] and 'voxels' not in printed[1]


def test_what_is_kept_of_a_scan_is_small():
    metric = SegMetricWithVoxels()
    metric.dataset_meta = meta()
    (sample,) = scans(count=1)
    metric.process(dict(inputs={}), [sample.to_dict()])
    (entry,) = metric.results
    kept = sum(part.nbytes for key in ('points', 'voxels') for part in entry[key])
    assert kept <= 2 * 9 * 12  # three classes: at most nine cells of four and eight bytes


def test_a_scan_without_ground_truth_is_refused():
    (sample,) = scans(count=1)
    sample.eval_ann_info = None
    match = r'scan0.bin has no ground truth, expected eval_ann_info with pts_semantic_mask'
    with pytest.raises(ValueError, match=match):
        score([sample])


def test_a_pipeline_that_drops_points_is_refused():
    (sample,) = scans(count=1)
    sample.eval_ann_info['pts_semantic_mask'] = np.zeros(49, int)
    with pytest.raises(ValueError, match=r'scan0.bin has 50 predictions for 49 labels'):
        score([sample])


def test_a_submission_needs_a_format_and_a_folder():
    with pytest.raises(UsageError, match=r"submission_prefix='out' .* needs a format, .* ScanNetS"):
        SegMetricWithVoxels(submission_prefix='out')
    with pytest.raises(UsageError, match="format_only=True .* expected submission_prefix='FOLDER'"):
        SegMetricWithVoxels(format_only=True)


def test_mmdet3ds_own_submission_is_refused_while_building():
    with pytest.raises(UsageError, match="prefix='out' cannot write .* type='SegMetricWithVoxels'"):
        SegMetric(submission_prefix='out')


def test_a_submission_leaves_the_scores_as_they_are(tmp_path):
    submission = dict(type='ScanNetSubmission', ids=[10, 11, 12, 13])
    metric = SegMetricWithVoxels(submission_prefix=tmp_path / 'out', submission=submission)
    samples = scans(count=2)
    assert score(samples, metric) == pytest.approx(score(samples), nan_ok=True)
    for i, sample in enumerate(samples):
        lines = np.loadtxt(tmp_path / f'out/scan{i}.txt', dtype=int)
        np.testing.assert_array_equal(lines, 10 + sample.pred_pts_seg.pts_semantic_mask.numpy())


def _part(rank, size):
    """Score every second scan, the last one repeated as a distributed sampler does."""
    samples = scans(count=5)
    mine = [samples[i % 5] for i in range(rank, 6, 2)]
    evaluator = Evaluator(SegMetricWithVoxels())
    evaluator.dataset_meta = meta()
    for sample in mine:
        evaluator.process([sample], dict(inputs={}))
    return evaluator.evaluate(size)


def test_two_processes_give_the_scores_of_one():
    expected = score(scans(count=5))
    for got in run_group(_part, 2, 5):
        np.testing.assert_equal(got, expected)


def evaluate(config, checkpoint, folder, **flags):
    options = {'experiment_name': uuid.uuid4().hex}
    return launch.test(config, checkpoint, work_dir=folder, cfg_options=options, **flags)


def test_the_street_config_is_scored_with_and_without_augmentation(tmp_path):
    config = write_nuscenes_config(tmp_path)
    model = launch.read_config(config).model
    checkpoint = save_checkpoint(model, tmp_path / 'a.pth')
    weights = torch.load(checkpoint, weights_only=False)['state_dict']
    weights['decode_head.conv_seg.weight'] *= 100  # a fresh head gives all points one class
    torch.save({'state_dict': weights}, checkpoint)
    plain = evaluate(config, checkpoint, tmp_path / 'plain')
    averaged = evaluate(config, checkpoint, tmp_path / 'tta', tta=True)
    assert 0 <= plain['miou'] <= 1 and 0 <= plain['voxel_miou'] <= 1
    assert averaged['tta_views'] == 10 and 'voxel_miou' not in averaged
    assert averaged['acc'] != plain['acc']
    (log,) = (tmp_path / 'tta').glob('*/*.json')
    assert json.loads(log.read_text())['tta_views'] == 10


def test_training_validates_with_both_figures(tmp_path):
    config = write_nuscenes_config(tmp_path)
    options = {'experiment_name': uuid.uuid4().hex}
    launch.train(config, work_dir=tmp_path / 'run', cfg_options=options)
    (log,) = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {'miou', 'voxel_miou', 'vegetation'} <= set(lines[-1])


def test_augmentation_without_a_pipeline_for_it_is_refused(tmp_path):
    config = write_config(tmp_path, tta_model=dict(type='Seg3DTTAModel'))
    (tmp_path / 'x.pth').touch()
    with pytest.raises(launch.UsageError, match='--tta needs `tta_pipeline` in the config'):
        evaluate(config, tmp_path / 'x.pth', tmp_path / 'tta', tta=True)

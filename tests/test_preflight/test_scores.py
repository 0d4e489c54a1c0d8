"""Scores of one name, and a best score that nobody gives, are refused before the first step."""

import logging
import uuid
from types import SimpleNamespace

import pytest
from mmdet3d.registry import METRICS
from mmengine.hooks import CheckpointHook
from toy_run import write_config
from toy_runner import Loop

from projects.SRKD.base import UsageError
from projects.SRKD.engine import launch
from projects.SRKD.preflight.scores import check_best_score, check_score_names

CARS = dict(classes=('Car', 'Cyclist'))
ROOMS = dict(classes=('wall', 'floor'), label2cat={0: 'wall', 1: 'floor'})
KITTI = dict(type='KittiMetric', ann_file='infos.pkl')
SEG = dict(type='SegMetricWithVoxels')


def run_of(meta, *metrics, save_best=None, val=True):
    data = SimpleNamespace(metainfo=meta)
    loop = Loop(data, metrics) if val else {}
    hooks = [CheckpointHook(save_best=save_best, rule='greater')] if save_best else []
    return SimpleNamespace(_train_loop=Loop(data), _val_loop=loop, _test_loop={}, hooks=hooks,
                           logger=logging.getLogger('toy_runner'))  # fmt: skip


@pytest.mark.parametrize(('meta', 'metrics', 'said'), [
    (CARS, (KITTI, dict(KITTI, type='KittiMetricWithCeiling')),
     r'val_evaluator\[0\] \(KittiMetric\) and val_evaluator\[1\] \(KittiMetricWithCeiling\) both '
     "call a score Kitti metric/pred_instances.*, expected different names: .*prefix='...'"),
    (ROOMS, (SEG, dict(KITTI, prefix='a'), dict(type='SegMetric')),
     r'val_evaluator\[0\] .*val_evaluator\[2\] \(SegMetric\) both call a score acc'),
    (ROOMS, (dict(type='ToyError'), dict(type='ToyError')), 'both call a score the same'),
    (ROOMS, (dict(type='ToyError', prefix='a'),) * 2, 'both call a score a/...'),
])  # fmt: skip
def test_metrics_that_would_end_in_one_name_are_refused(meta, metrics, said):
    with pytest.raises(UsageError, match=said):
        check_score_names(run_of(meta, *metrics))
    check_score_names(run_of(meta, *metrics[:-1], dict(metrics[-1], prefix='other')))


def test_a_metric_that_only_writes_shares_no_name():
    writes = dict(KITTI, format_only=True, submission_prefix='out')
    check_score_names(run_of(CARS, KITTI, writes))


@pytest.mark.parametrize(('meta', 'metric', 'good', 'wrong', 'nearest'), [
    (ROOMS, SEG, 'voxel_miou', 'mIoU', 'miou'),
    (ROOMS, dict(SEG, prefix='raw'), 'raw/floor', 'raw/flor', 'raw/floor'),
    (CARS, KITTI, 'Kitti metric/pred_instances_3d/KITTI/Overall_3D_AP40_moderate',
     'KITTI/Overall_3D_AP40_moderate',
     'Kitti metric/pred_instances_3d/KITTI/Overall_3D_AP40_moderate'),
    (CARS, dict(type='NuScenesMetric', data_root='', ann_file=''),
     'NuScenes metric/pred_instances_3d_NuScenes/NDS', 'NDS', '.*NDS'),
    (CARS, dict(type='IndoorMetric'), 'mAP_0.25', 'mAP_0.3', 'mAP_0.[25]'),
])  # fmt: skip
def test_a_best_score_that_no_metric_gives_is_refused(meta, metric, good, wrong, nearest):
    for name in (good, 'auto'):
        check_best_score(run_of(meta, metric, save_best=name))
    with pytest.raises(
        UsageError, match=f"save_best='{wrong}' is no score of val_evaluator, nearest: {nearest}"
    ):
        check_best_score(run_of(meta, metric, save_best=wrong))


def test_metrics_of_others_are_left_to_the_first_validation():
    check_best_score(run_of(ROOMS, SEG, dict(type='ToyError'), save_best='anything'))


def test_a_teachers_scores_are_scores():
    run = run_of(ROOMS, SEG, save_best='teacher/miou')
    with pytest.raises(UsageError, match='teacher/miou'):
        check_best_score(run)
    run._val_loop.evaluator.teacher_scores = None
    check_best_score(run)


def test_no_validation_and_a_best_checkpoint_are_told(caplog):
    check_best_score(run_of(ROOMS, save_best='miou', val=False))
    assert 'save_best is set and there is no validation' in caplog.text


def test_a_training_asks_before_its_first_step(tmp_path):
    config = write_config(tmp_path, val_evaluator=[dict(type='ToyError')] * 2)
    options = dict(experiment_name=uuid.uuid4().hex)
    with pytest.raises(UsageError, match='val_evaluator.*both call a score the same'):
        launch.train(config, work_dir=tmp_path / 'run', cfg_options=options)
    assert METRICS.get('ToyError') and not list((tmp_path / 'run').glob('*.pth'))

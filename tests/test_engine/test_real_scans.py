"""SRKD with every term on real scans: it trains, its losses fall, all raw points are scored."""

import copy

import mmdet3d
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from realscans import read_scannet, write_scannet_root, write_semantickitti_root
from toy import minkunet, ptv3
from toy_training import REPO, losses_of, plain_config

METHOD = Config.fromfile(REPO / 'configs/_base_/distill/srkd.py').distill.terms
STEPS = 6
TERMS = ('loss_kd', 'loss_affinity_point', 'loss_affinity_voxel', 'loss_channel',
         'loss_cross_sample')  # fmt: skip


def srkd_run(config: Config, student: dict, teacher: dict, partition: dict, folder) -> Runner:
    """Train ``teacher`` for some steps, then distill it into ``student``; returns that runner."""
    config.optim_wrapper.optimizer.lr = 5e-3
    config.train_cfg = dict(by_epoch=True, max_epochs=STEPS, val_interval=STEPS)
    config.default_hooks.checkpoint.interval = STEPS
    config.model = copy.deepcopy(teacher)
    config.work_dir = str(folder / 'teacher')
    Runner.from_cfg(copy.deepcopy(config)).train()

    terms = METHOD.to_dict()
    for name in ('affinity_point', 'affinity_voxel'):
        terms[name]['loss']['partition'] = partition
    config.model = dict(
        type='DistillSegmentor',
        student=student,
        teacher=dict(config=teacher, checkpoint=str(folder / f'teacher/epoch_{STEPS}.pth')),
        terms=terms,
    )
    config.custom_hooks = [dict(type='DistillCheckpointHook')]
    config.work_dir = str(folder / 'run')
    config.experiment_name += '-srkd'
    runner = Runner.from_cfg(config)
    runner.train()
    return runner


def assert_losses_fall(folder) -> None:
    rows = losses_of(folder / 'run')
    assert len(rows) == STEPS
    for name in ('loss', 'loss_sem_seg', *TERMS):
        values = [row[name] for row in rows]
        assert all(np.isfinite(values)), name
        print(f'{name}: {values[0]:.4f} -> {values[-1]:.4f}')
    for name in ('loss', 'loss_sem_seg', 'loss_kd', 'loss_channel', 'loss_cross_sample'):
        first, last = rows[:2], rows[-2:]
        assert sum(row[name] for row in last) < sum(row[name] for row in first), name


def assert_all_points_scored(runner: Runner, points: int) -> None:
    metric = runner.val_loop.evaluator.metrics[0]
    counted = []
    process = metric.process

    def count(data_batch, data_samples):
        counted.extend(
            (len(sample['pred_pts_seg']['pts_semantic_mask']),
             len(sample['eval_ann_info']['pts_semantic_mask']))
            for sample in data_samples
        )  # fmt: skip
        process(data_batch, data_samples)

    metric.process = count
    scores = runner.val_loop.run()
    print(f'mIoU {scores["miou"]:.4f}, accuracy {scores["acc"]:.4f} on {points} raw points')
    assert [sum(column) for column in zip(*counted)] == [points, points]
    assert scores['acc'] > 1.5 / 20


@pytest.mark.parametrize('student', ['ptv3', 'minkunet'])
def test_srkd_on_real_scannet_scans(realdata, tmp_path, student):
    root = write_scannet_root(realdata, tmp_path / 'scannet')
    build = ptv3 if student == 'ptv3' else minkunet
    config = plain_config(root, tmp_path / 'run', {})
    # the same scans every step: what falls is not luck of the augmentation
    config.train_dataloader.dataset.pipeline = [
        step
        for step in config.train_dataloader.dataset.pipeline
        if step.type not in ('RandomFlip3D', 'GlobalRotScaleTrans', 'RandomJitterPoints')
    ]
    student = build(8, voxel_size=0.15, num_classes=20)
    teacher = ptv3(16, voxel_size=0.15, num_classes=20)
    runner = srkd_run(config, student, teacher, dict(type='CubePartition'), tmp_path)
    assert_losses_fall(tmp_path)
    points = sum(
        len(read_scannet(realdata, scene)[0]) for scene in ('scene0000_00', 'scene0470_00')
    )
    assert_all_points_scored(runner, points)


def test_srkd_on_real_semantickitti_scans(realdata, tmp_path):
    root = write_semantickitti_root(realdata, tmp_path / 'kitti')
    base = Config.fromfile(f'{mmdet3d.__path__[0]}/.mim/configs/_base_/datasets/semantickitti.py')
    config = plain_config(root, tmp_path / 'run', {})
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[name].dataset = base[name].dataset
        config[name].dataset.data_root = str(root)
    config.train_dataloader.dataset.pipeline = [
        step
        for step in config.train_dataloader.dataset.pipeline
        if step.type not in ('RandomFlip3D', 'GlobalRotScaleTrans')
    ]
    networks = [ptv3(width, voxel_size=0.6, num_classes=19, in_channels=4) for width in (8, 16)]
    partition = dict(type='CylinderPartition')
    runner = srkd_run(config, *networks, partition, tmp_path)
    assert_losses_fall(tmp_path)
    assert_all_points_scored(runner, 124_668 + 123_389)

"""Configs of short real runs of mmengine's runner, and what they logged."""

import copy
import json
import uuid
from pathlib import Path

import torch
from mmengine.config import Config
from toy import IMITATE, KD, minkunet

REPO = Path(__file__).parents[1]
NUM_CLASSES = 20
CROSS_SAMPLE = dict(
    student_tap='backbone',
    loss=dict(type='CrossSampleAffinityLoss', temperature=0.1, n_points=32, loss_weight=0.1),
)


def plain_config(data_root: Path, work_dir: Path, student: dict, epochs: int = 2) -> Config:
    """The student alone: real data set class, pipeline and metric, two workers, augmentation."""
    base = Config.fromfile(REPO / 'configs/_base_/datasets/mini-scannet-seg.py')
    config = Config(
        dict(
            model=student,
            work_dir=str(work_dir),
            train_dataloader=base.train_dataloader,
            val_dataloader=base.val_dataloader,
            test_dataloader=base.val_dataloader,
            val_evaluator=base.val_evaluator,
            test_evaluator=base.val_evaluator,
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3)),
            train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=epochs),
            val_cfg=dict(),
            test_cfg=dict(),
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=1),
                checkpoint=dict(type='CheckpointHook', interval=1),
                reseed=dict(type='ReseedHook'),
            ),
            default_scope='mmdet3d',
            randomness=dict(seed=3),
            env_cfg=dict(dist_cfg=dict(backend='gloo')),
            log_level='WARNING',
            log_processor=dict(window_size=1),  # no averaging over steps
            experiment_name=f'{work_dir.name}-{uuid.uuid4().hex}',  # runs of a name share a hub
        )
    )
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[name].dataset.data_root = f'{data_root}/'
        config[name].persistent_workers = False
        config[name].num_workers = 0
    config.train_dataloader.update(batch_size=2, num_workers=2)
    return config


def distill_config(data_root: Path, work_dir: Path, teacher: dict, student=None, epochs: int = 2):
    """The same run with a teacher."""
    student = student or minkunet(8, num_classes=NUM_CLASSES)
    config = plain_config(data_root, work_dir, student, epochs)
    config.model = dict(
        type='DistillSegmentor',
        student=copy.deepcopy(student),
        teacher=copy.deepcopy(teacher),
        terms=copy.deepcopy(dict(kd=KD, imitate=IMITATE, cross_sample=CROSS_SAMPLE)),
    )
    config.custom_hooks = [dict(type='DistillCheckpointHook')]
    return config


def losses_of(work_dir: Path) -> list[dict]:
    """Every logged training step of every run in a work dir, in order."""
    rows = []
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        rows += [json.loads(line) for line in log.read_text().splitlines()]
    return [row for row in rows if 'loss_kd' in row]


def checkpoint_of(work_dir: Path, epoch: int = 2) -> dict:
    return torch.load(work_dir / f'epoch_{epoch}.pth', weights_only=False)

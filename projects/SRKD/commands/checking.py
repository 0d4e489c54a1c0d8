"""A project is tried before it is left: parsed, built, compared, its first scans read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from ..base import UsageError
from ..datasets.class_names import class_names, stored_classes, training_classes
from ..engine.config_file import load_config, read_config
from ..engine.launch import build_runner
from ..models.weights import read_checkpoint
from ..preflight import check_loop, check_run
from ..preflight.built import built_datasets, frames_of
from .kinds import inner
from .project import RUNS, Project


class Tried(NamedTuple):
    """What a trial saw.

    Args:
        scans: Numbers of training and validation scans, each once however often an epoch shows it.
        classes: Names.
        student: Parameters.
        teacher: Parameters.
    """

    scans: tuple[int, int]
    classes: tuple[str, ...]
    student: int
    teacher: int


def try_project(folder: Path) -> Tried:
    """Ask of both configs what a run asks before its first step, and read a scan of each split.

    Raises:
        UsageError: From the first check that fails.
    """
    project = Project(folder)
    configs = {run: read_config(project.config(run), splits=('train', 'val')) for run in RUNS}
    cfg = configs['distilled']
    with tempfile.TemporaryDirectory() as work_dir:
        runner = _built(cfg, work_dir)
        check_loop(runner)
        check_run(runner)
        sets = [loop.dataloader.dataset for loop in (runner._train_loop, runner._val_loop)]
        for dataset in sets:
            dataset[0]
        counts = [0, 0]
        for split, dataset in built_datasets(runner):
            counts[split == 'val'] += len(frames_of(dataset))
        model = runner.model
        for handler in MMLogger.get_current_instance().handlers:
            handler.close()  # before its file goes
    return Tried(
        tuple(counts),
        tuple(sets[0].metainfo['classes']),
        _parameters(model.student),
        _parameters(_skeleton(model.teacher.config)),
    )


def _built(cfg: Config, work_dir: str) -> Runner:
    try:
        return _runner(cfg, work_dir)
    except UsageError as error:
        ours, theirs = class_names(inner(cfg, 'train')), _taught_classes(cfg)
        if theirs is None or ours is None or len(ours) == len(theirs):
            raise
        # which the terms know as numbers of channels
        raise UsageError(
            f'{error}; the student has {", ".join(ours)}, the teacher {", ".join(theirs)}'
        ) from error


def _taught_classes(cfg: Config) -> tuple[str, ...] | None:
    teacher = cfg.model.teacher
    _, meta = read_checkpoint(teacher.checkpoint)
    return stored_classes(meta) or training_classes(load_config(teacher.config))


def _runner(cfg: Config, work_dir: str) -> Runner:
    cfg.work_dir, cfg.log_level = work_dir, 'ERROR'  # what is only told, the run will tell
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    runner = build_runner(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner._val_loop = runner.build_val_loop(runner._val_loop)
    return runner


def _skeleton(config: Config) -> torch.nn.Module:
    config = config.copy()
    config.pop('data_preprocessor', None)  # mmdet3d's voxel layers read tensors' values
    with torch.device('meta'):
        return MODELS.build(config)


def _parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())

"""Caches of tiny teachers on tiny clouds, and what a live teacher says about the same clouds."""

import contextlib
import io

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from toy import build
from toy_training import distill_config

from projects.SRKD.distill import PointMatcher, VoxelView
from projects.SRKD.distill.cache_writing.scans import with_identity
from projects.SRKD.distill.cache_writing.writer import CacheWriter, write_cache


def cached_config(data_root, work_dir, teacher: dict, student=None, epochs: int = 2) -> Config:
    """A distillation run whose points say which they are; its teacher reads ``work_dir/cache``."""
    config = distill_config(data_root, work_dir, teacher, student, epochs)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        dataset = config[loader].dataset
        dataset.pipeline = with_identity(dataset.pipeline)
    config.model.student.data_preprocessor.identity_columns = True
    config.model.teacher.cache = str(work_dir / 'cache')
    return config


def replayed_config(
    data_root, work_dir, teacher: dict, student=None, transforms=None, epochs: int = 2, **views
) -> Config:
    """A distillation run whose scans come in views; its teacher reads ``work_dir/cache``.

    Args:
        transforms: Instead of those of the mini rooms; normalizing and packing come behind them.
        views: Arguments of ``ReplayViews``.
    """
    config = distill_config(data_root, work_dir, teacher, student, epochs)
    dataset, count = config.train_dataloader.dataset, 3  # points, labels, their mapping
    loading, (*own, normalize, pack) = dataset.pipeline[:count], dataset.pipeline[count:]
    transforms = [*(own if transforms is None else transforms), normalize, pack]
    dataset.pipeline = [*loading, dict(type='ReplayViews', transforms=transforms, **views)]
    config.model.teacher.cache = str(work_dir / 'cache')
    return config


def write(config: Config, folder=None, **options) -> CacheWriter:
    """Write the cache of a config, silently."""
    writer = CacheWriter(config, folder, **options)
    with contextlib.redirect_stdout(io.StringIO()):
        write_cache(writer)
    return writer


def plain_steps(config: Config) -> list[dict]:
    """The config's training pipeline without augmentation."""
    kept = ('Load', 'AddPointIdentity', 'PointSegClassMapping', 'Normalize', 'Pack')
    pipeline = config.train_dataloader.dataset.pipeline
    return [step for step in pipeline if step['type'].startswith(kept)]


def load(config: Config, scans, pipeline: list[dict], seed: int = 0) -> dict:
    """What a loader gives of some scans of the training set, through another pipeline."""
    np.random.seed(seed)
    torch.manual_seed(seed)
    dataset = DATASETS.build(dict(config.train_dataloader.dataset, pipeline=pipeline))
    return pseudo_collate([dataset[i] for i in scans])


def matched(model, data: dict, tap: str):
    """The pair of one tap as the model's loss builds it, with the student's view and its rows.

    The student's features at the tap are its row numbers.
    """
    batch = model.data_preprocessor(data, True)
    ours = batch['inputs'], batch['data_samples']
    theirs = model.teacher.prepare(*ours, training=True)
    taught = model.teacher(*theirs)
    view = VoxelView(*ours)
    row = torch.arange(len(view.coors), dtype=torch.float64)[:, None]
    matcher = PointMatcher(view, VoxelView(*theirs))
    return matcher(type(taught[tap])(row), taught[tap]), view


def live(config: Config):
    """The same model with its teacher at work."""
    model = config.model.to_dict()
    model['teacher'].pop('cache')
    return build(model)

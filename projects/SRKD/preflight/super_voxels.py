"""Whether scans of a LiDAR are cut as LiDAR scans, and not by a default that is for rooms."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence

from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.logging import print_log

from ..datasets.class_names import inner_datasets
from .classes import transforms


def tell_default_cubes(cfg: Config, splits: Sequence[str]) -> None:
    """Warn where a loss compares inside of super-voxels that nobody chose, on scans of a LiDAR.

    Losses cut cubes of 1 m where nothing is said. Base files of the data sets say how; a config of
    somebody's own data may not.
    """
    model = cfg.get('model')
    if 'train' not in splits or not isinstance(model, Mapping):
        return
    terms = [name for name, term in (model.get('terms') or {}).items() if _cuts_by_default(term)]
    if not terms or (model.get('super_voxels') or {}).get('partition'):
        return
    if _is_lidar(cfg.get('train_dataloader') or {}):
        print_log(
            f'model.super_voxels is not set, so {" and ".join(terms)} compare inside of cubes of '
            "1 m, which are for rooms, and train_dataloader loads points of coord_type='LIDAR': "
            "super_voxels=dict(partition=dict(type='CylinderPartition'), num_super_voxels=24) is "
            'what the base files of LiDAR data say',
            logger='current',
            level=logging.WARNING,
        )


def _cuts_by_default(term: Mapping | None) -> bool:
    """Whether the loss of a term takes a partition, and the term names none."""
    loss = term.get('loss') if isinstance(term, Mapping) else None
    if not isinstance(loss, Mapping):
        return False  # for the model to refuse
    kind = loss.get('type')
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    if kind is None or 'partition' not in inspect.signature(kind).parameters:
        return False
    return not loss.get('partition') and not (term.get('super_voxels') or {}).get('partition')


def _is_lidar(loader: Mapping) -> bool:
    return any(
        step.get('coord_type') == 'LIDAR'
        for dataset in inner_datasets(loader.get('dataset'))
        for step in transforms(dataset.get('pipeline'))
    )

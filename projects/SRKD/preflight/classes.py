"""The list of classes stands in many places of a config: do they number one list?

Labels are numbers; nothing in mmdet3d compares the lists behind them. A config that inherits
``ObjectSample`` and overrides ``metainfo.classes`` pastes cars as pedestrians.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmdet3d.evaluation import NuScenesMetric
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ..base import UsageError, nearest_name
from ..datasets.class_names import (
    class_names,
    inner_datasets,
    known_classes,
    stored_classes,
)
from ..distill import DistillModel
from ..distill.teacher import teacher_config
from ..models.head_classes import check_head, class_count, head_of, task_names


class Listed(NamedTuple):
    """A list of classes and the key that holds it."""

    key: str
    names: tuple[str, ...]


def check_classes(cfg: Config, splits: Sequence[str] = ('train', 'val', 'test')) -> None:
    """Refuse a config in which data sets, transforms and head do not number one list of classes.

    Args:
        cfg: The config.
        splits: Loaders the run will use.

    Raises:
        UsageError: On the first place that disagrees, with both lists.
    """
    first: Listed | None = None
    for split in splits:
        loader = cfg.get(f'{split}_dataloader') or {}
        for dataset in inner_datasets(loader.get('dataset')):
            own = Listed(f'metainfo.classes of {split}_dataloader', class_names(dataset) or ())
            if not own.names:
                continue
            _check_names(own, known_classes(dataset))
            first = first or own
            _compare(own, first)
            for transform in transforms(dataset.get('pipeline')):
                _check_transform(transform, own, f'{split}_dataloader')
    model = cfg.get('model')
    if not isinstance(model, Mapping) or 'type' not in model:
        return
    student = teacher_config(model)
    check_head(student, 'student' if 'student' in model else 'model')
    if first is not None:
        _check_model(student, first)
        for split in splits:
            for dataset in inner_datasets((cfg.get(f'{split}_dataloader') or {}).get('dataset')):
                _check_ignored(student, dataset, f'{split}_dataloader')


def check_classes_of_run(runner: Runner) -> None:
    """Refuse a run whose data sets, once built, or whose teacher number other classes.

    Raises:
        UsageError: With both lists.
    """
    found = [
        Listed(f'the data set of {split}_dataloader', tuple(names))
        for split, loader in _built_loaders(runner)
        if (names := getattr(loader.dataset, 'metainfo', {}).get('classes'))
    ]
    for own in found:
        _compare(own, found[0])
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if found and isinstance(model, DistillModel):
        model.learn_classes(found[0].names, found[0].key)
    _check_velocities(runner)


def check_classes_of_checkpoint(
    runner: Runner, checkpoint: Mapping, source: str, partial: bool = False
) -> None:
    """Refuse weights that were trained on other classes than those of the run's data.

    Args:
        runner: The runner that has loaded them.
        checkpoint: What the file holds.
        source: Its name.
        partial: Whether the run fine-tunes what fits, with another head: then it is only said.

    Raises:
        UsageError: With both lists.
    """
    stored = stored_classes(checkpoint.get('meta') or {})
    for split, loader in _built_loaders(runner):
        names = getattr(loader.dataset, 'metainfo', {}).get('classes')
        if not names:
            continue
        if stored is None:
            print_log(
                f'{source} names no classes: they are taken to be in the order of the data, '
                f'{_told(names)}',
                logger='current',
            )
        elif tuple(names) != stored:
            what = (
                f'{source} numbers the classes {_told(stored)}, the data set of '
                f'{split}_dataloader {_told(names)}'
            )
            if not partial:
                raise UsageError(f'{what}: take weights of that list, or give the data that order')
            print_log(what, logger='current')
        return


def transforms(pipeline: Any) -> Iterator[Mapping]:
    """Configs of all transforms of a pipeline, those inside others too."""
    for step in pipeline or ():
        if not isinstance(step, Mapping):
            continue
        yield step
        for value in step.values():
            if isinstance(value, (list, tuple)):
                for inner in value:
                    yield from transforms(inner if isinstance(inner, (list, tuple)) else [inner])


def _built_loaders(runner: Runner) -> Iterator[tuple[str, Any]]:
    for split in ('train', 'val', 'test'):
        loop = getattr(runner, f'_{split}_loop', None)
        loader = getattr(loop, 'dataloader', None)  # None, or a config that is not built
        for each in loader if isinstance(loader, (list, tuple)) else [loader]:
            if hasattr(each, 'dataset'):
                yield split, each


def _compare(own: Listed, other: Listed) -> None:
    if own.names != other.names:
        raise UsageError(
            f'{own.key} is {_told(own.names)}, but {other.key} is {_told(other.names)}: labels '
            'are numbers of one list, in one order'
        )


def _check_names(own: Listed, known: Sequence[str] | None) -> None:
    strange = [name for name in own.names if known and name not in known]
    if strange:
        raise UsageError(
            f'{own.key} has {strange[0]!r}, which the data set does not know; the nearest is '
            f'{nearest_name(strange[0], known)!r}'
        )
    twice = [name for name in own.names if own.names.count(name) > 1]
    if twice:
        raise UsageError(f'{own.key} names {twice[0]!r} twice: {_told(own.names)}')


def _check_transform(transform: Mapping, data: Listed, loader: str) -> None:
    """Refuse a transform that shares no class with its data; others are mapped by name."""
    kind = str(transform.get('type')).split('.')[-1]
    sampler = transform.get('db_sampler')
    if isinstance(sampler, Mapping):
        key = f'sample_groups of {kind}.db_sampler'
        names = tuple(sampler.get('sample_groups') or ())
    elif kind == 'ObjectNameFilter':
        key, names = f'classes of {kind}', tuple(transform.get('classes') or ())
    else:
        return
    if names and not set(names) & set(data.names):
        raise UsageError(
            f'{key} in the pipeline of {loader} is {_told(names)}, but {data.key} is '
            f'{_told(data.names)}: none is in both lists; the nearest to {names[0]!r} is '
            f'{nearest_name(names[0], data.names)!r}'
        )


def _check_model(student: Mapping, data: Listed) -> None:
    count, (key, head) = class_count(student), head_of(student) or ('head', {})
    spare = head.get('type') == 'Cylinder3DHead'  # has an output for points without a label
    if count is not None and count - spare != len(data.names):
        raise UsageError(
            f'{key}.num_classes is {count}, but {data.key} has {len(data.names)}, '
            f'{_told(data.names)}: the head must have one output for each class'
        )
    tasks = task_names(student)
    if tasks is not None:
        _compare(Listed(f'class_names in the tasks of {key}, one after the other,', tasks), data)


def _check_ignored(student: Mapping, dataset: Mapping, loader: str) -> None:
    head = student.get('decode_head')
    ours = head.get('ignore_index') if isinstance(head, Mapping) else None
    theirs = dataset.get('ignore_index')
    if None not in (ours, theirs) and ours != theirs:
        raise UsageError(
            f'decode_head.ignore_index is {ours}, but ignore_index of {loader} is {theirs}: '
            'unlabeled points would be trained on as a class'
        )


def _check_velocities(runner: Runner) -> None:
    """Refuse a head that predicts velocities for data or metrics without them, and the reverse."""
    config = runner.cfg.get('model')
    if not isinstance(config, Mapping):
        return
    key, head = head_of(teacher_config(config)) or (None, {})
    if head.get('tasks'):
        size = 9 if 'vel' in (head.get('common_heads') or {}) else 7
    elif head.get('anchor_generator'):
        size = (head.get('bbox_coder') or {}).get('code_size', 7)
    else:
        return
    kinds = {7: 'boxes without velocities (7 numbers)', 9: 'boxes with velocities (9 numbers)'}
    for split, loader in _built_loaders(runner):
        loop = getattr(runner, f'_{split}_loop')
        for metric in getattr(getattr(loop, 'evaluator', None), 'metrics', ()):
            if isinstance(metric, NuScenesMetric) and size != 9:
                raise UsageError(
                    f'{key} predicts {kinds[7]}, but {type(metric).__name__} of {split}_evaluator '
                    'scores velocities: add vel to common_heads, or code_size=9'
                )
        if split != 'train' or not hasattr(loader.dataset, 'get_data_info'):
            continue
        boxes = (loader.dataset.get_data_info(0).get('ann_info') or {}).get('gt_bboxes_3d')
        found = getattr(boxes, 'box_dim', size)
        if found != size:
            raise UsageError(
                f'{key} predicts {kinds.get(size, size)}, but the data set of {split}_dataloader '
                f'has {kinds.get(found, found)}: '
                + (
                    'leave vel out of common_heads, with code_size=7 and 8 code_weights'
                    if size == 9
                    else 'predict velocities, or set with_velocity=False in the data set'
                )
            )


def _told(names: Sequence[str]) -> str:
    return ', '.join(map(str, names))

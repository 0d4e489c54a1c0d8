"""The text of a project's three configs: small, and hers to edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from .kinds import Kind, inner
from .methods import DISTILL, pair
from .students import COMPRESSIONS, bases, body
from .teachers import TeacherFiles

_HERE = '{{ fileDirname }}'


class Classes(NamedTuple):
    """Classes in place of those of a kind of data.

    Args:
        names: In the order of their numbers.
        label_map: Raw id -> number of a class; the number behind the last one: no label.
    """

    names: tuple[str, ...]
    label_map: Mapping[int, int]


class Recipe(NamedTuple):
    """What a project is made of.

    Args:
        kind: Of the data.
        root: Folder of the data.
        student: A key of ``STUDENTS`` or ``COMPRESSIONS``.
        teacher: Its files.
        method: Name of a file of methods.
        classes: Those in place of the kind's own.
        own_infos: Whether the info files lie in the project.
        batch_size: Scans of a training step; None: as the base file says.
    """

    kind: Kind
    root: Path
    student: str
    teacher: TeacherFiles
    method: str
    classes: Classes | None
    own_infos: bool
    batch_size: int | None


def data_text(recipe: Recipe) -> str:
    """``data.py``: where the scans are, and whose recipe loads them."""
    cfg = recipe.kind.config()
    lines = [
        '# Your scans, and what loads and augments them.',
        f'_base_ = {_shipped(recipe.kind.base)}',
        f'data_root = {str(recipe.root) + "/"!r}',
    ]
    shared = ['data_root=data_root']
    if recipe.classes:
        lines += _class_lines(recipe.classes)
        shared += _class_arguments(recipe)
    elif recipe.own_infos:
        shared += _plain_prefix(cfg)
    lines += _database_lines(cfg)
    lines.append(f'scans = dict({", ".join(shared)})')
    batch = f'batch_size={recipe.batch_size}, ' if recipe.batch_size else ''
    for split in ('train', 'val'):
        words = [f"ann_file='{_HERE}/infos_{split}.pkl'"] if recipe.own_infos else []
        words += _train_words(recipe, cfg) if split == 'train' else []
        dataset = _wrapped(cfg, split, ', '.join([*words, '**scans']))
        lines.append(f'{split}_dataloader = dict({batch if split == "train" else ""}{dataset})')
    lines.append('test_dataloader = val_dataloader')
    lines += _evaluator_lines(cfg)
    return '\n'.join(lines) + '\n'


def alone_text(recipe: Recipe) -> str:
    """``alone.py``: the student and its schedule, no teacher."""
    head = '# The student alone: what distillation has to beat.\n'
    if recipe.kind.family:
        return (
            f"{head}_base_ = './data.py'\n{_work_dir('alone')}"
            "model = dict(_delete_=True, type='CompressedDetector', detector=_base_.model, "
            f'compression={COMPRESSIONS[recipe.student]})\n'
        )
    network, *others = map(_shipped, bases(recipe.student, recipe.kind))
    joined = ''.join(f'    {name},\n' for name in (network, "'./data.py'", *others))
    names = recipe.classes.names if recipe.classes else class_list(recipe.kind.config())
    return (
        f'{head}_base_ = [\n{joined}]\n{_work_dir("alone")}'
        f'{body(recipe.student, recipe.kind, len(names))}'
    )


def distilled_text(recipe: Recipe) -> str:
    """``distilled.py``: the student of ``alone.py``, a teacher and a method."""
    config = recipe.teacher.config
    named = repr(config) if Path(config).is_absolute() else _shipped(config)
    teacher = f'\n        config={named},\n        checkpoint={recipe.teacher.checkpoint!r},\n    '
    return (
        '# The same student, taught. Its checkpoints are tested with alone.py.\n'
        f"_base_ = ['./alone.py', {_shipped(f'{DISTILL}/{recipe.method}.py')}]\n"
        f'{_work_dir("distilled")}{pair(recipe.method, recipe.kind, teacher)}'
    )


def class_list(cfg: Config) -> Sequence[str]:
    """Classes of a base file."""
    return inner(cfg, 'train')['metainfo']['classes']


def _shipped(name: str) -> str:
    return f"__import__('projects.SRKD').SRKD.configs('{name}')"


def _work_dir(name: str) -> str:
    return f"work_dir = '{_HERE}/work_dirs/{name}'\n"


def _class_lines(classes: Classes) -> list[str]:
    ignored = len(classes.names)
    return [
        f'class_names = {classes.names!r}',
        f'label_map = {dict(classes.label_map)!r}  # raw id -> class; {ignored}: no label',
        'metainfo = dict(',
        '    _delete_=True,',
        '    classes=class_names,',
        '    seg_label_mapping=label_map,',
        f'    max_label={max(classes.label_map)},',
        ')',
    ]


def _class_arguments(recipe: Recipe) -> list[str]:
    words = ["type='LabelMapSegDataset'", 'metainfo=metainfo']
    words.append(f'ignore_index={len(recipe.classes.names)}')
    return words + (_plain_prefix(recipe.kind.config()) if recipe.own_infos else [])


def _plain_prefix(cfg: Config) -> list[str]:
    """Our own info files name whole paths below the root."""
    keys = inner(cfg, 'train').get('data_prefix') or {}
    return ['data_prefix=dict(' + ', '.join(f"{key}=''" for key in keys) + ')']


def _train_words(recipe: Recipe, cfg: Config) -> list[str]:
    words = []
    if inner(cfg, 'train').get('scene_idxs') and (recipe.own_infos or recipe.classes):
        words.append('scene_idxs=None')  # every scan once
    return words + (['pipeline=train_pipeline'] if _database(cfg) else [])


def _wrapped(cfg: Config, split: str, words: str) -> str:
    """``dataset=dict(...)`` inside of all that repeat the data set."""
    text, dataset = f'dataset=dict({words})', cfg[f'{split}_dataloader'].dataset
    while 'dataset' in dataset:
        text, dataset = f'dataset=dict({text})', dataset.dataset
    return text


def _database(cfg: Config) -> tuple[int, str] | None:
    """Place of the step that pastes objects, and the name of its info file."""
    for number, step in enumerate(inner(cfg, 'train')['pipeline']):
        if step['type'] == 'ObjectSample':
            return number, Path(step['db_sampler']['info_path']).name
    return None


def _database_lines(cfg: Config) -> list[str]:
    found = _database(cfg)
    if found is None:
        return []
    number, name = found
    return [
        'train_pipeline = _base_.train_pipeline',
        f"train_pipeline[{number}]['db_sampler'].update(",
        f"    data_root=data_root, info_path=data_root + '{name}'",
        ')',
    ]


def _evaluator_lines(cfg: Config) -> list[str]:
    evaluator, words = cfg.val_evaluator, []
    if 'data_root' in evaluator:
        words.append('data_root=data_root')
    if 'ann_file' in evaluator:
        words.append(f"ann_file=data_root + '{Path(evaluator.ann_file).name}'")
    if not words:
        return []
    return [f'val_evaluator = dict({", ".join(words)})', 'test_evaluator = val_evaluator']

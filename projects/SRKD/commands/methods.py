"""Methods by the names of their files, and the config that joins each with student and teacher."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from ..base import shipped
from ..base.checks import check_choice
from .kinds import Kind

DISTILL = '_base_/distill'


def methods(kind: Kind) -> list[str]:
    """Names of the methods that have terms for this kind of data."""
    key = kind.family or 'terms'
    paths = sorted(Path(shipped.configs(DISTILL)).glob('*.py'))
    return [path.stem for path in paths if key in Config.fromfile(path).get('distill', {})]


def check_method(name: str, kind: Kind) -> None:
    """Refuse a method that is not there, or has no terms for this kind of data.

    Raises:
        UsageError: With the methods there are, and the nearest.
    """
    check_choice('--method', name, methods(kind))


def pair(name: str, kind: Kind, teacher: str) -> str:
    """Body of the distilled config.

    Args:
        name: Method.
        kind: Of the data.
        teacher: The words inside of ``teacher=dict(...)``.
    """
    segments = not kind.family
    lines = [
        '_delete_=True',
        f"type='{'DistillSegmentor' if segments else 'DistillDetector'}'",
        'student=_base_.model',
        f'teacher=dict({teacher})',
        *(['super_voxels=_base_.super_voxels'] if segments else []),
        f'terms=_base_.distill.{kind.family or "terms"}',
    ]
    text = 'model = dict(\n' + ''.join(f'    {line},\n' for line in lines) + ')\n'
    if 'batches' in Config.fromfile(shipped.configs(f'{DISTILL}/{name}.py')):
        text += 'train_dataloader = _base_.batches\n'
    return text

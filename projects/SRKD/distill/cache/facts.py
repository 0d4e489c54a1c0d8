"""What a cache was made from, compared with what a training has."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...base import FileMissingError
from ...base.provenance import digest
from ..teacher import teacher_config

LAYOUT = 3  # raise it when the files change
# Facts of a cache, with their names in messages.
_NAMES = dict(
    layout='layout of the files',
    voxel_size='voxel size',
    teacher='teacher config (digest)',
    checkpoint='teacher checkpoint (sha256)',
    views='number of views of each scan (0: the clean scan)',
    seed='seed of the views',
    augmentation='augmentation of the views (digest)',
    data='data set',
    pipeline='test pipeline (digest)',
    logits='choice of logits',
    dtype='dtype',
)


def teacher_facts(config: Mapping, checkpoint: str) -> dict[str, Any]:
    """What a cache must share with the teacher of a training.

    Args:
        config: Model config of the teacher, see :func:`teacher_config`.
        checkpoint: Its file; an address on the net stands for itself.

    Raises:
        FileMissingError: If there is no such file.
    """
    config = teacher_config(config)
    voxels = config.get('data_preprocessor') or {}
    size = voxels.pop('voxel_size', None) or voxels.get('voxel_layer', {}).pop('voxel_size', None)
    voxels.pop('identity_columns', None)  # says nothing of the rows
    weights = checkpoint
    if '://' not in checkpoint:
        if not Path(checkpoint).is_file():
            raise FileMissingError(f'teacher checkpoint {checkpoint} does not exist')
        hashed = hashlib.sha256()
        with open(checkpoint, 'rb') as file:
            while block := file.read(1 << 22):
                hashed.update(block)
        weights = hashed.hexdigest()
    size = [float(edge) for edge in (size if isinstance(size, (list, tuple)) else [size] * 3)]
    return dict(layout=LAYOUT, voxel_size=size, teacher=digest(config), checkpoint=weights)


def differing(there: Mapping, here: Mapping) -> str | None:
    """Name the first fact of ``here`` that is another one there, with both values."""
    there = dict(views=0) | dict(there)  # of caches older than views
    if there.get('layout') == 2 and not there['views']:
        there['layout'] = LAYOUT  # only views lay elsewhere
    for key, name in _NAMES.items():
        if key in here and there.get(key) != here[key]:
            return f'another {name}: {_told(there.get(key))} there, {_told(here[key])} here'
    return None


def _told(fact: Any) -> str:
    if isinstance(fact, Mapping):  # the data set
        return '{scans} scans of {type} ({digest})'.format(**fact)
    return fact[:12] if isinstance(fact, str) and '/' not in fact else str(fact)

"""Where weights and data come from, and what is known of their licenses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from mmengine.runner.checkpoint import _load_checkpoint

from ...base import UsageError
from .html import Section, missing, paragraph, table
from .networks import Network
from .summary import data_of

_KNOWN = ('dataset', 'data', 'source', 'config', 'seed', 'commit', 'epoch', 'iter', 'time')
_NOT_SAID = 'not said'
_TRAIN = 'python tools/train.py CONFIG'


def origin(networks: Sequence[Network]) -> Section:
    """Metadata of every file of weights, and the data that its config reads."""
    rows, lacking = [], []
    for one in networks:
        if not one.runs:
            lacking.append(missing(
                f'weights of {one.name}: {one.checkpoint or "no file is named or found"}',
                _TRAIN,
            ))  # fmt: skip
            continue
        try:
            meta = dict(_load_checkpoint(str(one.checkpoint), map_location='cpu').get('meta') or {})
        except (UsageError, OSError, RuntimeError) as error:
            lacking.append(
                missing(f'metadata of {one.checkpoint}: {error}', 'python tools/train.py CONFIG')
            )
            continue
        rows.append([
            one.name, one.checkpoint.name, sha256(one.checkpoint.read_bytes()).hexdigest()[:16],
            meta.get('license', _NOT_SAID), data_of(one.config), told(meta),
        ])  # fmt: skip
    header = ['network', 'weights', 'sha256', 'license', 'data', 'what the file says']
    body = table(header, rows) if rows else ''
    body += ''.join(lacking) + paragraph(
        'A student learns from its teacher’s weights and from the data of both: their terms hold '
        'for it, too. Most public data sets forbid commercial use; docs/licenses.md names the '
        'licenses of what is installed. “not said” is no permission: ask whoever made the file.'
    )
    return Section('origin', 'Weights, data, licenses', body)


def told(meta: Mapping[str, Any]) -> str:
    """What metadata say of where weights come from, a line.

    Example:
        >>> told({'seed': 0, 'hook_msgs': {}, 'commit': 'abc'})
        'seed 0, commit abc'
    """
    known = [f'{key} {meta[key]}' for key in _KNOWN if meta.get(key) not in (None, '', {})]
    classes = (meta.get('dataset_meta') or {}).get('classes')
    known += [f'{len(classes)} classes'] if classes else []
    return ', '.join(known) or 'nothing'

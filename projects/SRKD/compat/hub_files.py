"""Files of the Hugging Face hub by name: found in its cache on this machine, else downloaded.

Breaks: mmengine knows no such names, and the hub's own package is asked for by an ``ImportError``.
Where: mmengine 0.10.7 ``runner/checkpoint.py``: ``CheckpointLoader``.
Delete when: mmengine's loader has a scheme for the hub.
"""

import logging
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..base import UsageError
from ..base.packages import needed

PREFIX = 'hub:'
_NAME = re.compile(r'hub:([\w.-]+/[\w.-]+)/([^@]+?)(?:@([\w.-]+))?')


def hub_file(name: str) -> Path:
    """Path of a file of the hub; what its card says of license and scores goes to the log.

    Args:
        name: ``hub:ORGANIZATION/NAME/FILE``, with ``@REVISION`` behind it where the newest is not
            meant; FILE may lie in folders.

    Raises:
        UsageError: If the name has another form.
        PackageMissingError: If the file is not in the cache and ``huggingface_hub`` not installed.
    """
    match = _NAME.fullmatch(name)
    if match is None or '..' in match[2].split('/'):
        raise UsageError(
            f'a file of the hub must be named hub:ORGANIZATION/NAME/FILE, but got {name}: for '
            'example hub:Pointcept/PointTransformerV3/FOLDER/model_best.pth'
        )
    repository, file, revision = match[1], match[2], match[3] or 'main'
    path = _cached(repository, file, revision)
    if path is None:
        download = needed('huggingface_hub').hf_hub_download
        path = Path(download(repository, file, revision=revision))
    _tell_card(repository, revision)
    return path


def card_of(text: str) -> str:
    """License and scores in the head of a model card, in one sentence.

    Example:
        >>> card_of('---\\nlicense: mit\\n---\\nA network.')
        'license mit; no score'
    """
    head = re.match(r'---\s*\n(.*?)\n---', text, re.DOTALL)
    try:
        about = yaml.safe_load(head[1]) if head else {}
    except yaml.YAMLError:
        about = {}
    about = about if isinstance(about, dict) else {}
    scores = ', '.join(_scores(about.get('model-index'))) or 'no score'
    return f'license {about.get("license") or "not named"}; {scores}'


def _scores(index: Any) -> list[str]:
    found = []
    for model in index if isinstance(index, list) else []:
        for result in (model.get('results') if isinstance(model, dict) else None) or []:
            data = (result.get('dataset') or {}).get('name', 'unnamed data')
            for metric in result.get('metrics') or []:
                kind = metric.get('name') or metric.get('type')
                found.append(f'{kind} {metric.get("value")} on {data}')
    return found


def _cached(repository: str, file: str, revision: str) -> Path | None:
    folder = _cache() / f'models--{repository.replace("/", "--")}'
    reference = folder / 'refs' / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    path = folder / 'snapshots' / commit / file
    return path if path.is_file() else None


def _cache() -> Path:
    home = os.environ.get('HF_HOME') or Path.home() / '.cache' / 'huggingface'
    return Path(os.environ.get('HF_HUB_CACHE') or Path(home) / 'hub')


@cache
def _tell_card(repository: str, revision: str) -> None:
    from mmengine.logging import print_log

    card = _cached(repository, 'README.md', revision)
    told = card_of(card.read_text(errors='replace')) if card else 'its card is not in the cache'
    print_log(
        f'hub:{repository}: {told}; read its card before you publish what is made of it',
        logger='current',
        level=logging.INFO,
    )

"""Where figures and files come from: code, hardware, versions, digests."""

import hashlib
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmdet3d')


def digest(*parts: Any) -> str:
    """Hash values that JSON can hold, independent of the order of keys.

    Example:
        >>> digest({'a': 1, 'b': 2}) == digest({'b': 2, 'a': 1}) != digest({'a': 1})
        True
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def commit() -> str:
    """Hash of the code, with ``+changes`` if tracked files differ; ``unknown`` without git."""
    if not (ROOT / '.git').exists():
        return 'unknown'  # installed: a repository around it is somebody else's

    def git(*words: str) -> str:
        return subprocess.run(
            ['git', *words], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changes = git('status', '--porcelain', '--untracked-files=no')
        return git('rev-parse', '--short=12', 'HEAD') + ('+changes' if changes else '')
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def cpu_model() -> str:
    """Name of the processor."""
    if Path('/proc/cpuinfo').exists():  # Linux: platform only knows the architecture
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.split(': ')[1]
    return platform.processor()


def surroundings() -> dict[str, Any]:
    """Hardware and versions of this process."""
    return dict(
        cpu=cpu_model(),
        cores=os.cpu_count(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else 'none',
        python=platform.python_version(),
        versions={name: version(name) for name in PACKAGES},
    )

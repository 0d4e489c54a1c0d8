"""mmengine's checkpoints under torch 2.6 and later.

Breaks: resuming a run fails with "Weights only load failed": the message hub holds
    ``HistoryBuffer`` and numpy objects, and torch's allow-list would have to admit
    ``builtins.getattr`` for them. The other way round, a checkpoint from a URL is read with
    ``weights_only=False`` and can run any code.
Where: mmengine 0.10.7 ``runner/checkpoint.py``: ``load_from_local``, and ``load_url`` (torch's) in
    ``load_from_http``.
Delete when: mmengine reads its own resume state with ``weights_only=True``.

``hub:org/name/file`` names a file of the Hugging Face hub, see :mod:`.hub_files`.
Local files and URLs go through :func:`~projects.SRKD.compat.safe_pickle.load_checkpoint`.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from .hub_files import PREFIX, hub_file
from .safe_pickle import load_checkpoint


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Stands for mmengine's function of this name; runs no code of the file."""
    return load_checkpoint(filename, map_location)


def load_from_hub(filename: str, map_location: Any = None) -> Any:
    """Read a file that is named as in the hub; runs no code of it."""
    return load_checkpoint(hub_file(filename), map_location)


def load_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    **kwargs: Any,
) -> Any:
    """Stands for torch's function of this name: downloads once, then reads without running code."""
    folder = Path(model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints'))
    path = folder / Path(urlparse(url).path).name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # torchvision's and OpenMMLab's names carry the start of the file's hash
        match = torch.hub.HASH_REGEX.search(path.name)
        torch.hub.download_url_to_file(url, str(path), match and match.group(1), progress)
    return load_checkpoint(path, map_location)


def apply() -> bool:
    """Put both loaders where mmengine looks them up."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.runner import checkpoint

    checkpoint.load_from_local = load_from_local
    checkpoint.load_url = load_url
    schemes = checkpoint.CheckpointLoader
    schemes.register_scheme(prefixes='', loader=load_from_local, force=True)
    schemes.register_scheme(prefixes=PREFIX, loader=load_from_hub, force=True)
    return True

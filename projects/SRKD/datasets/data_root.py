"""Find out before a run whether its data is where the config says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

_LISTED = 3  # names shown when none is near


def check_data_root(
    cfg: Mapping[str, Any], splits: Sequence[str] = ('train', 'val', 'test')
) -> None:
    """Refuse a config whose data sets are not there.

    Looks at ``data_root``, ``ann_file``, the point and mask folders of ``data_prefix`` and a file
    of ``scene_idxs`` of every data set, inside wrappers too. What lies in remote storage is left to
    the run.

    Args:
        cfg: a config with ``{split}_dataloader`` entries; absent ones are skipped.
        splits: the loaders the run will use.

    Raises:
        FileNotFoundError: On the first missing thing: what, for which loader, the nearest name.
    """
    for split in splits:
        loader = cfg.get(f'{split}_dataloader') or {}
        for dataset in _datasets(loader.get('dataset')):
            _check(dataset, f'{split}_dataloader')


def nearest_name(path: str | os.PathLike) -> str:
    """Words on what exists near a missing path.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / 'scene0001_00.bin').touch()
        >>> nearest_name(folder / 'scene0001_0.bin').split('/')[-1]
        'scene0001_00.bin'
    """
    missing = Path(path).absolute()
    while not missing.parent.is_dir():
        missing = missing.parent
    folder = missing.parent
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return f'{folder} cannot be read: {error.strerror}'
    near = get_close_matches(missing.name, names, n=1)
    if near:
        return f'the nearest name there is {folder / near[0]}'
    if not names:
        return f'{folder} is empty'
    shown = ', '.join(names[:_LISTED]) + (', ...' if len(names) > _LISTED else '')
    return f'{folder} has no {missing.name}, it holds {shown}'


def _datasets(dataset: Any) -> Iterator[Mapping]:
    if not isinstance(dataset, Mapping):
        return
    inner = dataset.get('datasets') or [dataset.get('dataset')]
    if inner[0] is None:
        yield dataset
    for part in inner:
        yield from _datasets(part)


def _check(dataset: Mapping, loader: str) -> None:
    root = dataset.get('data_root') or ''
    if _is_remote(root) or _is_remote_backend(dataset.get('backend_args')):
        return
    if root and not os.path.isdir(root):
        what = 'is a file' if os.path.exists(root) else 'does not exist'
        raise FileNotFoundError(
            f'data_root {root} of {loader} {what} (looked from {os.getcwd()}), expected the folder '
            f'of {dataset.get("ann_file") or "the data"}; {nearest_name(root)}'
        )
    wanted = [('ann_file', dataset.get('ann_file'), os.path.isfile)]
    if isinstance(dataset.get('scene_idxs'), str):
        wanted.append(('scene_idxs', dataset['scene_idxs'], os.path.isfile))
    for key, prefix in (dataset.get('data_prefix') or {}).items():
        if key.startswith('pts') and isinstance(prefix, str):
            wanted.append((f'data_prefix.{key}', prefix, os.path.isdir))
    for key, name, exists in wanted:
        path = os.path.join(root, name or '')
        if name and not _is_remote(name) and not exists(path):
            kind = 'file' if exists is os.path.isfile else 'folder'
            raise FileNotFoundError(
                f'{key} of {loader} does not exist: expected the {kind} {path} (looked from '
                f'{os.getcwd()}); {nearest_name(path)}'
            )


def _is_remote(path: str) -> bool:
    return '://' in str(path)


def _is_remote_backend(backend_args: Mapping | None) -> bool:
    return bool(backend_args) and backend_args.get('backend', 'local') not in ('local', 'disk')

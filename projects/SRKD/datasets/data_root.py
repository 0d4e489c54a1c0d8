"""Find out before a run whether its data is where the config says, and its classes fit."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..base import FileMissingError, nearest_path
from .class_names import inner_datasets
from .infos.kitti_files import check_classes
from .label_map import check_label_map

# What to do about a folder that many do not have.
_REMEDIES = {
    ('NuScenesLidarSegDataset', 'pts_semantic_mask'):
        ' (nuScenes-lidarseg is an archive of its own: unpack it into the data root)',
}  # fmt: skip


def check_data_root(
    cfg: Mapping[str, Any], splits: Sequence[str] = ('train', 'val', 'test')
) -> None:
    """Refuse a config whose data sets are not there, or whose label maps fit no class list.

    Looks at ``data_root``, ``ann_file``, the point and mask folders of ``data_prefix`` and a file
    of ``scene_idxs`` of every data set, inside wrappers too. What lies in remote storage is left to
    the run. A ``seg_label_mapping`` of ``metainfo`` is compared with its ``classes``, and KITTI's
    ``classes`` with those it labels.

    Args:
        cfg: A config with ``{split}_dataloader`` entries; absent ones are skipped.
        splits: The loaders the run will use.

    Raises:
        FileMissingError: On the first missing thing: what, for which loader, the nearest name.
        UsageError: On the first label map that does not fit, or class that KITTI lacks.
    """
    for split in splits:
        loader = cfg.get(f'{split}_dataloader') or {}
        for dataset in inner_datasets(loader.get('dataset')):
            _check(dataset, f'{split}_dataloader')
            _check_classes(dataset, f'{split}_dataloader')


def _check(dataset: Mapping, loader: str) -> None:
    root = dataset.get('data_root') or ''
    if _is_remote(root) or _is_remote_backend(dataset.get('backend_args')):
        return
    if root and not os.path.isdir(root):
        what = 'is a file' if os.path.exists(root) else 'does not exist'
        raise FileMissingError(
            f'data_root {root} of {loader} {what} (looked from {os.getcwd()}), expected the folder '
            f'of {dataset.get("ann_file") or "the data"}; {nearest_path(root)}'
        )
    wanted = [('ann_file', dataset.get('ann_file'), os.path.isfile)]
    if isinstance(dataset.get('scene_idxs'), str):
        wanted.append(('scene_idxs', dataset['scene_idxs'], os.path.isfile))
    unlabeled = dataset.get('test_mode') and not dataset.get('load_eval_anns', True)
    for key, prefix in (dataset.get('data_prefix') or {}).items():
        looked_at = key.startswith('pts') or key == 'sweeps'
        if looked_at and isinstance(prefix, str) and not (unlabeled and 'mask' in key):
            wanted.append((f'data_prefix.{key}', prefix, os.path.isdir))
    for key, name, exists in wanted:
        path = os.path.join(root, name or '')
        if name and not _is_remote(name) and not exists(path):
            kind = 'file' if exists is os.path.isfile else 'folder'
            remedy = _REMEDIES.get((dataset.get('type'), key.removeprefix('data_prefix.')), '')
            raise FileMissingError(
                f'{key} of {loader} does not exist: expected the {kind} {path} (looked from '
                f'{os.getcwd()}){remedy}; {nearest_path(path)}'
            )


def _check_classes(dataset: Mapping, loader: str) -> None:
    metainfo = dataset.get('metainfo') or {}
    label_map, classes = metainfo.get('seg_label_mapping'), metainfo.get('classes')
    if classes and dataset.get('type') == 'KittiDataset':
        check_classes(classes, f'metainfo of {loader}')
    if not label_map or not classes:
        return
    ignore_index = dataset.get('ignore_index')
    check_label_map(
        label_map,
        classes,
        len(classes) if ignore_index is None else ignore_index,
        metainfo.get('max_label', max(label_map)),
        f'{dataset.get("type", "the data set")} in {loader}',
    )


def _is_remote(path: str) -> bool:
    return '://' in str(path)


def _is_remote_backend(backend_args: Mapping | None) -> bool:
    return bool(backend_args) and backend_args.get('backend', 'local') not in ('local', 'disk')

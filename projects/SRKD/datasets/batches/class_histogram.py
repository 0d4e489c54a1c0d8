"""Points per class of every scan, read once from the masks and kept beside the info file.

Shape letters: n scans, L classes.
"""

from __future__ import annotations

import hashlib
import os
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from mmdet3d.datasets.transforms import LoadAnnotations3D, PointSegClassMapping
from mmengine.dataset import BaseDataset
from mmengine.fileio import get
from mmengine.logging import print_log

from ...base import FileMissingError, UsageError, write_whole
from ...base.progress import progress as with_bar

MASK = 'pts_semantic_mask_path'
"""Key of an entry that names the scan's mask."""

_LAYOUT = 1  # of the cache file; raise it when its arrays or the way masks are read change
_SPOT_CHECKS = 8
_THREADS = 8


class MaskReader:
    """Reads a scan's mask as the data set's own pipeline does, and counts its classes.

    The pipeline's ``LoadAnnotations3D`` knows data type, panoptic offset and storage; its
    ``PointSegClassMapping``, if present, which labels are classes. Labels outside ``0 .. L - 1``
    (the ignored one among them) are not counted.

    Args:
        dataset: A data set whose pipeline loads semantic masks (see :meth:`usable`).
    """

    def __init__(self, dataset: BaseDataset) -> None:
        steps = dataset.pipeline.transforms
        self.name = type(dataset).__name__
        self.loader = next(step for step in steps if _loads_masks(step))
        mapped = any(isinstance(step, PointSegClassMapping) for step in steps)
        self.mapping = np.asarray(dataset.seg_label_mapping) if mapped else None
        self.n_classes = len(dataset.metainfo['classes'])

    @staticmethod
    def usable(dataset: BaseDataset, infos: Sequence[dict]) -> bool:
        """Whether the pipeline reads masks and every scan names one."""
        return (
            any(map(_loads_masks, dataset.pipeline.transforms))
            and all(info.get(MASK) for info in infos)
            and bool(dataset.metainfo.get('classes'))
        )

    def __call__(self, path: str) -> np.ndarray:
        """Path of a mask -> (L,) int64 points per class.

        Raises:
            FileMissingError: If there is no such file.
            UsageError: If a label lies outside the class mapping.
        """
        try:
            label = self.loader._load_semantic_seg_3d({'pts_semantic_mask_path': path})
        except FileNotFoundError as error:
            raise FileMissingError(
                f'{self.name} names the semantic mask {path}, which does not exist; check '
                'data_root and data_prefix.'
            ) from error
        label = label['pts_semantic_mask'].astype(np.int64)
        if self.mapping is not None and len(label):
            low, high = int(label.min()), int(label.max())
            if low < 0 or high >= len(self.mapping):
                raise UsageError(
                    f'The semantic mask {path} holds labels from {low} to {high}, but the class '
                    f'mapping of {self.name} covers 0 to {len(self.mapping) - 1}; check '
                    'seg_3d_dtype and seg_offset of LoadAnnotations3D.'
                )
            label = self.mapping[label]
        valid = (label >= 0) & (label < self.n_classes)
        return np.bincount(label[valid], minlength=self.n_classes).astype(np.int64)

    def fingerprint(self, dataset: BaseDataset) -> str:
        """Hash of all that the histograms follow from, the masks themselves left out."""
        digest = hashlib.sha256(get(dataset.ann_file, backend_args=_backend_args(dataset)))
        digest.update(
            repr(
                (
                    _LAYOUT,
                    self.n_classes,
                    str(self.loader.seg_3d_dtype),
                    self.loader.seg_offset,
                    self.loader.dataset_type,
                    None if self.mapping is None else self.mapping.tolist(),
                )
            ).encode()
        )
        return digest.hexdigest()


def cache_path(dataset: BaseDataset) -> Path | None:
    """Where the histograms of a data set are kept; None without an info file on a local disk.

    ``scannet_infos_train.pkl`` -> ``scannet_infos_train.classes.npz``.
    """
    info_file = getattr(dataset, 'ann_file', '')
    if not info_file or '://' in str(info_file):
        return None
    return Path(info_file).with_suffix('.classes.npz')


def elsewhere(target: Path) -> Path:
    """Where the histograms of a data set are kept whose folder cannot be written.

    A file of the user's cache folder, named after the place of the info file.
    """
    cache = Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser()
    place = hashlib.sha256(os.fsencode(target.absolute())).hexdigest()[:16]
    return cache / 'srkd' / f'{target.name.removesuffix(".npz")}.{place}.npz'


def class_histograms(
    dataset: BaseDataset, infos: Sequence[dict], progress: bool = False
) -> np.ndarray:
    """Points per scan and class.

    Masks are read once, by a few threads, and their counts written to :func:`cache_path`. The
    file is used again while the hash of info file, class mapping and loader settings agrees and
    eight masks, read again, still give the same counts (a data set rewritten under the same names
    is noticed); otherwise it is built anew. It belongs to the info file, not to one config:
    subsets and repetitions share it.

    Args:
        dataset: An initialized data set for which ``MaskReader.usable`` holds.
        infos: Its n scans, each with ``pts_semantic_mask_path``.
        progress: Whether to draw a progress bar.

    Returns:
        (n, L) int64.
    """
    reader = MaskReader(dataset)
    target = cache_path(dataset)
    paths = [info[MASK] for info in infos]
    names = [_portable(path, target) for path in paths]
    path_of = dict(zip(names, paths))
    fingerprint = reader.fingerprint(dataset) if target else ''
    known = _load(target, fingerprint) or _load(target and elsewhere(target), fingerprint)
    if not _still_true(known, path_of, reader):
        known = {}

    missing = [name for name in path_of if name not in known]
    if missing:
        with ThreadPoolExecutor(_THREADS) as pool:
            counts = pool.map(reader, [path_of[name] for name in missing])
            pairs = zip(missing, counts)
            for name, count in with_bar('masks', pairs, len(missing)) if progress else pairs:
                known[name] = count
        if target:
            _store(target, fingerprint, known)
    rows = [known[name] for name in names]
    return np.stack(rows) if rows else np.zeros((0, reader.n_classes), dtype=np.int64)  # (n, L)


def _loads_masks(step) -> bool:
    return isinstance(step, LoadAnnotations3D) and step.with_seg_3d


def _backend_args(dataset) -> dict | None:
    return getattr(dataset, 'backend_args', None)


def _portable(path: str, target: Path | None) -> str:
    """Name of a mask that survives moving the data set as a whole."""
    return path if target is None or '://' in path else os.path.relpath(path, target.parent)


def _load(target: Path | None, fingerprint: str) -> dict[str, np.ndarray]:
    if target is None or not target.is_file():
        return {}
    try:
        with np.load(target, allow_pickle=False) as stored:
            if str(stored['fingerprint']) != fingerprint:
                return {}
            names, counts = stored['mask'].tolist(), stored['histogram']
            if counts.ndim != 2 or counts.dtype.kind != 'i' or len(names) != len(counts):
                return {}
            return dict(zip(names, counts))
    except (OSError, ValueError, KeyError, EOFError, TypeError, MemoryError, zlib.error,
            NotImplementedError, zipfile.BadZipFile):  # fmt: skip
        return {}  # damaged: built anew like a stale one


def _still_true(known: dict, path_of: dict, reader: MaskReader) -> bool:
    names = [name for name in path_of if name in known]
    spots = np.unique(np.linspace(0, len(names) - 1, min(_SPOT_CHECKS, len(names))).astype(int))
    return all(np.array_equal(reader(path_of[names[i]]), known[names[i]]) for i in spots)


def _store(target: Path, fingerprint: str, known: dict[str, np.ndarray]) -> None:
    """Keep the histograms beside the info file, or where this user may write."""
    for path in (target, elsewhere(target)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_whole(path) as part, part.open('wb') as stream:
                np.savez_compressed(
                    stream,
                    fingerprint=np.array(fingerprint),
                    mask=np.array(list(known)),
                    histogram=np.stack([*known.values()]),
                )
        except OSError as error:
            refused = error
            continue
        if path != target:
            print_log(f'{target.parent} cannot be written: class histograms are kept in {path}')
        return
    warnings.warn(
        f'The class histograms could not be kept at {target} ({refused.strerror}), so every start '
        'reads all masks again.',
        stacklevel=2,
    )

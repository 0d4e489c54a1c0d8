"""Runs a teacher once over training scans and stores what the terms of a distillation config need.

Shape letters: P points of a scan or view, N finest rows (voxels) of the teacher in it.
"""

import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ...base import UsageError, check_writable, write_text
from ...base.lock import folder_held
from ...base.progress import progress
from ...base.provenance import commit
from ..cache.facts import teacher_facts
from ..cache.file import POINTS, PROBE, pack, probe, write_scene
from ..cache.folder import TeacherCache
from ..features import Features
from ..live_teacher import LiveTeacher
from ..matching import VoxelView
from ..model import _tap_paths
from ..segmentor import DistillSegmentor
from .scans import Shown, training_scans
from .stored import check_clouds, check_same, missing_files

_LOGITS = 'conv_seg'  # name of the module that puts out a segmentor's logits


class CacheWriter:
    """The training scans of a config, its teacher, and the folder that takes what they give.

    Args:
        cfg: A distillation run of segmentors. Scans come from its training set: in the views of
            ``ReplayViews`` where its pipeline ends with it, else clean, through the test pipeline.
        folder: Of the cache; None: the ``cache`` of the config's teacher.
        logits: ``full``, or ``topK`` for the K largest logits of each row and the mean of the rest.
        dtype: ``float16`` or ``float32``.
        device: Where the teacher runs.
        views: Number of views of each scan; None: as ``ReplayViews`` says. A folder that holds
            fewer keeps them and gets the others.

    Raises:
        UsageError: If the config is no distillation run of segmentors, names no folder, or
            ``logits`` does not fit its classes; see :class:`TrainingScans`, too.
    """

    def __init__(
        self,
        cfg: Config,
        folder: str | Path | None = None,
        logits: str = 'full',
        dtype: str = 'float16',
        device: str = 'cpu',
        views: int | None = None,
    ) -> None:
        init_default_scope(cfg.get('default_scope', 'mmdet3d'))
        self.teacher = config_teacher(cfg)
        folder = folder or cfg.model.teacher.get('cache')
        if folder is None:
            raise UsageError(
                'no folder is named for the cache: use --out, or cache=... in the teacher of the '
                'config'
            )
        self.widths: dict[str, int] = {}  # as seen
        self.cache = TeacherCache(folder)
        self.dtype, self.device = dtype, torch.device(device)
        self.top = self._top(logits)
        self.scans = training_scans(cfg, views)
        self.facts = (
            teacher_facts(self.teacher.config, self.teacher.checkpoint)
            | dict(logits=logits, dtype=dtype)
            | self.scans.facts
        )

    def _top(self, logits: str) -> int | None:
        if logits == 'full':
            return None
        if not logits.startswith('top') or not logits[3:].isdigit() or int(logits[3:]) < 1:
            raise UsageError(f'logits must be full or topK (top8, say), but got {logits!r}')
        tapped = [tap for tap in self.teacher.paths if is_logits(tap)]
        widths = [self.teacher.widths[tap] for tap in tapped]
        if not tapped or int(logits[3:]) >= min(widths):
            have = f'the teacher has {widths[0]} classes' if tapped else 'no term reads logits'
            raise UsageError(f'logits={logits} leaves nothing out, as {have}: expected full')
        return int(logits[3:])

    def missing(self, check: bool = False) -> list[int]:
        """Files yet to be stored, after the folder's leftovers of a killed run are removed.

        Args:
            check: Whether files are read and compared with their checksums; damaged ones are then
                removed and missing.

        Raises:
            UsageError: If the folder holds a cache of something else, or of more views.
        """
        check_same(self.cache, self.facts, self.teacher.paths)
        left = missing_files(self.cache, len(self.scans), check)
        check_clouds(self.cache, self.scans)
        return left

    def adds(self, left: Sequence[int]) -> bool:
        """Whether what is left are views added to a finished cache, which stays usable meanwhile.

        Args:
            left: Files yet to be stored.
        """
        found = self.cache.read('cache.json')
        stored = len(self.scans.index) * (found.get('views') or 1)
        return bool(found.get('finished')) and min(left) >= stored

    @property
    def described(self) -> bool:
        """Whether the folder says that it is whole."""
        found = self.cache.read('cache.json')
        return found['finished'] and found.get('views', 0) == self.facts['views']

    def describe(self, finished: bool) -> None:
        """Write what the cache is made from."""
        self.cache.folder.mkdir(parents=True, exist_ok=True)
        taps = self.widths or self.cache.read('cache.json')['taps']
        content = self.facts | dict(taps=taps, code=commit(), finished=finished)
        for name, values in (('scenes.json', self.scans.table), ('cache.json', content)):
            indent = 1 if name == 'cache.json' else None
            write_text(self.cache.folder / name, json.dumps(values, indent=indent) + '\n')

    @torch.no_grad()
    def run(self, file: int) -> dict[str, np.ndarray]:
        """What the teacher says about one scan or view, as arrays of its file.

        Raises:
            UsageError: If its values do not fit the dtype.
        """
        shown = self.scans.load(file)
        taught, view = show(self.teacher, shown, self.device)
        points = np.full(shown.size, -1, np.int32)
        points[shown.row.numpy()] = view.point_row.cpu().numpy()
        arrays = {POINTS: points}
        if self.facts['views']:
            arrays[PROBE] = probe(shown.points)
        for tap, features in taught.items():
            self.widths[tap] = features.feat.shape[1]
            rows = None if features.coors is None else view.rows_at(features)  # (N,)
            if rows is not None and rows.tolist() == list(range(len(features.feat))):
                rows = None
            top = self.top if is_logits(tap) else None
            arrays |= pack(tap, features.feat, rows, self.dtype, top)
        return arrays

    def bytes(self) -> int:
        """Bytes of all files stored."""
        paths = (self.cache.path(file) for file in range(len(self.scans)))
        return sum(path.stat().st_size for path in paths if path.is_file())


def write_cache(writer: CacheWriter, check: bool = False, dry_run: bool = False) -> None:
    """Store all missing files; print first what that will take and last what it took.

    Args:
        writer: Of the cache.
        check: Whether files already stored are compared with their checksums.
        dry_run: Whether to stop behind the estimate, leaving nothing.

    Raises:
        UsageError: If the folder cannot be written to, another process writes to it, it holds
            another cache, or its disk has too little room.
    """
    with _alone(writer.cache.folder, dry_run):
        _write_cache(writer, check, dry_run)


def _alone(folder: Path, dry_run: bool) -> AbstractContextManager:
    """Keep other writers out of a folder, unless nothing can be written there, or shall be."""
    if dry_run and not folder.exists():
        return nullcontext()
    try:
        check_writable(folder, '')
    except UsageError:  # told where something is missing: a finished cache may be read-only
        return nullcontext()
    return folder_held(folder, 'the folder of the teacher cache (--out)')


def _write_cache(writer: CacheWriter, check: bool, dry_run: bool) -> None:
    folder, files = writer.cache.folder, len(writer.scans)
    left = writer.missing(check)
    print(f'teacher cache {folder}: {writer.scans}, {files - len(left)} of them stored')
    if left:
        check_writable(folder, 'the folder of the teacher cache (--out)')
        start = time.perf_counter()
        arrays = writer.run(left[0])
        seconds = time.perf_counter() - start
        taps = ', '.join(f'{tap} ({width} channels)' for tap, width in writer.widths.items())
        size, share = sum(array.nbytes for array in arrays.values()), writer.scans.share(left)
        print(
            f'{writer.facts["logits"]} logits, {writer.dtype}, taps {taps}\n'
            f'the first: {len(arrays[POINTS]):,} points, {arrays[POINTS].max() + 1:,} voxels, '
            f'{size_text(size)}; all {len(left)}: about {size_text(size * share)}, '
            f'{seconds * share:.0f} s',
            flush=True,
        )
        if dry_run:
            return
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if size * share > free:
            raise UsageError(
                f'the disk of {folder} has {size_text(free)} free, the cache needs about '
                f'{size_text(size * share)}: name a larger one (--out), or store less (--logits '
                'top8, --dtype fp16, fewer terms)'
            )
        if not writer.adds(left):
            writer.describe(finished=False)
        for file in progress('stored', left):
            write_scene(writer.cache.path(file), arrays or writer.run(file))
            arrays = None
    if left or not writer.described:
        writer.describe(finished=True)
    total = writer.bytes()
    kind = 'view' if writer.facts['views'] else 'scan'
    print(f'finished: {size_text(total)}, {size_text(total / files)} per {kind}')


def size_text(size: float) -> str:
    """Bytes for people.

    Example:
        >>> size_text(1_234_567)
        '1.23 MB'
    """
    power = min(4, int(math.log10(max(size, 1)) / 3))
    return f'{size / 1000**power:.3g} {("B", "kB", "MB", "GB", "TB")[power]}'


def config_teacher(cfg: Config) -> LiveTeacher:
    """The teacher of a distillation run, with the taps that its terms read.

    Raises:
        UsageError: If the config is no distillation run of segmentors.
    """
    _check_model(cfg.model)
    teacher = {key: value for key, value in cfg.model.teacher.items() if key != 'cache'}
    taps = [_tap_paths(name, term)[1] for name, term in cfg.model.terms.items() if term]
    return LiveTeacher(**teacher, taps=dict.fromkeys(taps))


def show(
    teacher: LiveTeacher, shown: Shown, device: torch.device
) -> tuple[dict[str, Features], VoxelView]:
    """What a teacher's taps say about one cloud, and how it sees that."""
    teacher.to(device)
    inputs = dict(points=[shown.points.to(device)])
    inputs, samples = teacher.prepare(inputs, [shown.sample], training=False)
    return teacher(inputs, samples), VoxelView(inputs, samples)


def _check_model(model: Mapping) -> None:
    kind = MODELS.get(model['type']) if isinstance(model['type'], str) else model['type']
    if kind is None or not issubclass(kind, DistillSegmentor):
        raise UsageError(
            f'the model of the config is {model["type"]}, expected a DistillSegmentor: what is '
            'cached follows from its teacher and its terms'
        )


def is_logits(tap: str) -> bool:
    """Whether a tap lies on the module that puts out a segmentor's logits."""
    return tap.split('.')[-1] == _LOGITS

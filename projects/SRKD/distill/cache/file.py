"""What a teacher said about one scan, in one file that is read row by row.

The file is an ``.npy`` of one record, so its own header tells where each array lies and
``np.load(path, mmap_mode='r')[name]`` maps it into memory. The record's fields:

==================  =====================  =====================================================
``points``          ``(P,)`` int32         finest row of each raw point, -1 for none
``probe``           ``(k, D)`` float32     of a view only: points by which it is known again
``TAP``             ``(R, C)`` float       what the tap saw
``TAP.rows``        ``(N,)`` int32         row of each finest row, -1 for none; absent where R is N
``TAP.classes``     ``(R, k)`` int         of the k largest logits, which ``TAP`` then holds
``TAP.rest``        ``(R,)`` float         mean logit of the other classes, in the sense of softmax
``crc32``           ``()`` uint32          of all other fields, their names and their types
==================  =====================  =====================================================

Shape letters: P points of the scan or view, D columns of a point, k of them, N finest rows (voxels)
of the teacher, R rows at a tap, C channels or L classes, M rows read.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...base import UsageError, write_whole
from .tables import ADVICE, wrong_rows

POINTS, PROBE, _CHECKSUM = 'points', 'probe', 'crc32'
PROBED = 8  # points
CHANGED = (
    'what is loaded in front of ReplayViews, scans or labels that mixing draws on, or the code '
    'of a transform, has changed since'
)
TOLERANCE = 1e-3  # meters, or parts of a color: far above rounding, below any usual draw


def pack(
    tap: str, feat: Tensor, rows: Tensor | None, dtype: str, top: int | None = None
) -> dict[str, np.ndarray]:
    """Turn what a tap saw into arrays of a file.

    Args:
        tap: Name of the tap.
        feat: ``(R, C)``.
        rows: ``(N,)`` row of each finest row; None where they are the same.
        dtype: ``float16`` or ``float32``.
        top: For logits: how many of the largest are kept; None for all.

    Raises:
        UsageError: If a value is not finite, or not in this dtype.
    """
    feat = feat.detach().float().cpu()
    parts = {tap: feat}
    if top is not None:
        parts[tap], classes = feat.topk(top, dim=1)
        others = feat.scatter(1, classes, -torch.inf)
        parts[f'{tap}.rest'] = others.logsumexp(1) - math.log(feat.shape[1] - top)
    with np.errstate(over='ignore'):  # refused below
        arrays = {name: part.numpy().astype(dtype) for name, part in parts.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UsageError(
                f'tap {name!r} of the teacher has values up to {parts[name].abs().max():.3g}, '
                f'expected finite ones within {dtype} (up to {np.finfo(dtype).max:.3g})'
                + ('; float32 may hold them: --dtype fp32' if dtype == 'float16' else '')
            )
    if top is not None:
        kind = np.uint8 if feat.shape[1] <= 256 else np.int16
        arrays[f'{tap}.classes'] = classes.numpy().astype(kind)
    if rows is not None:
        arrays[f'{tap}.rows'] = rows.cpu().numpy().astype(np.int32)
    return arrays


def unpack_logits(values: Tensor, classes: Tensor, rest: Tensor, width: int) -> Tensor:
    """Undo ``top`` of :func:`pack`: the classes left out share their probability evenly.

    Args:
        values: ``(M, k)`` largest logits.
        classes: ``(M, k)`` their classes.
        rest: ``(M,)`` logit of each other class.
        width: Number of classes, L.

    Returns:
        ``(M, L)`` logits; at temperature 1 the kept classes have exactly their probability.
    """
    return rest[:, None].repeat(1, width).scatter_(1, classes.long(), values)


def probe(cloud: Tensor) -> np.ndarray:
    """A few points of a cloud ``(P, D)`` by which a view is known again, ``(k, D)``."""
    rows = torch.arange(PROBED, device=cloud.device) * (len(cloud) - 1) // (PROBED - 1)
    return cloud[rows].cpu().numpy()


def write_scene(path: Path, arrays: Mapping[str, np.ndarray]) -> int:
    """Write a file whole or not at all; returns its bytes."""
    fields = [(name, array.dtype, array.shape) for name, array in arrays.items()]
    # Aligned, or numpy would copy a whole array before it takes rows of it.
    record = np.zeros((), np.dtype([*fields, (_CHECKSUM, np.uint32)], align=True))
    for name, array in arrays.items():
        record[name] = array
    record[_CHECKSUM] = _checksum(record)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as part, open(part, 'wb') as file:
        np.save(file, record)
    return path.stat().st_size


def _checksum(record: np.ndarray) -> int:
    value = zlib.crc32(repr(record.dtype.descr).encode())
    for name in record.dtype.names:
        if name != _CHECKSUM:
            value = zlib.crc32(record[name], value)
    return value


def check_scene(path: Path) -> None:
    """Read a whole file and compare its checksum.

    Raises:
        UsageError: If it is damaged.
    """
    try:
        record = np.asarray(np.load(path, mmap_mode='r'))  # reserves nothing by the header's word
        broken = '' if _checksum(record) == record[_CHECKSUM] else 'its checksum is another one'
        broken = broken or wrong_rows(record, POINTS)
    except OSError:
        raise  # of the disk, not of the file
    except Exception as error:  # a damaged header makes numpy raise whatever it likes
        broken = str(error)
    if broken:
        raise UsageError(f'{path} of the teacher cache is damaged ({broken[:200]}): {ADVICE}')


class SceneFile:
    """A file mapped into memory: rows that nobody asks for are not read.

    Args:
        path: Written by :func:`write_scene`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._record = np.asarray(np.load(path, mmap_mode='r'))

    @property
    def columns(self) -> int:
        """Columns of a point of the view, D."""
        return self._record[PROBE].shape[1]

    def other_cloud(self, cloud: Tensor) -> str | None:
        """How a cloud ``(P, D)`` differs from that of the view; None where it is the same.

        Args:
            cloud: As shown now; values up to ``TOLERANCE`` apart are the same.
        """
        if PROBE not in self or self._record[PROBE].shape[:1] != (PROBED,):
            return 'no view there'
        there = self.read(PROBE, np.arange(PROBED))
        sizes = (self.size, there.shape[1]), tuple(cloud.shape)
        if sizes[0] != sizes[1]:
            return f'{sizes[0]} points and columns there, {sizes[1]} here'
        far = np.abs(there - probe(cloud)).max()
        return None if far <= TOLERANCE else f'points up to {far:.3g} apart'

    @property
    def size(self) -> int:
        """Points of the scan or view, P."""
        return len(self._record[POINTS])

    def __contains__(self, name: str) -> bool:
        return name in self._record.dtype.names

    def read(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Copy some rows of an array, ``(M, ...)``.

        Raises:
            UsageError: If there is no such array or row.
        """
        if name not in self:
            raise UsageError(f'{self.path} of the teacher cache lacks {name!r}: {ADVICE}')
        try:
            return np.take(self._record[name], rows, axis=0)
        except (IndexError, TypeError) as error:
            where = f'{self.path} of the teacher cache'
            raise UsageError(f'{where} lacks rows of {name!r} ({error}): {ADVICE}') from None

    def tap_rows(self, tap: str, rows: np.ndarray) -> np.ndarray:
        """Row at a tap of each of some finest rows, -1 for none."""
        name = f'{tap}.rows'
        return self.read(name, rows) if name in self else rows


def read_tap(
    tap: str, pieces: Sequence[tuple[SceneFile, np.ndarray]], width: int
) -> tuple[Tensor, np.ndarray]:
    """What a tap said about rows of several files.

    Args:
        tap: Its path.
        pieces: Files and the finest rows wanted of each, M in all.
        width: Channels of the tap.

    Returns:
        ``(M', width)`` values of the rows that the tap has, and which of the M these are.
    """
    rows = [scene.tap_rows(tap, wanted) for scene, wanted in pieces]
    known = np.concatenate(rows) >= 0  # (M,)

    def read(name: str) -> Tensor:
        parts = [scene.read(name, at[at >= 0]) for (scene, _), at in zip(pieces, rows)]
        return torch.from_numpy(np.concatenate(parts))

    values = read(tap)
    if f'{tap}.classes' in pieces[0][0]:
        classes = read(f'{tap}.classes')
        if classes.numel() and int(classes.max()) >= width:
            raise UsageError(f'{pieces[0][0].path} of the teacher cache has a class beyond '
                             f'{width - 1}: {ADVICE}')  # fmt: skip
        values = unpack_logits(values, classes, read(f'{tap}.rest'), width)
    return values, known

"""Predictions as the servers of the segmentation benchmarks take them: one file per scan.

A format says how a file is called, and which number stands for a class in it. Files are written
while scans are tested; nothing is kept.

Shape letters: n points of a scan, L classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.registry import Registry

from ..base import FileMissingError, UsageError, nearest_name, nearest_path, write_whole
from ..base.json_file import read_records

SUBMISSION_FORMATS = Registry('submission format', scope='mmdet3d')


class SubmissionFormat:
    """One text file per scan, in one folder.

    Args:
        ids: The number that stands for each class in the files, in the order of the classes. None:
            the one raw label id that the data set maps to the class.
    """

    suffix = '.txt'

    def __init__(self, ids: Sequence[int] | None = None) -> None:
        self.ids = ids

    def open(self, folder: Path, meta: Mapping) -> None:
        """Prepare for the scans of a data set.

        Args:
            folder: Where the files go.
            meta: ``dataset_meta`` of the metric: ``classes`` and a label map, raw id -> class,
                ``seg_label_mapping`` or (mmdet3d's data sets of fixed classes) ``label_mapping``.

        Raises:
            UsageError: If no number, or more than one, may stand for a class.
        """
        self.folder = folder
        self.numbers = np.asarray(self._numbers(meta))  # (L,)
        self._written: dict[Path, str] = {}

    def path(self, scan: str) -> Path:
        """File of a scan below the folder."""
        return Path(_stem(scan) + self.suffix)

    def encode(self, numbers: np.ndarray) -> bytes:
        """Content of a file, of the numbers of a scan's points ``(n,)``."""
        return ('\n'.join(map(str, numbers.tolist())) + '\n').encode()

    def write(self, scan: str, labels: np.ndarray) -> None:
        """Write the predicted classes ``(n,)`` of a scan.

        Raises:
            UsageError: If the file would overwrite another scan's.
        """
        path = self.path(scan)
        if self._written.setdefault(path, scan) != scan:
            raise UsageError(
                f'scans {self._written[path]} and {scan} would both be written to '
                f'{self.folder / path}, expected scans of different names'
            )
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        with write_whole(self.folder / path) as part:
            part.write_bytes(self.encode(self.numbers[labels]))

    def _numbers(self, meta: Mapping) -> Sequence[int]:
        classes = meta['classes']
        mapping = meta.get('seg_label_mapping') or meta.get('label_mapping')
        if self.ids is not None and len(self.ids) != len(classes):
            raise UsageError(
                f'submission.ids of the metric has {len(self.ids)} numbers, expected '
                f'{len(classes)}: one per class of the data set, {", ".join(classes)}'
            )
        if self.ids is not None and mapping is not None:
            self._check_ids(classes, mapping)
        if self.ids is not None:
            return self.ids
        if mapping is None:
            raise UsageError(
                'the data set names no label map, expected submission.ids of the metric: '
                f'the number of each of its {len(classes)} classes'
            )
        return [self._only_id(number, name, mapping) for number, name in enumerate(classes)]

    def _check_ids(self, classes: Sequence[str], mapping: Mapping[int, int]) -> None:
        for number, (name, raw) in enumerate(zip(classes, self.ids)):
            if mapping.get(raw) != number:
                raise UsageError(
                    f'submission.ids of the metric writes {raw} for class {number}, {name!r}, but '
                    f'the label map of the data set takes {raw} for {mapping.get(raw)}'
                )

    def _only_id(self, number: int, name: str, mapping: Mapping[int, int]) -> int:
        ids = [raw for raw, found in mapping.items() if found == number]
        if len(ids) != 1:
            raise UsageError(
                f'{len(ids)} raw label ids map to class {number}, {name!r} ({ids[:5]}), '
                'expected one, or submission.ids of the metric to say which is written'
            )
        return ids[0]


@SUBMISSION_FORMATS.register_module()
class ScanNetSubmission(SubmissionFormat):
    """ScanNet and ScanNet200: ``scene0707_00.txt``, one raw label id per line and vertex."""


@SUBMISSION_FORMATS.register_module()
class SemanticKittiSubmission(SubmissionFormat):
    """SemanticKITTI: ``sequences/11/predictions/000000.label``, a raw id (uint32) per point."""

    suffix = '.label'

    def path(self, scan: str) -> Path:
        """File of a scan; its own path must name the sequence."""
        parts = Path(scan).parts
        if len(parts) < 3 or parts[-2] != 'velodyne':
            raise UsageError(
                f'scan {scan} lies in no sequence, expected .../sequences/11/velodyne/000000.bin '
                'for a submission to SemanticKITTI'
            )
        return Path('sequences', parts[-3], 'predictions', _stem(scan) + self.suffix)

    def encode(self, numbers: np.ndarray) -> bytes:
        """Little-endian uint32."""
        return numbers.astype('<u4').tobytes()


@SUBMISSION_FORMATS.register_module()
class NuScenesLidarSegSubmission(SubmissionFormat):
    """nuScenes-lidarseg: ``lidarseg/test/<token>_lidarseg.bin``, a class 1 to 16 (uint8) per point.

    Files are named by the token of the scan's sample data, which info files do not hold: it is
    looked up in ``sample_data.json`` of the data set's tables. ``test/submission.json`` says that
    nothing but the LiDAR was used.

    Args:
        ids: See :class:`SubmissionFormat`; the challenge's own numbers.
        version: Folder of the tables below the data root; None: the info file's.
        split: ``'test'`` or ``'val'``; None: by the version.
        meta: What ``submission.json`` says of the method, beside the defaults.
    """

    suffix = '_lidarseg.bin'

    def __init__(
        self,
        ids: Sequence[int] = tuple(range(1, 17)),
        version: str | None = None,
        split: str | None = None,
        meta: Mapping[str, bool] | None = None,
    ) -> None:
        super().__init__(ids)
        self.version, self.split = version, split
        self.meta = dict(
            use_camera=False, use_lidar=True, use_radar=False, use_map=False, use_external=False
        ) | dict(meta or {})

    def open(self, folder: Path, meta: Mapping) -> None:
        """See :class:`SubmissionFormat`."""
        super().open(folder, meta)
        self.tables = self.version or meta.get('version') or 'v1.0-trainval'
        self.part = self.split or ('test' if self.tables.endswith('test') else 'val')
        self._tokens: dict[str, str] = {}
        about = folder / self.part / 'submission.json'
        about.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(about) as part:
            part.write_text(json.dumps(dict(meta=self.meta), indent=2) + '\n')

    def path(self, scan: str) -> Path:
        """File of a scan, by its token."""
        if not self._tokens:
            self._tokens = _tokens(Path(scan).parents[2] / self.tables / 'sample_data.json')
        name = Path(scan).name
        if name not in self._tokens:
            raise UsageError(
                f'scan {scan} is in no table {self.tables}/sample_data.json, expected its token; '
                f'the nearest scan there is {nearest_name(name, self._tokens)}'
            )
        return Path('lidarseg', self.part, self._tokens[name] + self.suffix)

    def encode(self, numbers: np.ndarray) -> bytes:
        """One byte per point."""
        return numbers.astype(np.uint8).tobytes()

    def _check_ids(self, classes: Sequence[str], mapping: Mapping[int, int]) -> None:
        """The challenge's numbers are no raw ids."""


def _stem(scan: str) -> str:
    return Path(scan).name.split('.')[0]


def _tokens(table: Path) -> dict[str, str]:
    """File name of each LiDAR scan -> token of its sample data."""
    if not table.is_file():
        raise FileMissingError(
            f'table {table} does not exist, expected it for the names of a submission; '
            f'{nearest_path(table)}'
        )
    rows = read_records(table, ['filename', 'token'])
    return {Path(row['filename']).name: row['token'] for row in rows if 'LIDAR' in row['filename']}

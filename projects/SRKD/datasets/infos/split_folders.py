"""Scans of one's own: ``train/*.bin`` and ``val/*.bin``, each with a ``.label`` beside it."""

from __future__ import annotations

from pathlib import Path

from ...base import FileMissingError, UsageError, nearest_path

SPLITS = ('train', 'val')
_FLOAT = 4  # bytes


def split_entries(root: Path, columns: int, label_bytes: int) -> dict[str, list[dict]]:
    """Entries of info files of version 2 by split.

    Args:
        root: Folder of ``train`` and ``val``.
        columns: Numbers of a point, each a float32.
        label_bytes: Size of a label in bytes.

    Raises:
        FileMissingError: If a split has no scan, or a scan has no labels.
        UsageError: If a scan is no whole number of points, or has not as many labels.
    """
    found = {split: sorted((root / split).glob('*.bin')) for split in SPLITS}
    for split, scans in found.items():
        if not scans:
            path = root / split / '*.bin'
            raise FileMissingError(f'{root} must hold {path}, but got none; {nearest_path(path)}')
    return {
        split: [_entry(scan, split, columns, label_bytes) for scan in scans]
        for split, scans in found.items()
    }


def _entry(scan: Path, split: str, columns: int, label_bytes: int) -> dict:
    mask = scan.with_suffix('.label')
    if not mask.is_file():
        raise FileMissingError(f'{scan} has no labels: {mask} does not exist; {nearest_path(mask)}')
    size, labels = scan.stat().st_size, mask.stat().st_size
    points, rest = divmod(size, _FLOAT * columns)
    if rest or not points:
        raise UsageError(f'{scan} must hold {columns} numbers of float32 a point, but got {size} '
                         'bytes')  # fmt: skip
    if labels != points * label_bytes:
        raise UsageError(f'{mask} must hold {label_bytes} bytes for each of the {points} points of '
                         f'{scan}, but got {labels} bytes')  # fmt: skip
    return dict(
        lidar_points=dict(lidar_path=f'{split}/{scan.name}', num_pts_feats=columns),
        pts_semantic_mask_path=f'{split}/{mask.name}',
    )

"""Scans of drives in SemanticKITTI's layout: ``velodyne/*.bin`` and ``labels/*.label``."""

from __future__ import annotations

from pathlib import Path

from ...base import FileMissingError, UsageError, nearest_path

_POINT, _LABEL = 16, 4  # bytes: x, y, z, intensity in float32; uint32


def scan_entries(root: Path, sequence: str) -> list[dict]:
    """Entries of an info file of version 2 for the scans of a sequence, in the order of time.

    Args:
        root: Of the data.
        sequence: Folder of the sequence below the root.

    Raises:
        FileMissingError: If a scan has no labels.
        UsageError: If a scan is empty or no whole number of points, or has not as many labels.
    """
    scans = sorted((root / sequence / 'velodyne').glob('*.bin'))
    return [_entry(root, sequence, scan) for scan in scans]


def _entry(root: Path, sequence: str, scan: Path) -> dict:
    frame = scan.stem
    mask = root / sequence / 'labels' / f'{frame}.label'
    if not mask.is_file():
        raise FileMissingError(f'{scan} has no labels: {mask} does not exist; {nearest_path(mask)}')
    size, labels = scan.stat().st_size, mask.stat().st_size
    if size == 0 or size % _POINT:
        raise UsageError(f'{scan} has {size} bytes, expected {_POINT} for each of its points '
                         '(float32 x, y, z, intensity)')  # fmt: skip
    if labels * _POINT != size * _LABEL:
        raise UsageError(f'{mask} has {labels} bytes, expected {_LABEL} (uint32) for each of the '
                         f'{size // _POINT} points of {scan}')  # fmt: skip
    return dict(
        lidar_points=dict(lidar_path=f'{sequence}/velodyne/{frame}.bin', num_pts_feats=4),
        pts_semantic_mask_path=f'{sequence}/labels/{frame}.label',
        sample_id=f'{Path(sequence).name}_{frame}',
    )

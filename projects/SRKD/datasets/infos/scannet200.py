"""Masks of ScanNet200 from ScanNet's own download.

mmdet3d's export keeps the 40 ids of NYU40; ScanNet200 tells 200 of the raw categories apart, whose
ids stand in ``scannetv2-labels.combined.tsv``. Layout of the files: the ScanNet repository.
"""

from __future__ import annotations

import csv
import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ...base import FileMissingError, UsageError, nearest_path, write_whole
from ...base.data_folder import holding_root
from ...base.json_file import read_json
from ...base.progress import progress

_TABLE, _COLUMNS = 'meta_data/scannetv2-labels.combined.tsv', ('id', 'raw_category')
_POINT = 24  # bytes: x, y, z, red, green, blue in float32


@holding_root
def write_scannet200_masks(root: str | Path) -> int:
    """Write ``semantic_mask_200/{scene}.bin``, int64 raw ids of each point, 0 without a category.

    The root holds ``scans/{scene}/{scene}.aggregation.json`` and
    ``{scene}_vh_clean_2.0.010000.segs.json``, the table and lists ``meta_data/scannetv2_{train,
    val}.txt``, and ``points/{scene}.bin`` as mmdet3d's converter writes them.

    Args:
        root: Folder of the data; receives the masks.

    Returns:
        Number of scenes.

    Raises:
        FileMissingError: If one of these files is missing.
        UsageError: If a file is of another form, a scene has not as many labels as points, or the
            root is read-only.
    """
    root = Path(root)
    if not os.access(root, os.W_OK):
        raise UsageError(f'{root} receives the masks; it does not exist or is read-only')
    ids, unknown, masks = _read_table(root / _TABLE), Counter(), {}
    scenes = [name for split in ('train', 'val') for name in _read_list(root, split)]
    for scene in progress('scenes', scenes):
        masks[scene] = _mask(root, scene, ids, unknown)
    if unknown:
        warnings.warn(f'{len(unknown)} labels are not in {root / _TABLE} and get no category: '
                      f'{", ".join(sorted(unknown)[:5])}', stacklevel=2)  # fmt: skip
    (root / 'semantic_mask_200').mkdir(exist_ok=True)
    for scene, mask in masks.items():
        with write_whole(root / f'semantic_mask_200/{scene}.bin') as part:
            mask.astype(np.int64).tofile(part)
    return len(masks)


def _read_table(path: Path) -> dict[str, int]:
    """Raw id by name of the raw category."""
    rows = list(csv.DictReader(_text(path).splitlines(), delimiter='\t'))
    if not rows or not set(_COLUMNS) <= set(rows[0]):
        found = ', '.join(filter(None, rows[0])) if rows else 'no row'
        raise UsageError(f'{path} has {found}, expected the columns {" and ".join(_COLUMNS)} '
                         'between tabulators')  # fmt: skip
    return {row['raw_category']: int(row['id']) for row in rows}


def _read_list(root: Path, split: str) -> list[str]:
    return _text(root / f'meta_data/scannetv2_{split}.txt').split()


def _mask(root: Path, scene: str, ids: dict[str, int], unknown: Counter) -> np.ndarray:
    """Raw ids ``(n,)`` int16 of a scene's points."""
    place = root / 'scans' / scene
    path = place / f'{scene}_vh_clean_2.0.010000.segs.json'
    segment = np.array(_read(path, 'segIndices'), np.int64)  # (n,)
    points = root / f'points/{scene}.bin'
    if not points.is_file():
        raise FileMissingError(f'the points {points} do not exist; {nearest_path(points)}')
    count = points.stat().st_size // _POINT
    if len(segment) != count:
        raise UsageError(f'{path} has {len(segment)} segIndices, expected one for each of the '
                         f'{count} points of {points}')  # fmt: skip
    numbers = np.zeros(segment.max(initial=0) + 1, np.int16)  # raw id of each segment
    for group in _read(place / f'{scene}.aggregation.json', 'segGroups'):
        if group['label'] not in ids:
            unknown[group['label']] += 1
        numbers[group['segments']] = ids.get(group['label'], 0)
    return numbers[segment]


def _read(path: Path, key: str) -> Any:
    content = read_json(path)
    if key not in content:
        raise UsageError(f'{path} has no {key}')
    return content[key]


def _text(path: Path) -> str:
    if not path.is_file():
        raise FileMissingError(f'{path} does not exist; {nearest_path(path)}')
    return path.read_text()

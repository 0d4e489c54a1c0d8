"""Info files for SemanticKITTI, or a part of it.

``create_data.py semantickitti`` of MMDetection3D names the 23,201 scans of the whole data set
whether they are there or not; here those are named that are, each with its labels.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from ...base import FileMissingError, UsageError, nearest_path
from ...base.data_folder import holding_root, write_infos
from ...base.progress import progress
from .sequence_scans import scan_entries

SPLITS = dict(train=(0, 1, 2, 3, 4, 5, 6, 7, 9, 10), val=(8,))
"""Numbers of the sequences of the benchmark's splits that have labels."""


@holding_root
def write_semantickitti_infos(root: str | Path) -> dict[str, int]:
    """Write ``semantickitti_infos_{train,val}.pkl`` into a root.

    The root holds ``sequences/{00..10}/velodyne/*.bin`` and ``labels/*.label``. Sequences that are
    not there are left out and named.

    Args:
        root: Folder of the data; receives the info files.

    Returns:
        Number of scans by split.

    Raises:
        FileMissingError: If a split has no sequence, or a scan has no labels.
        UsageError: If a scan and its labels do not fit together, or the root is read-only.
    """
    root = Path(root)
    if not os.access(root, os.W_OK):
        raise UsageError(f'{root} receives the info files; it does not exist or is read-only')
    infos = semantickitti_entries(root)
    for split, entries in infos.items():
        write_infos(root / f'semantickitti_infos_{split}.pkl', 'semantickitti', entries)
    return {split: len(entries) for split, entries in infos.items()}


def semantickitti_entries(root: Path) -> dict[str, list[dict]]:
    """Entries of the info files by split; errors are those of the writer."""
    infos, absent = {}, []
    for split, numbers in SPLITS.items():
        names = [f'sequences/{number:02d}' for number in numbers]
        found = [name for name in names if any((root / name / 'velodyne').glob('*.bin'))]
        absent += [name for name in names if name not in found]
        if not found:
            path = root / names[0] / 'velodyne'
            raise FileMissingError(f'{root} holds no scan of a sequence of {split}, expected '
                                   f'{path}/*.bin or the like; {nearest_path(path)}')  # fmt: skip
        infos[split] = [entry for name in progress(split, found)
                        for entry in scan_entries(root, name)]  # fmt: skip
    if absent:
        warnings.warn(f'left out, for they hold no scan: {", ".join(absent)}', stacklevel=2)
    return infos

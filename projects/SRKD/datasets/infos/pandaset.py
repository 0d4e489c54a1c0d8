"""Info files for PandaSet kept in SemanticKITTI's layout."""

from __future__ import annotations

from pathlib import Path

from ...base import FileMissingError, UsageError
from ...base.data_folder import holding_root, write_infos
from .sequence_scans import scan_entries


@holding_root
def write_pandaset_infos(
    root: str | Path, sequences: list[str] | None = None, train_share: float = 0.75
) -> dict[str, int]:
    """Write ``pandaset_infos_train.pkl`` and ``pandaset_infos_val.pkl`` into a root.

    The root holds ``{sequence}/velodyne/{frame}.bin`` (float32 x, y, z, intensity) and
    ``{sequence}/labels/{frame}.label`` (uint32 ids of PandaSet's class list). Every sequence is
    split by time, its first scans for training: neighboring scans show the same things, and a
    random split would score the network on what it has seen.

    Args:
        root: Folder of the sequences; receives the info files.
        sequences: Names of the folders; None for all that hold ``velodyne``.
        train_share: Part of each sequence that is trained on.

    Returns:
        Number of scans by split.

    Raises:
        FileMissingError: If there is no sequence, or a scan has no labels.
        UsageError: If a split of a sequence would be empty, or a scan and its labels do not fit
            together.
    """
    entries = pandaset_entries(Path(root), sequences, train_share)
    for split, infos in entries.items():
        write_infos(Path(root) / f'pandaset_infos_{split}.pkl', 'PandaSet', infos)
    return {split: len(infos) for split, infos in entries.items()}


def pandaset_entries(
    root: Path, sequences: list[str] | None = None, train_share: float = 0.75
) -> dict[str, list[dict]]:
    """Entries of the info files by split; arguments and errors are those of the writer."""
    names = sequences or sorted(folder.parent.name for folder in root.glob('*/velodyne'))
    if not names:
        raise FileMissingError(f'{root} holds no sequence, expected folders */velodyne')
    entries = dict(train=[], val=[])
    for name in names:
        scans = scan_entries(root, name)
        first_val = round(train_share * len(scans))
        if not 0 < first_val < len(scans):
            raise UsageError(
                f'sequence {root / name} has {len(scans)} scans, of which {first_val} would be for '
                f'training (train_share {train_share}): expected some in each split'
            )
        entries['train'] += scans[:first_val]
        entries['val'] += scans[first_val:]
    return entries

"""Info files for PandaSet kept in SemanticKITTI's layout."""

from __future__ import annotations

from pathlib import Path

import mmengine

from ..base import FileMissingError, UsageError, nearest_path


def write_pandaset_infos(
    root: str | Path, sequences: list[str] | None = None, train_share: float = 0.75
) -> dict[str, int]:
    """Write ``pandaset_infos_train.pkl`` and ``pandaset_infos_val.pkl`` into a root.

    The root holds ``{sequence}/velodyne/{frame}.bin`` (float32 x, y, z, intensity) and
    ``{sequence}/labels/{frame}.label`` (uint32 ids of PandaSet's class list). Every sequence is
    split by time, its first scans for training: neighbouring scans show the same things, and a
    random split would score the network on what it has seen.

    Args:
        root: Folder of the sequences; receives the info files.
        sequences: Names of the folders; None for all that hold ``velodyne``.
        train_share: Part of each sequence that is trained on.

    Returns:
        Number of scans by split.

    Raises:
        FileMissingError: If there is no sequence, or a scan has no labels.
        UsageError: If a split of a sequence would be empty.
    """
    root = Path(root)
    names = sequences or sorted(folder.parent.name for folder in root.glob('*/velodyne'))
    if not names:
        raise FileMissingError(f'{root} holds no sequence, expected folders */velodyne')
    entries = dict(train=[], val=[])
    for name in names:
        scans = sorted((root / name / 'velodyne').glob('*.bin'))
        first_val = round(train_share * len(scans))
        if not 0 < first_val < len(scans):
            raise UsageError(
                f'sequence {root / name} has {len(scans)} scans, of which {first_val} would be for '
                f'training (train_share {train_share}): expected some in each split'
            )
        for i, scan in enumerate(scans):
            entries['train' if i < first_val else 'val'].append(_entry(root, name, scan.stem))
    for split, infos in entries.items():
        content = dict(metainfo=dict(dataset='PandaSet', info_version='1.1'), data_list=infos)
        mmengine.dump(content, root / f'pandaset_infos_{split}.pkl')
    return {split: len(infos) for split, infos in entries.items()}


def _entry(root: Path, sequence: str, frame: str) -> dict:
    label = f'{sequence}/labels/{frame}.label'
    if not (root / label).is_file():
        raise FileMissingError(f'{root / label} does not exist; {nearest_path(root / label)}')
    return dict(
        lidar_points=dict(lidar_path=f'{sequence}/velodyne/{frame}.bin', num_pts_feats=4),
        pts_semantic_mask_path=label,
        sample_id=f'{sequence}_{frame}',
    )

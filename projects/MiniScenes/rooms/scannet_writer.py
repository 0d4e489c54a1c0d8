"""Write procedural scans in the layout MMDetection3D gives ScanNet.

``points/*.bin`` float32 (n, 6), ``instance_mask`` and ``semantic_mask`` int64 (n,), ``seg_info``
and info files of version 2: what ``ScanNetSegDataset`` reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from projects.SRKD.base.checks import check_limits
from projects.SRKD.base.data_folder import new_folder, write_infos
from projects.SRKD.base.progress import progress

from .materials import CLASS_IDS, NYU40
from .scan import make_scan

FIRST_VAL_ROOM = 5000  # so that neither split depends on the size of the other
_BLOCK = 5  # of five training scans the last is the second one of a room of the block


class ScanName(NamedTuple):
    """Numbers of a room and of a scan in it."""

    room: int
    scan: int

    def __str__(self) -> str:
        return f'scene{self.room:04d}_{self.scan:02d}'


def train_scans(count: int, seed: int) -> list[ScanName]:
    """First scans of the training split; a fifth of them show a room for the second time.

    Example:
        >>> [str(name) for name in train_scans(3, seed=0)]
        ['scene0000_00', 'scene0001_00', 'scene0002_00']
    """
    names, rooms = [], _BLOCK - 1
    for block in range(-(-count // _BLOCK)):
        first = block * rooms
        again = first + int(np.random.default_rng([seed, block, 4]).integers(rooms))
        names += [ScanName(room, 0) for room in range(first, first + rooms)]
        names.append(ScanName(again, 1))
    return names[:count]


def val_scans(count: int) -> list[ScanName]:
    """First scans of the validation split, each of another room."""
    return [ScanName(FIRST_VAL_ROOM + room, 0) for room in range(count)]


def write_scannet(out: str | Path, scenes: int, val_scenes: int, seed: int, points: int = 12_000,
                  force: bool = False) -> Path:  # fmt: skip
    """Write a data set; the folder appears when it is whole.

    Args:
        out: Folder to make.
        scenes: Training scans.
        val_scenes: Validation scans.
        seed: Of everything; scan k is the same whatever the counts.
        points: About how many points a scan has.
        force: Replace what ``out`` holds.

    Raises:
        FileExistsError: If ``out`` is not empty and ``force`` is not set.
        ValueError: If a count is not possible.
    """
    check_limits(
        scenes=(scenes, 1, FIRST_VAL_ROOM),
        val_scenes=(val_scenes, 0, 9999 - FIRST_VAL_ROOM),
        points=(points, 100, 10_000_000),
    )
    splits = dict(train=train_scans(scenes, seed), val=val_scans(val_scenes))
    with new_folder(out, force) as folder:
        for name in ('points', 'instance_mask', 'semantic_mask', 'seg_info'):
            (folder / name).mkdir()
        names = iter(progress('rooms', [name for split in splits.values() for name in split]))
        for split, scans in splits.items():
            infos, counts = [], np.zeros(len(CLASS_IDS))
            for name in (next(names) for _ in scans):
                info, histogram = _write_scan(folder, name, seed, points)
                infos.append(info)
                counts += histogram
            _write_split(folder, split, infos, counts)
        next(names, None)
    return Path(out).absolute()


def _write_scan(folder: Path, name: ScanName, seed: int, points: int) -> tuple[dict, np.ndarray]:
    scan = make_scan(seed, *name, points=points)
    file = f'{name}.bin'
    scan.points.tofile(folder / 'points' / file)
    scan.instance.tofile(folder / 'instance_mask' / file)
    scan.semantic.tofile(folder / 'semantic_mask' / file)
    info = dict(
        lidar_points=dict(num_pts_feats=6, lidar_path=file),
        pts_semantic_mask_path=file,
        pts_instance_mask_path=file,
        axis_align_matrix=scan.axis_align_matrix.tolist(),
    )
    return info, np.bincount(scan.semantic, minlength=max(NYU40.values()) + 1)[list(CLASS_IDS)]


def _write_split(folder: Path, split: str, infos: list[dict], counts: np.ndarray) -> None:
    write_infos(folder / f'scannet_infos_{split}.pkl', 'scannet', infos)
    # Rooms are small and trained on whole, so each occurs once: no resampling by point count.
    scenes = np.arange(len(infos), dtype=np.int32)
    np.save(folder / 'seg_info' / f'{split}_resampled_scene_idxs.npy', scenes)
    share = counts / max(counts.sum(), 1)  # the weights are PointNet++'s, as in mmdet3d's converter
    weight = (1 / np.log(1.2 + share)).astype(np.float32)
    np.save(folder / 'seg_info' / f'{split}_label_weight.npy', weight)

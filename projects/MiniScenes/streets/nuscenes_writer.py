"""Write procedural streets in the layout of nuScenes with lidarseg.

``samples/LIDAR_TOP/*.pcd.bin`` float32 (n, 5): x right, y forward, z up, intensity 0..255, ring;
``lidarseg/v1.0-trainval/*_lidarseg.bin`` uint8 (n,) raw ids; info files of version 2.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from projects.SRKD.base.checks import check_limits
from projects.SRKD.base.data_folder import new_folder, write_infos
from projects.SRKD.base.progress import progress

from .kinds import ID, nuscenes_labels
from .lidar import HDL32E, Lidar, directions
from .scan import StreetScan, scan_street

FIRST_VAL_SCENE = 5000  # so that neither split depends on the size of the other
POINTS, LABELS = 'samples/LIDAR_TOP', 'lidarseg/v1.0-trainval'
_START = 95 / 360  # of a turn: where a scan begins, to the left; the scanner turns clockwise
_LIDAR_TO_EGO = np.array(
    [[0.0, 1.0, 0.0, 0.94], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.84], [0.0, 0.0, 0.0, 1.0]]
)


def write_nuscenes(
    out: str | Path,
    scenes: int = 6,
    val_scenes: int = 2,
    scans: int = 10,
    seed: int = 0,
    beams: int = 32,
    azimuth_steps: int = HDL32E.steps,
    period: float = HDL32E.period,
    force: bool = False,
) -> Path:
    """Write a data set of key frames; the folder appears when it is whole.

    Args:
        out: Folder to make.
        scenes: Training scenes, each in a street of its own.
        val_scenes: Validation scenes.
        scans: Key frames of each scene.
        seed: Of everything; scan k of a scene is the same whatever the counts.
        beams: Of the scanner's 32.
        azimuth_steps: Of a turn.
        period: Seconds from one key frame to the next.
        force: Replace what ``out`` holds.

    Raises:
        FileExistsError: If ``out`` is not empty and ``force`` is not set.
        ValueError: If a count is not possible.
    """
    check_limits(
        scenes=(scenes, 1, FIRST_VAL_SCENE),
        val_scenes=(val_scenes, 0, FIRST_VAL_SCENE),
        scans=(scans, 1, 5000),
        seed=(seed, 0, 2**32),
        beams=(beams, 2, 32),
        azimuth_steps=(azimuth_steps, 16, 10_000),
        period=(period, 0.01, 60),
    )
    lidar = HDL32E.reduced(beams, azimuth_steps)
    splits = dict(train=range(scenes), val=range(FIRST_VAL_SCENE, FIRST_VAL_SCENE + val_scenes))
    with new_folder(out, force) as folder:
        for name in (POINTS, LABELS):
            (folder / name).mkdir(parents=True)
        scene_scans = {name: [(s, k) for s in split for k in range(scans)]
                       for name, split in splits.items()}  # fmt: skip
        names = [f'scene-{s:04d}/{k}' for pairs in scene_scans.values() for s, k in pairs]
        reports = iter(progress('streets', names))
        for split, pairs in scene_scans.items():
            infos = []
            for scene, k in pairs:
                next(reports)
                infos.append(_write_scan(folder, seed, scene, k, lidar, period, len(infos)))
            write_infos(folder / f'nuscenes_infos_{split}.pkl', 'nuscenes', infos)
        next(reports, None)
    return Path(out).absolute()


def _write_scan(folder: Path, seed: int, scene: int, k: int, lidar: Lidar, period: float,
                sample_idx: int) -> dict:  # fmt: skip
    scan = scan_street(seed, scene, k, lidar, period, sees_own_car=True)
    points, labels = full_turn(scan, lidar, np.random.default_rng([seed, scene, 5, k]))
    stamp = 1_530_000_000_000_000 + scene * 10**10 + int(round(k * period * 1e6))  # microseconds
    # A token names a record of the data base: 32 hexadecimal digits, the points' and the sample's.
    token, lidar_token = (hashlib.md5(f'{what} {seed} {scene} {k}'.encode()).hexdigest()
                          for what in ('sample', 'lidar'))  # fmt: skip
    file = f'mini-scene-{scene:04d}__LIDAR_TOP__{stamp}.pcd.bin'
    points.tofile(folder / POINTS / file)
    labels.tofile(folder / LABELS / f'{lidar_token}_lidarseg.bin')
    ego = np.eye(4)
    ego[:3, :3] = scan.pose.axes
    # The scanner stands 0.94 m before the ego frame's origin, the middle of the rear axle.
    ego[:3, 3] = scan.pose.place - 0.94 * scan.pose.axes[:, 0]
    return dict(
        sample_idx=sample_idx,
        token=token,
        timestamp=stamp / 1e6,
        ego2global=ego.tolist(),
        images={},
        lidar_points=dict(lidar_path=file, num_pts_feats=5, lidar2ego=_LIDAR_TO_EGO.tolist()),
        lidar_sweeps=[],
        pts_semantic_mask_path=f'{lidar_token}_lidarseg.bin',
    )


def full_turn(scan: StreetScan, lidar: Lidar, rng: np.random.Generator
              ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Points and labels of all rays in the order of firing, as nuScenes stores them.

    Rays without an echo are stored too, centimeters from the sensor and labeled as the ego car:
    over a fifth of the points of the real scans.

    Returns:
        (B * A, 5) float32 and (B * A,) uint8.
    """
    lost_ring, lost_step = scan.lost.T
    near = rng.uniform(0.01, 0.1, len(scan.lost))
    origin = directions(lidar)[:, lost_ring, lost_step] * near
    xyz = np.concatenate([scan.points, np.round(origin.T, 3)])
    ring, step = np.r_[scan.ring, lost_ring], np.r_[scan.step, lost_step]
    kind = np.r_[scan.kind, np.full(len(near), ID['ego'])]
    # Squared, because the scanner's own scale leaves diffuse surfaces below 50 of 255.
    light = np.rint((140 * scan.strength**2).clip(0, 255))
    light = np.r_[light, rng.integers(0, 30, len(near))]
    start = int(_START * lidar.steps)
    order = np.argsort((start - step) % lidar.steps * len(lidar.elevation) + ring, kind='stable')
    points = np.stack([-xyz[:, 1], xyz[:, 0], xyz[:, 2], light, ring], 1) + 0.0
    return points[order].astype(np.float32), nuscenes_labels(kind)[order]

"""Write procedural streets in SemanticKITTI's layout.

``sequences/SS/velodyne/*.bin`` float32 (n, 4), ``labels/*.label`` uint32 (n,), ``poses.txt``,
``calib.txt``, ``times.txt`` and the info files that MMDetection3D's converter makes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from projects.SRKD.base.checks import check_limits
from projects.SRKD.base.data_folder import new_folder, write_infos
from projects.SRKD.base.progress import progress

from .kinds import semantickitti_labels
from .lidar import HDL64E, Lidar
from .scan import scan_street
from .street import Pose

# KITTI's cameras look forward: x right, y down, z forward; the lever arm is that of its manual.
_CAMERA_FROM_LIDAR = np.array(
    [[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, -0.08], [1.0, 0.0, 0.0, -0.27], [0.0, 0.0, 0.0, 1.0]]
)
_PROJECTION = np.array([[718.856, 0, 607.1928, 0], [0, 718.856, 185.2157, 0], [0, 0, 1, 0]])


def sequence_numbers(sequences: int, val_sequences: int) -> dict[str, list[int]]:
    """Numbers of the sequences: SemanticKITTI validates on 08, so every tenth from there does.

    Example:
        >>> sequence_numbers(9, 2)
        {'train': [0, 1, 2, 3, 4, 5, 6, 7, 9], 'val': [8, 18]}
    """
    train = [number for number in range(100) if number % 10 != 8]
    return dict(train=train[:sequences], val=list(range(8, 100, 10))[:val_sequences])


def write_semantickitti(
    out: str | Path,
    sequences: int = 6,
    val_sequences: int = 2,
    scans: int = 10,
    seed: int = 0,
    beams: int = 64,
    azimuth_steps: int = HDL64E.steps,
    period: float = HDL64E.period,
    force: bool = False,
) -> Path:
    """Write a data set; the folder appears when it is whole.

    Args:
        out: Folder to make.
        sequences: Training sequences, each in a street of its own.
        val_sequences: Validation sequences.
        scans: Of each sequence.
        seed: Of everything; scan k of a sequence is the same whatever the counts.
        beams: Of the scanner's 64.
        azimuth_steps: Of a turn.
        period: Seconds from one scan to the next.
        force: Replace what ``out`` holds.

    Raises:
        FileExistsError: If ``out`` is not empty and ``force`` is not set.
        ValueError: If a count is not possible.
    """
    check_limits(
        sequences=(sequences, 1, 90),
        val_sequences=(val_sequences, 0, 10),
        scans=(scans, 1, 5000),
        seed=(seed, 0, 2**32),
        beams=(beams, 2, 64),
        azimuth_steps=(azimuth_steps, 16, 10_000),
        period=(period, 0.01, 60),
    )
    lidar = HDL64E.reduced(beams, azimuth_steps)
    splits = sequence_numbers(sequences, val_sequences)
    with new_folder(out, force) as folder:
        names = [f'{s:02d}/{k:06d}' for split in splits.values() for s in split
                 for k in range(scans)]  # fmt: skip
        reports = iter(progress('streets', names))
        for split, numbers in splits.items():
            infos = []
            for number in numbers:
                infos += _write_sequence(folder, number, scans, seed, lidar, period, reports)
            write_infos(folder / f'semantickitti_infos_{split}.pkl', 'semantickitti', infos)
        next(reports, None)
    return Path(out).absolute()


def _write_sequence(folder: Path, number: int, scans: int, seed: int, lidar: Lidar, period: float,
                    reports) -> list[dict]:  # fmt: skip
    root = f'sequences/{number:02d}'
    for name in ('velodyne', 'labels'):
        (folder / root / name).mkdir(parents=True)
    infos, poses = [], []
    for k in range(scans):
        next(reports)
        scan = scan_street(seed, number, k, lidar, period)
        remission = np.round(scan.strength.clip(0, 0.99), 2)
        points = np.c_[scan.points, remission].astype(np.float32)
        labels = semantickitti_labels(scan.kind, scan.moving, scan.instance)
        info = dict(
            sample_id=f'{number:02d}{k:06d}',
            lidar_points=dict(lidar_path=f'{root}/velodyne/{k:06d}.bin', num_pts_feats=4),
            pts_semantic_mask_path=f'{root}/labels/{k:06d}.label',
        )
        points.tofile(folder / info['lidar_points']['lidar_path'])
        labels.tofile(folder / info['pts_semantic_mask_path'])
        infos.append(info)
        poses.append(_lidar_pose(scan.pose, lidar.height))
    first = np.linalg.inv(poses[0])
    back = np.linalg.inv(_CAMERA_FROM_LIDAR)
    cameras = [_CAMERA_FROM_LIDAR @ first @ pose @ back for pose in poses]
    (folder / root / 'poses.txt').write_text(''.join(_row(pose[:3]) + '\n' for pose in cameras))
    times = ''.join(f'{k * period:.6e}\n' for k in range(scans))
    (folder / root / 'times.txt').write_text(times)
    rows = {f'P{i}': _PROJECTION for i in range(4)} | dict(Tr=_CAMERA_FROM_LIDAR[:3])
    calib = ''.join(f'{name}: {_row(matrix)}\n' for name, matrix in rows.items())
    (folder / root / 'calib.txt').write_text(calib)
    return infos


def _lidar_pose(pose: Pose, height: float) -> np.ndarray:
    """(4, 4) from the sensor's frame to the world's."""
    matrix = np.eye(4)
    matrix[:3, :3] = pose.axes
    matrix[:3, 3] = pose.place + height * pose.axes[:, 2]
    return matrix


def _row(matrix: np.ndarray) -> str:
    return ' '.join(f'{value + 0.0:.6e}' for value in np.round(matrix, 9).ravel())

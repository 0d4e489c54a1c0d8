"""Info files for a folder in KITTI's layout, written without opening an image.

What ``tools/create_data.py kitti`` of MMDetection3D makes, in the form its ``KittiDataset`` and
``KittiMetric`` read (version 2), less ``cam_instances``, which camera-only detectors use.
"""

from __future__ import annotations

import csv
import pickle
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .data_folder import progress
from .gt_database import write_gt_database
from .kitti_files import CLASSES, DONT_CARE, Label, read_calibration, read_labels
from ..base import nearest_path
from .points_in_boxes import points_inside

REDUCED, FULL = 'training/velodyne_reduced', 'training/velodyne'
_CATEGORIES = {name: number for number, name in enumerate(CLASSES)} | {DONT_CARE: -1}
_PNG_HEADER = struct.Struct('>8x8xII')  # signature, IHDR, width, height


def write_kitti_infos(
    root: str | Path,
    train: str | Path | None = None,
    val: str | Path | None = None,
    prefix: str = 'kitti',
) -> dict[str, int]:
    """Write info files of both splits and of all, and the database of the training objects.

    The root holds ``training/calib``, ``training/label_2`` and ``training/velodyne_reduced``, the
    points cut to the image; where only ``training/velodyne`` is there, they are cut and written.
    Ground planes are taken along from ``training/planes``.
    Image sizes come from ``image_sizes.csv`` (frame, width, height) or the heads of
    ``training/image_2/*.png``.

    Args:
        root: Folder of the data; receives ``{prefix}_infos_{train,val,trainval}.pkl``,
            ``{prefix}_dbinfos_train.pkl`` and ``{prefix}_gt_database/``.
        train: File naming a frame a line, by default ``ImageSets/train.txt`` of the root.
        val: The same for validation, by default ``ImageSets/val.txt``.
        prefix: Of the written names, so that several splits fit into one root.

    Returns:
        Number of frames by split.

    Raises:
        FileNotFoundError: If a split's file or a frame's points, calibration or labels are missing.
        ValueError: If a file has a mistake or an image's size is unknown.
    """
    root = Path(root)
    files = {split: Path(given or root / f'ImageSets/{split}.txt')
             for split, given in dict(train=train, val=val).items()}  # fmt: skip
    frames = {split: read_frames(file) for split, file in files.items()}
    sizes, infos = _ImageSizes(root), {}
    reports = iter(progress('infos', [frame for split in frames.values() for frame in split]))
    for split, names in frames.items():
        infos[split] = [_info(root, next(reports), sizes, files[split]) for _ in names]
    next(reports, None)
    infos['trainval'] = infos['train'] + infos['val']
    for split, entries in infos.items():
        metainfo = dict(categories=_CATEGORIES, dataset='kitti', info_version='1.1')
        content = pickle.dumps(dict(metainfo=metainfo, data_list=entries), protocol=4)
        (root / f'{prefix}_infos_{split}.pkl').write_bytes(content)
    write_gt_database(root, infos['train'], REDUCED, prefix)
    return {split: len(names) for split, names in frames.items()}


def read_frames(path: str | Path) -> list[str]:
    """Frames a split's file names, as in the names of their files.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it names no frame, or a line is no number.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'the split {path} does not exist; {nearest_path(path)}')
    names = path.read_text().split()
    wrong = next((name for name in names if not name.isdecimal()), None)
    if not names or wrong is not None:
        what = 'is empty' if wrong is None else f'names the frame {wrong!r}'
        raise ValueError(f'{path} {what}, expected a number such as 000123 on each line')
    return names


class _ImageSizes:
    """Height and width of the images of a root, looked up when asked for."""

    def __init__(self, root: Path) -> None:
        self._root, self._table = root, {}
        if (root / 'image_sizes.csv').is_file():
            with open(root / 'image_sizes.csv', newline='') as file:
                for row in csv.DictReader(file):
                    self._table[row['frame']] = int(row['height']), int(row['width'])

    def __getitem__(self, frame: str) -> tuple[int, int]:
        image = self._root / f'training/image_2/{frame}.png'
        if frame in self._table:
            return self._table[frame]
        if image.is_file():
            with open(image, 'rb') as file:
                width, height = _PNG_HEADER.unpack(file.read(_PNG_HEADER.size))
            return height, width
        raise ValueError(
            f'the image size of frame {frame} is unknown: expected a row of '
            f'{self._root / "image_sizes.csv"} (frame,width,height) or the image {image}'
        )


def _info(root: Path, frame: str, sizes: _ImageSizes, split: Path) -> dict:
    calib = root / f'training/calib/{frame}.txt'
    label = root / f'training/label_2/{frame}.txt'
    clouds = [root / folder / f'{frame}.bin' for folder in (REDUCED, FULL)]
    if not any(path.is_file() for path in (calib, label, *clouds)):
        raise FileNotFoundError(f'{split} names frame {frame}, of which {root / "training"} holds '
                                f'nothing; {nearest_path(label)}')  # fmt: skip
    calibration, (height, width) = read_calibration(calib), sizes[frame]
    points = _points(clouds, lambda cloud: calibration.in_view(cloud, height, width))
    labels, matrices = read_labels(label), calibration.matrices
    lidar_to_camera = calibration.lidar_to_camera
    images = {
        f'CAM{i}': dict(
            cam2img=matrices[f'P{i}'].tolist(),
            lidar2img=(matrices[f'P{i}'] @ lidar_to_camera).tolist(),
        )
        for i in range(4)
        if f'P{i}' in matrices
    }
    images['CAM2'] |= dict(img_path=f'{frame}.png', height=height, width=width,
                           lidar2cam=lidar_to_camera.tolist())  # fmt: skip
    images['R0_rect'] = matrices['R0_rect'].tolist()
    lidar = dict(num_pts_feats=4, lidar_path=f'{frame}.bin')
    lidar |= {name: matrices[name].tolist() for name in ('Tr_velo_to_cam', 'Tr_imu_to_velo')
              if name in matrices}  # fmt: skip
    inside = points_inside(calibration.to_lidar(labels), points).tolist()
    instances = [_instance(*row, matrices['P2']) for row in zip(labels, inside)]
    cared = (instance for instance in instances if instance['bbox_label'] >= 0)
    for number, instance in enumerate(cared):
        instance['index'] = number
    for number, instance in enumerate(instances):
        instance['group_id'] = number
    info = dict(sample_idx=int(frame), images=images, lidar_points=lidar, instances=instances)
    plane = root / f'training/planes/{frame}.txt'
    if plane.is_file():  # three lines of header
        info['plane'] = [float(value) for value in plane.read_text().splitlines()[3].split()]
    return info


def _points(clouds: list[Path], in_view) -> np.ndarray:
    """Points (n, 4) of the first cloud, cut from the second and written where it is missing."""
    path = next((path for path in clouds if path.is_file()), None)
    if path is None:
        raise FileNotFoundError(f'the points {clouds[0]} do not exist, nor do {clouds[1]}; '
                                f'{nearest_path(clouds[0])}')  # fmt: skip
    flat = np.fromfile(path, np.float32)
    if flat.size % 4 or not flat.size:
        raise ValueError(f'{path} holds {flat.size} float32 values, expected x, y, z and '
                         'reflectance of each point')  # fmt: skip
    points = flat.reshape(-1, 4)
    if path != clouds[0]:
        points = points[in_view(points)]
        clouds[0].parent.mkdir(exist_ok=True)
        points.tofile(clouds[0])
    return points


def _instance(label: Label, inside: int, projection: np.ndarray) -> dict:
    """An object as ``update_infos_to_v2.py`` describes it; ``bbox_3d`` in the camera frame."""
    x, y, z, _, height, *_ = label.camera_box
    u, v, depth = projection[:3] @ (x, y - height / 2, z, 1.0)
    number = _CATEGORIES[label.name]
    return dict(
        bbox=list(label.bbox),
        bbox_label=number,
        bbox_3d=label.camera_box,
        bbox_label_3d=number,
        depth=float(depth),
        center_2d=[float(u / depth), float(v / depth)],
        num_lidar_pts=inside if number >= 0 else -1,
        difficulty=label.difficulty,
        truncated=label.truncated,
        occluded=label.occluded,
        alpha=label.alpha,
        score=label.score,
        index=-1,
        group_id=-1,
    )


def count_valid(infos: Iterable[dict]) -> dict[str, list[int]]:
    """How many objects of each class count at easy, moderate and hard; each includes the former."""
    counts = {name: [0, 0, 0] for name in CLASSES}
    for info in infos:
        for instance in info['instances']:
            if instance['bbox_label'] >= 0 and instance['difficulty'] >= 0:
                for level in range(instance['difficulty'], 3):
                    counts[CLASSES[instance['bbox_label']]][level] += 1
    return counts

"""Info files for a folder in KITTI's layout, written without opening an image.

What ``tools/create_data.py kitti`` of MMDetection3D makes, in the form its ``KittiDataset`` and
``KittiMetric`` read (version 2), less ``cam_instances``, which camera-only detectors use. All that
is there is judged before the first file is written.
"""

from __future__ import annotations

import os
import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np

from ...base import UsageError
from ...base.data_folder import dump_infos, holding_root
from ...base.progress import progress
from .gt_database import kitti_objects, write_gt_database
from .kitti_clouds import REDUCED, cut_cloud, write_cut_cloud
from .kitti_files import CLASSES, DONT_CARE, Calibration, Label, read_calibration, read_labels
from .kitti_images import ImageSizes, with_image_boxes
from .kitti_planes import missing_planes, read_plane
from .kitti_splits import check_frames, read_frames, repeated_frames
from .points_in_boxes import points_inside

_CATEGORIES = {name: number for number, name in enumerate(CLASSES)} | {DONT_CARE: -1}
_MUCH = 0.2  # share of a cut cloud outside of its image that is worth a word


@holding_root
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
    ``training/image_2/*.png``. 2D boxes that are unknown (four times -1 or 0, of data without a
    camera) become those of the 3D boxes, as KITTI's evaluation needs them.

    Warns of frames that a split names twice or that both name, of planes that some frames lack, of
    cut clouds that are not cut and of objects labeled twice.

    Args:
        root: Folder of the data; receives ``{prefix}_infos_{train,val,trainval}.pkl``,
            ``{prefix}_dbinfos_train.pkl`` and ``{prefix}_gt_database/``.
        train: File naming a frame a line, by default ``ImageSets/train.txt`` of the root.
        val: The same for validation, by default ``ImageSets/val.txt``.
        prefix: Of the written names, so that several splits fit into one root.

    Returns:
        Number of frames by split.

    Raises:
        FileMissingError: If a split's file or a frame's points, calibration or labels are missing.
        UsageError: If a file has a mistake, an image's size is unknown or the root is read-only.
    """
    root = Path(root)
    files = {split: Path(given or root / f'ImageSets/{split}.txt')
             for split, given in dict(train=train, val=val).items()}  # fmt: skip
    frames = {split: read_frames(file) for split, file in files.items()}
    if not os.access(root, os.W_OK):
        raise UsageError(f'{root} receives the info files and cannot be written to')
    check_frames(root, frames, files)
    every = list(dict.fromkeys(name for names in frames.values() for name in names))
    sizes, said = ImageSizes(root), _Remarks(len(every))
    infos = {frame: _info(root, frame, sizes, said) for frame in progress('infos', every)}
    for sentence in (*repeated_frames(frames), *missing_planes(root, every), *said):
        warnings.warn(sentence, stacklevel=2)
    # copies: readers change an entry in place, and a pickle knows one object named twice as one
    _write(root, prefix, {split: [deepcopy(infos[name]) for name in names]
                          for split, names in frames.items()}, every, sizes)  # fmt: skip
    return {split: len(names) for split, names in frames.items()}


def _write(root: Path, prefix: str, infos: dict[str, list[dict]], frames: list[str],
           sizes: ImageSizes) -> None:  # fmt: skip
    for frame in frames:
        camera = read_calibration(root / f'training/calib/{frame}.txt')
        write_cut_cloud(root, frame, camera, *sizes[frame])
    unique = {info['sample_idx']: info for info in infos['train']}
    write_gt_database(root, kitti_objects(root / REDUCED, unique.values()), prefix)
    metainfo = dict(categories=_CATEGORIES, dataset='kitti', info_version='1.1')
    for split, entries in dict(trainval=infos['train'] + infos['val'], **infos).items():
        content = dict(metainfo=metainfo, data_list=entries)
        dump_infos(root / f'{prefix}_infos_{split}.pkl', content)


class _Remarks:
    """What is worth a word, frame by frame, told once with a number."""

    def __init__(self, frames: int) -> None:
        self._frames, self._uncut, self._unknown, self._twice = frames, [], [], []

    def uncut(self, frame: str, outside: float) -> None:
        if outside > _MUCH:
            self._uncut.append(f'{frame} with {outside:.0%}')

    def unknown(self, frame: str, count: int) -> None:
        self._unknown += [frame] * count

    def twice(self, frame: str, labels: list[Label]) -> None:
        boxes = [(label.name, *label.camera_box) for label in labels if label.name != DONT_CARE]
        self._twice += [frame] * (len(boxes) - len(set(boxes)))

    def __iter__(self):
        if self._uncut:
            yield (f'{len(self._uncut)} of {self._frames} clouds in {REDUCED} reach outside of '
                   f'their image, where KITTI labels nothing, the first is {self._uncut[0]} of its '
                   'points there: without them the converter cuts training/velodyne')  # fmt: skip
        if self._unknown:
            yield (f'{len(self._unknown)} objects have no 2D box, the first in frame '
                   f'{self._unknown[0]}: theirs are computed from the 3D boxes')  # fmt: skip
        if self._twice:
            yield (f'{len(self._twice)} objects are labeled twice, the first in frame '
                   f'{self._twice[0]}')  # fmt: skip


def _info(root: Path, frame: str, sizes: ImageSizes, said: _Remarks) -> dict:
    path = root / f'training/label_2/{frame}.txt'
    calibration = read_calibration(root / f'training/calib/{frame}.txt')
    height, width = sizes[frame]
    labels, unknown = with_image_boxes(read_labels(path), calibration, height, width, str(path))
    points = cut_cloud(root, frame, calibration, height, width)
    said.uncut(frame, 1 - calibration.in_view(points, height, width).mean())
    said.unknown(frame, unknown)
    said.twice(frame, labels)
    info = dict(
        sample_idx=int(frame),
        images=_images(frame, calibration, height, width),
        lidar_points=dict(num_pts_feats=4, lidar_path=f'{frame}.bin') | {
            name: calibration.matrices[name].tolist()
            for name in ('Tr_velo_to_cam', 'Tr_imu_to_velo') if name in calibration.matrices},
        instances=_instances(labels, points, calibration),
    )  # fmt: skip
    plane = read_plane(root, frame)
    return info if plane is None else info | dict(plane=plane)


def _images(frame: str, calibration: Calibration, height: int, width: int) -> dict:
    matrices, lidar_to_camera = calibration.matrices, calibration.lidar_to_camera
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
    return images


def _instances(labels: list[Label], points: np.ndarray, calibration: Calibration) -> list[dict]:
    inside = points_inside(calibration.to_lidar(labels), points).tolist()
    projection = calibration.matrices['P2']
    instances = [_instance(*row, projection) for row in zip(labels, inside)]
    cared = (instance for instance in instances if instance['bbox_label'] >= 0)
    for number, instance in enumerate(cared):
        instance['index'] = number
    for number, instance in enumerate(instances):
        instance['group_id'] = number
    return instances


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

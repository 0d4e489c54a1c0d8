"""The database of training objects that MMDetection3D's ``ObjectSample`` pastes into frames.

Shape letters: n points of D columns, k objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...base.data_folder import dump_infos, new_folder
from .kitti_files import CLASSES, lidar_boxes
from .points_in_boxes import rows_inside


class FrameObjects(NamedTuple):
    """What a frame gives to the database.

    Args:
        frame: Its number.
        points: (n, D) float32, LiDAR frame.
        boxes: (k, 7) LiDAR boxes (z of the middle), or (k, 9) with velocities x and y.
        names: k classes.
        difficulty: k, of KITTI's levels.
        score: k.
    """

    frame: int
    points: np.ndarray
    boxes: np.ndarray
    names: list[str]
    difficulty: list[int]
    score: list[float]


def write_gt_database(root: str | Path, frames: Iterable[FrameObjects], prefix: str
                      ) -> dict[str, int]:  # fmt: skip
    """Cut the points of every object out of its frame.

    Writes ``{prefix}_gt_database/{frame}_{class}_{object}.bin``, float32 (n, D) with the middle of
    the box's bottom as origin, and ``{prefix}_dbinfos_train.pkl``, by class what
    ``DataBaseSampler`` reads: ``box3d_lidar`` has the bottom's middle, length, width, height, yaw.
    The folder of an earlier run is replaced as a whole; a run killed before it has written the
    pickle leaves none, for the earlier one names other files.

    Args:
        root: Of the data.
        frames: Of the training split.
        prefix: Of the written names.

    Returns:
        Number of objects by class.
    """
    root, database = Path(root), {}
    name, objects = f'{prefix}_gt_database', root / f'{prefix}_dbinfos_train.pkl'
    with new_folder(root / name, force=True) as folder:
        for frame in frames:
            for entry in _cut(frame, folder, name):
                entry['group_id'] = sum(map(len, database.values()))
                database.setdefault(entry['name'], []).append(entry)
        objects.unlink(missing_ok=True)
    dump_infos(objects, database)
    return {name: len(entries) for name, entries in database.items()}


def _cut(frame: FrameObjects, folder: Path, written: str) -> Iterator[dict]:
    number, points, boxes, names, *_ = frame
    for i, (box, rows) in enumerate(zip(boxes, rows_inside(boxes[:, :7], points))):
        file = f'{number}_{names[i]}_{i}.bin'
        bottom = box.astype(np.float32)
        bottom[2] = box[2] - box[5] / 2
        own = points[rows]
        own[:, :3] -= bottom[:3]
        own.tofile(folder / file)
        yield dict(
            name=names[i],
            path=f'{written}/{file}',
            image_idx=number,
            gt_idx=i,
            box3d_lidar=bottom,
            num_points_in_gt=len(own),
            difficulty=frame.difficulty[i],
            score=frame.score[i],
        )


def kitti_objects(folder: Path, infos: Iterable[dict]) -> Iterator[FrameObjects]:
    """Objects of KITTI's frames, as ``write_kitti_infos`` describes them.

    Args:
        folder: Of the clouds.
        infos: Entries of version 2.
    """
    for info in infos:
        cloud = np.fromfile(folder / info['lidar_points']['lidar_path'], np.float32).reshape(-1, 4)
        objects = [thing for thing in info['instances'] if thing['bbox_label_3d'] >= 0]
        boxes = np.array([thing['bbox_3d'] for thing in objects]).reshape(-1, 7)
        yield FrameObjects(
            info['sample_idx'], cloud,
            lidar_boxes(boxes, np.array(info['images']['CAM2']['lidar2cam'])),
            [CLASSES[thing['bbox_label_3d']] for thing in objects],
            [thing['difficulty'] for thing in objects],
            [thing['score'] for thing in objects],
        )  # fmt: skip

"""The database of training objects that MMDetection3D's ``ObjectSample`` pastes into frames."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from .kitti_files import CLASSES, lidar_boxes
from .points_in_boxes import rows_inside


def write_gt_database(root: str | Path, infos: list[dict], points: str, prefix: str = 'kitti'
                      ) -> dict[str, int]:  # fmt: skip
    """Cut the points of every object out of its frame.

    Writes ``{prefix}_gt_database/{frame}_{class}_{object}.bin``, float32 (n, 4) with the middle of
    the box's bottom as origin, and ``{prefix}_dbinfos_train.pkl``, by class what
    ``DataBaseSampler`` reads: ``box3d_lidar`` has the bottom's middle, length, width, height, yaw.

    Args:
        root: Of the data.
        infos: Frames of version 2, as ``write_kitti_infos`` writes them.
        points: Folder of the clouds below the root.
        prefix: Of the written names.

    Returns:
        Number of objects by class.
    """
    root, database = Path(root), {}
    (root / f'{prefix}_gt_database').mkdir(exist_ok=True)
    for info in infos:
        path = root / points / info['lidar_points']['lidar_path']
        cloud = np.fromfile(path, np.float32).reshape(-1, 4)
        objects = [thing for thing in info['instances'] if thing['bbox_label_3d'] >= 0]
        boxes = np.array([thing['bbox_3d'] for thing in objects]).reshape(-1, 7)
        boxes = lidar_boxes(boxes, np.array(info['images']['CAM2']['lidar2cam']))
        for number, (thing, box, rows) in enumerate(zip(objects, boxes, rows_inside(boxes, cloud))):
            name = CLASSES[thing['bbox_label_3d']]
            file = f'{prefix}_gt_database/{info["sample_idx"]}_{name}_{number}.bin'
            bottom = (box - [0, 0, box[5] / 2, 0, 0, 0, 0]).astype(np.float32)
            own = cloud[rows]
            own[:, :3] -= bottom[:3]
            own.tofile(root / file)
            database.setdefault(name, []).append(
                dict(
                    name=name,
                    path=file,
                    image_idx=info['sample_idx'],
                    gt_idx=number,
                    box3d_lidar=bottom,
                    num_points_in_gt=len(own),
                    difficulty=thing['difficulty'],
                    group_id=sum(map(len, database.values())),
                    score=thing['score'],
                )
            )
    (root / f'{prefix}_dbinfos_train.pkl').write_bytes(pickle.dumps(database, protocol=4))
    return {name: len(entries) for name, entries in database.items()}


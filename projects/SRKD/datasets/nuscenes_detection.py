"""Info files of nuScenes detection from its tables, for the LiDAR alone.

What mmdet3d's ``create_data.py nuscenes`` makes of LiDAR, boxes and sweeps, key for key; but images
are neither asked for nor opened, and tables that do not fit together are refused before the devkit
stumbles over them.
"""

from __future__ import annotations

import os.path as osp
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmdet3d.datasets import NuScenesDataset
from mmdet3d.datasets.utils import convert_quaternion_to_matrix
from nuscenes import NuScenes
from nuscenes.eval.detection.utils import category_to_detection_name
from nuscenes.utils import splits
from nuscenes.utils.geometry_utils import transform_matrix
from pyquaternion import Quaternion

from ..base import nearest_path
from .nuscenes_schema import check_tables

CLASSES = NuScenesDataset.METAINFO['classes']
SPLITS = {
    'v1.0-mini': dict(train=splits.mini_train, val=splits.mini_val),
    'v1.0-trainval': dict(train=splits.train, val=splits.val),
    'v1.0-test': dict(test=splits.test),
}

def write_nuscenes_infos(root: str | Path, version: str = 'v1.0-trainval', max_sweeps: int = 10
                         ) -> dict[str, int]:  # fmt: skip
    """Write ``nuscenes_infos_{split}.pkl`` of version 2 beside the tables.

    Scenes whose first scan is not there are left out, so that parts of nuScenes can be used.

    Args:
        root: folder of ``samples``, ``maps`` and the tables.
        version: of the tables: ``v1.0-mini``, ``v1.0-trainval`` or ``v1.0-test``.
        max_sweeps: earlier scans that a key frame names.

    Returns:
        Number of key frames of each split.

    Raises:
        FileNotFoundError: If tables, maps, the scans of all scenes or some of a scene are missing.
        ValueError: If the version is unknown or the tables do not fit together.
    """
    root = Path(root)
    if version not in SPLITS:
        raise ValueError(
            f'version of nuScenes must be one of {", ".join(SPLITS)}, whose splits the devkit '
            f'knows, got {version!r}'
        )
    check_tables(root, version)
    nusc = NuScenes(version, str(root), verbose=False)
    there = {scene['token']: scene['name'] for scene in nusc.scene if _is_there(nusc, scene)}
    if not there:
        first = nusc.get('sample', nusc.scene[0]['first_sample_token'])
        path = nusc.get_sample_data_path(first['data']['LIDAR_TOP'])
        raise FileNotFoundError(
            f'{root} holds the first scan of none of its {len(nusc.scene)} scenes, expected '
            f'{path} for {nusc.scene[0]["name"]}; {nearest_path(path)}'
        )
    counts = {}
    for split, names in SPLITS[version].items():
        wanted = {token for token, name in there.items() if name in names}
        samples = [sample for sample in nusc.sample if sample['scene_token'] in wanted]
        infos = [nuscenes_info(nusc, sample, max_sweeps) | dict(sample_idx=i)
                 for i, sample in enumerate(samples)]  # fmt: skip
        metainfo = dict(categories=_categories(nusc), dataset='nuscenes', version=version,
                        info_version='1.1')  # fmt: skip
        content = pickle.dumps(dict(metainfo=metainfo, data_list=infos), protocol=4)
        (root / f'nuscenes_infos_{split}.pkl').write_bytes(content)
        counts[split] = len(infos)
    return counts


def _categories(nusc: NuScenes) -> dict[str, int]:
    """Labels of the ten classes, and -1 of the categories that are none of them."""
    names = sorted(record['name'] for record in nusc.category)
    others = [name for name in names if category_to_detection_name(name) is None]
    return {name: i for i, name in enumerate(CLASSES)} | dict.fromkeys(others, -1)


def nuscenes_info(nusc: NuScenes, sample: dict, max_sweeps: int = 10) -> dict:
    """Entry of an info file for one key frame, but for its ``sample_idx``.

    Args:
        nusc: the tables.
        sample: record of the table ``sample``.
        max_sweeps: earlier scans to name, the latest first.

    Returns:
        Boxes ``bbox_3d`` (x, y, z of the middle, length, width, height, yaw) and ``velocity``
        (2,), NaN where unknown, are in the LiDAR's frame; matrices are nested lists (4, 4).
    """
    lidar = nusc.get('sample_data', sample['data']['LIDAR_TOP'])
    path, boxes, _ = nusc.get_sample_data(lidar['token'])
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'sample_data {lidar["token"]} names the scan {path}, which does not exist; '
            f'{nearest_path(path)}'
        )
    pose, sensor = _records(nusc, lidar)
    world = np.linalg.inv(_lidar_to_global(nusc, lidar))[:3, :3]
    instances = []
    for box in boxes:
        record = nusc.get('sample_annotation', box.token)
        label = _label(box.name)
        velocity = world @ [*nusc.box_velocity(box.token)[:2], 0.0]
        width, length, height = box.wlh.tolist()
        yaw = box.orientation.yaw_pitch_roll[0]
        instances.append(
            dict(bbox_label=label, bbox_3d=[*box.center.tolist(), length, width, height, yaw],
                 bbox_3d_isvalid=record['num_lidar_pts'] + record['num_radar_pts'] > 0,
                 bbox_label_3d=label, velocity=velocity[:2].tolist(),
                 num_lidar_pts=record['num_lidar_pts'],
                 num_radar_pts=record['num_radar_pts']))  # fmt: skip
    lidar_points = dict(num_pts_feats=5, lidar_path=osp.basename(path),
                        lidar2ego=_matrix(sensor))  # fmt: skip
    info = dict(token=sample['token'], timestamp=sample['timestamp'] / 1e6,
                ego2global=_matrix(pose), images={}, lidar_points=lidar_points,
                instances=instances)  # fmt: skip
    sweeps = list(_sweeps(nusc, lidar, max_sweeps))
    return info | (dict(lidar_sweeps=sweeps) if sweeps else {})


def _label(category: str) -> int:
    name = category_to_detection_name(category)
    return -1 if name is None else CLASSES.index(name)


def _sweeps(nusc: NuScenes, lidar: dict, count: int) -> Iterator[dict]:
    """Entries of the scans before one, from the latest back."""
    from_global = np.linalg.inv(_lidar_to_global(nusc, lidar))
    sweep = lidar
    for _ in range(count):
        if not sweep['prev']:
            return
        sweep = nusc.get('sample_data', sweep['prev'])
        pose, sensor = _records(nusc, sweep)
        to_sweep = np.linalg.inv(from_global @ _lidar_to_global(nusc, sweep))
        points = dict(lidar_path=sweep['filename'], lidar2ego=_matrix(sensor),
                      lidar2sensor=to_sweep.astype(np.float32).tolist())  # fmt: skip
        yield dict(timestamp=sweep['timestamp'] / 1e6, ego2global=_matrix(pose),
                   lidar_points=points, sample_data_token=sweep['token'])  # fmt: skip


def _records(nusc: NuScenes, data: dict) -> tuple[dict, dict]:
    return (nusc.get('ego_pose', data['ego_pose_token']),
            nusc.get('calibrated_sensor', data['calibrated_sensor_token']))  # fmt: skip


def _matrix(record: dict) -> list:
    return convert_quaternion_to_matrix(record['rotation'], record['translation'])


def _lidar_to_global(nusc: NuScenes, data: dict) -> np.ndarray:
    """(4, 4) float64; the matrices of the info files are rounded to float32."""
    pose, sensor = (
        transform_matrix(record['translation'], Quaternion(record['rotation']))
        for record in _records(nusc, data)
    )
    return pose @ sensor


def _is_there(nusc: NuScenes, scene: dict) -> bool:
    first = nusc.get('sample', scene['first_sample_token'])
    return osp.isfile(nusc.get_sample_data_path(first['data']['LIDAR_TOP']))

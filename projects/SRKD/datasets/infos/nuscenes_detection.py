"""Info files of nuScenes from its tables, for the LiDAR alone.

What mmdet3d's ``create_data.py nuscenes`` makes of LiDAR, boxes, sweeps and lidarseg, key for key;
but images are neither asked for nor opened, tables that do not fit together are refused before the
devkit stumbles over them, and all is judged before the first file is written.
"""

from __future__ import annotations

import os
import os.path as osp
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mmdet3d.datasets import NuScenesDataset
from mmdet3d.datasets.utils import convert_quaternion_to_matrix
from mmdet3d.registry import TRANSFORMS

from ...base import FileMissingError, UsageError, nearest_path
from ...base.data_folder import dump_infos, holding_root
from ...base.packages import needed
from ...base.progress import progress
from .gt_database import FrameObjects, write_gt_database
from .nuscenes_schema import check_tables

if TYPE_CHECKING:
    from nuscenes import NuScenes

CLASSES = NuScenesDataset.METAINFO['classes']
SPLITS = {
    'v1.0-mini': dict(train='mini_train', val='mini_val'),
    'v1.0-trainval': dict(train='train', val='val'),
    'v1.0-test': dict(test='test'),
}
"""Version of the tables -> split -> its name in the devkit."""


@holding_root
def write_nuscenes_infos(
    root: str | Path,
    version: str = 'v1.0-trainval',
    max_sweeps: int = 10,
    database: bool = True,
) -> dict[str, int]:
    """Write ``nuscenes_infos_{split}.pkl`` of version 2 beside the tables, and train's objects.

    Scenes whose first scan is not there are left out and named, so that parts of nuScenes can be
    used. Where nuScenes-lidarseg is unpacked, the entries name its masks.

    Args:
        root: Folder of ``samples``, ``sweeps``, ``maps`` and the tables.
        version: Of the tables: ``v1.0-mini``, ``v1.0-trainval`` or ``v1.0-test``.
        max_sweeps: Earlier scans that a key frame names; 0 where the sweeps are not there.
        database: Whether to cut the training objects out of their frames, sweeps included, into
            ``nuscenes_gt_database/`` and ``nuscenes_dbinfos_train.pkl``, which mmdet3d's
            CenterPoint recipes paste from.

    Returns:
        Number of key frames of each split.

    Raises:
        FileMissingError: If tables, maps, the scans of all scenes, some of a scene, or sweeps are
            missing.
        UsageError: If the version is unknown, the tables do not fit together or the root is
            read-only.
    """
    root = Path(root)
    if version not in SPLITS:
        raise UsageError(
            f'version of nuScenes must be one of {", ".join(SPLITS)}, whose splits the devkit '
            f'knows, but got {version!r}'
        )
    check_tables(root, version)
    if not os.access(root, os.W_OK):
        raise UsageError(f'{root} receives the info files and cannot be written to')
    nusc = needed('nuscenes').NuScenes(version, str(root), verbose=False)
    infos = {split: _infos(nusc, split, scenes, max_sweeps)
             for split, scenes in _scenes(nusc, root, version).items()}  # fmt: skip
    if database and 'train' in infos:
        write_gt_database(root, nuscenes_objects(root, infos['train'], max_sweeps), 'nuscenes')
    metainfo = dict(categories=_categories(nusc), dataset='nuscenes', version=version,
                    info_version='1.1')  # fmt: skip
    for split, entries in infos.items():
        content = dict(metainfo=metainfo, data_list=entries)
        dump_infos(root / f'nuscenes_infos_{split}.pkl', content)
    return {split: len(entries) for split, entries in infos.items()}


def _scenes(nusc: NuScenes, root: Path, version: str) -> dict[str, set[str]]:
    """Tokens of the scenes that are there, by split."""
    there = {scene['token']: scene['name'] for scene in nusc.scene if _is_there(nusc, scene)}
    if not there:
        first = nusc.get('sample', nusc.scene[0]['first_sample_token'])
        path = nusc.get_sample_data_path(first['data']['LIDAR_TOP'])
        raise FileMissingError(
            f'{root} holds the first scan of none of its {len(nusc.scene)} scenes, expected '
            f'{path} for {nusc.scene[0]["name"]}; {nearest_path(path)}'
        )
    found = {}
    for split, name in SPLITS[version].items():
        names = getattr(needed('nuscenes.utils.splits'), name)
        found[split] = {token for token, name in there.items() if name in names}
        in_tables = any(scene['name'] in names for scene in nusc.scene)
        if in_tables and not found[split]:
            raise FileMissingError(f'{root} holds the scans of none of the scenes of {split}, '
                                   f'expected one at least, such as {names[0]}')  # fmt: skip
    absent = [scene['name'] for scene in nusc.scene if scene['token'] not in there]
    if absent:
        warnings.warn(
            f'{len(absent)} of {len(nusc.scene)} scenes are left out, their scans are not there: '
            f'{_listed(absent)}; scores then need NuScenesPartMetric, for nuscenes-devkit asks for '
            'every frame of a split',
            stacklevel=3,
        )
    return found


def _listed(names: list[str], shown: int = 5) -> str:
    return ', '.join(names[:shown]) + (', ...' if len(names) > shown else '')


def _infos(nusc: NuScenes, split: str, scenes: set[str], max_sweeps: int) -> list[dict]:
    samples = [sample for sample in nusc.sample if sample['scene_token'] in scenes]
    tokens = iter(progress(f'infos of {split}', [sample['token'] for sample in samples]))
    infos = [nuscenes_info(nusc, sample, max_sweeps) | dict(sample_idx=i)
             for i, (sample, _) in enumerate(zip(samples, tokens))]  # fmt: skip
    next(tokens, None)
    named = {sweep['lidar_points']['lidar_path'] for info in infos
             for sweep in info.get('lidar_sweeps', ())}  # fmt: skip
    lacking = sorted(path for path in named if not osp.isfile(osp.join(nusc.dataroot, path)))
    if lacking:
        path = osp.join(nusc.dataroot, lacking[0])
        raise FileMissingError(
            f'{len(lacking)} of the {len(named)} sweeps that the tables name for {split} are not '
            f'there, the first is {path}; {nearest_path(path)}; --max-sweeps 0 leaves them all out'
        )
    return infos


def _categories(nusc: NuScenes) -> dict[str, int]:
    """Labels of the ten classes, and -1 of the categories that are none of them."""
    names = sorted(record['name'] for record in nusc.category)
    others = [name for name in names if _class_of(name) is None]
    return {name: i for i, name in enumerate(CLASSES)} | dict.fromkeys(others, -1)


def nuscenes_info(nusc: NuScenes, sample: dict, max_sweeps: int = 10) -> dict:
    """Entry of an info file for one key frame, but for its ``sample_idx``.

    Args:
        nusc: The tables.
        sample: Record of the table ``sample``.
        max_sweeps: Earlier scans to name, the latest first.

    Returns:
        Boxes ``bbox_3d`` (x, y, z of the middle, length, width, height, yaw) and ``velocity``
        (2,), NaN where unknown, are in the LiDAR's frame; matrices are nested lists (4, 4).
    """
    lidar = nusc.get('sample_data', sample['data']['LIDAR_TOP'])
    path, boxes, _ = nusc.get_sample_data(lidar['token'])
    if not osp.isfile(path):
        raise FileMissingError(
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
    if 'lidarseg' in nusc.table_names:
        mask = nusc.get('lidarseg', lidar['token'])['filename']
        info['pts_semantic_mask_path'] = osp.basename(mask)
    sweeps = list(_sweeps(nusc, lidar, max_sweeps))
    return info | (dict(lidar_sweeps=sweeps) if sweeps else {})


def _class_of(category: str) -> str | None:
    return needed('nuscenes.eval.detection.utils').category_to_detection_name(category)


def _label(category: str) -> int:
    name = _class_of(category)
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
    matrix = needed('nuscenes.utils.geometry_utils').transform_matrix
    rotation = needed('pyquaternion').Quaternion
    pose, sensor = (
        matrix(record['translation'], rotation(record['rotation']))
        for record in _records(nusc, data)
    )
    return pose @ sensor


def nuscenes_objects(root: Path, infos: list[dict], max_sweeps: int) -> Iterator[FrameObjects]:
    """Objects of nuScenes' frames that a LiDAR or radar has seen, with the points of all sweeps.

    Args:
        root: Of the data.
        infos: Entries of version 2.
        max_sweeps: Earlier scans whose points are taken along.
    """
    load = TRANSFORMS.build(
        dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=5)
    )
    add_sweeps = TRANSFORMS.build(
        dict(type='LoadPointsFromMultiSweeps', sweeps_num=max_sweeps, use_dim=[0, 1, 2, 3, 4],
             pad_empty_sweeps=True, remove_close=True, test_mode=True))  # fmt: skip
    names = progress('objects', [info['token'] for info in infos])
    for info, _ in zip(infos, names):
        things = [thing for thing in info['instances']
                  if thing['bbox_3d_isvalid'] and thing['bbox_label_3d'] >= 0]  # fmt: skip
        boxes = [[*thing['bbox_3d'], *np.nan_to_num(thing['velocity'])] for thing in things]
        yield FrameObjects(
            info['sample_idx'],
            add_sweeps(load(_placed(root, info)))['points'].numpy(),
            np.array(boxes, np.float64).reshape(-1, 9),
            [CLASSES[thing['bbox_label_3d']] for thing in things],
            [0] * len(things), [0.0] * len(things),
        )  # fmt: skip


def _placed(root: Path, info: dict) -> dict:
    """What the loading steps ask for, with paths from here."""
    scan = root / 'samples/LIDAR_TOP' / info['lidar_points']['lidar_path']
    placed = dict(timestamp=info['timestamp'], lidar_points=dict(lidar_path=str(scan)))
    if 'lidar_sweeps' in info:
        placed['lidar_sweeps'] = [
            sweep | dict(lidar_points=sweep['lidar_points'] | dict(
                lidar_path=str(root / sweep['lidar_points']['lidar_path'])))
            for sweep in info['lidar_sweeps']
        ]  # fmt: skip
    return placed


def _is_there(nusc: NuScenes, scene: dict) -> bool:
    first = nusc.get('sample', scene['first_sample_token'])
    return osp.isfile(nusc.get_sample_data_path(first['data']['LIDAR_TOP']))

"""Real scans in the layouts MMDetection3D reads, converted for tests (``realdata`` fixture).

ScanNet: ``scene0000_00`` comes as arrays (mmdet3d's own export), ``scene0470_00`` as the mesh of
ScanNet's download. SemanticKITTI: one frame of sequence 00, one of 08. nuScenes: three key frames
with boxes but without tables.
"""

import json
import pickle
from pathlib import Path

import numpy as np
from pyquaternion import Quaternion

SCANNET_SCENES = ('scene0000_00', 'scene0470_00')
KITTI_SEQUENCES = ('00', '08')
NUSCENES_CLASSES = (
    'car', 'truck', 'trailer', 'bus', 'construction_vehicle', 'bicycle', 'motorcycle', 'pedestrian',
    'traffic_cone', 'barrier')  # fmt: skip
_PLY_TYPES = dict(float='<f4', double='<f8', uchar='u1', ushort='<u2', short='<i2', int='<i4')


def read_ply_vertices(path: Path) -> np.ndarray:
    """Vertices of a binary little-endian PLY file, as a structured array (n,)."""
    content = path.read_bytes()
    end = content.index(b'end_header') + len(b'end_header\n')
    lines = content[:end].decode('ascii').split('\n')
    if 'format binary_little_endian 1.0' not in lines:
        raise ValueError(f'{path} is not a binary little-endian PLY file')
    start = next(i for i, line in enumerate(lines) if line.startswith('element vertex'))
    columns = []
    for line in lines[start + 1 :]:
        if not line.startswith('property'):
            break
        columns.append((line.split()[2], _PLY_TYPES[line.split()[1]]))
    return np.frombuffer(content, np.dtype(columns), int(lines[start].split()[2]), offset=end)


def read_scannet(realdata: Path, scene: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (n, 6) float32, NYU40 labels (n,) and instances (n,), both int64, of one real scan.

    The mesh form has no instances here: one per class.
    """
    arrays = realdata / 'scannet/scannet_instance_data'
    if (arrays / f'{scene}_vert.npy').is_file():
        parts = ('vert', 'sem_label', 'ins_label')
        points, semantic, instance = (np.load(arrays / f'{scene}_{part}.npy') for part in parts)
    else:
        mesh = realdata / 'scannet/scans' / scene / f'{scene}_vh_clean_2'
        vertices = read_ply_vertices(mesh.with_suffix('.ply'))
        columns = ('x', 'y', 'z', 'red', 'green', 'blue')
        points = np.stack([vertices[name].astype(np.float32) for name in columns], 1)
        semantic = instance = read_ply_vertices(mesh.with_suffix('.labels.ply'))['label']
    return points.astype(np.float32), semantic.astype(np.int64), instance.astype(np.int64)


def write_scannet_root(
    realdata: Path, out: Path, train=SCANNET_SCENES, val=SCANNET_SCENES, times: int = 1
) -> Path:
    """Write real scans as a ScanNet data root; returns it.

    Args:
        realdata: folder of the real scans.
        out: data root to make.
        train: scenes of ``scannet_infos_train.pkl``.
        val: scenes of ``scannet_infos_val.pkl``.
        times: how often a training epoch shows each scene.
    """
    folders = ('points', 'semantic_mask', 'instance_mask', 'seg_info')
    for folder in folders:
        (out / folder).mkdir(parents=True)
    for scene in dict.fromkeys((*train, *val)):
        for folder, array in zip(folders, read_scannet(realdata, scene)):
            array.tofile(out / folder / f'{scene}.bin')
    for split, scenes in dict(train=train, val=val).items():
        entries = [
            dict(
                lidar_points=dict(num_pts_feats=6, lidar_path=f'{scene}.bin'),
                pts_semantic_mask_path=f'{scene}.bin',
                pts_instance_mask_path=f'{scene}.bin',
                axis_align_matrix=np.eye(4).tolist(),
            )
            for scene in scenes
        ]
        _write_infos(out / f'scannet_infos_{split}.pkl', 'scannet', entries)
        shown = np.tile(np.arange(len(scenes), dtype=np.int32), times)
        np.save(out / f'seg_info/{split}_resampled_scene_idxs.npy', shown)
    return out


def write_semantickitti_root(
    realdata: Path, out: Path, train=KITTI_SEQUENCES, val=KITTI_SEQUENCES
) -> Path:
    """Write info files of real sequences into a root that links to their scans; returns it."""
    out.mkdir(parents=True, exist_ok=True)
    sequences = realdata / 'semantickitti/sequences'
    (out / 'sequences').symlink_to(sequences.absolute(), target_is_directory=True)
    for split, names in dict(train=train, val=val).items():
        entries = [
            dict(
                lidar_points=dict(
                    lidar_path=f'sequences/{name}/velodyne/{scan.name}', num_pts_feats=4
                ),
                pts_semantic_mask_path=f'sequences/{name}/labels/{scan.stem}.label',
                sample_id=f'{name}{scan.stem}',
            )
            for name in names
            for scan in sorted((sequences / name / 'velodyne').glob('*.bin'))
        ]
        _write_infos(out / f'semantickitti_infos_{split}.pkl', 'SemanticKITTI', entries)
    return out


def write_nuscenes_detection_root(realdata: Path, out: Path, train=(0, 1, 2), val=(0, 1, 2)
                                  ) -> Path:  # fmt: skip
    """Write info files of real key frames, with boxes, into a root that links to their scans.

    They are read by mmdet3d's ``NuScenesDataset``, not by its metric, which asks for tables.

    Args:
        realdata: folder of the real scans.
        out: data root to make.
        train: which of the three frames are in ``nuscenes_infos_train.pkl``.
        val: which are in ``nuscenes_infos_val.pkl``.
    """
    out.mkdir(parents=True, exist_ok=True)
    folder = realdata / 'nuscenes'
    (out / 'samples').symlink_to((folder / 'samples').absolute(), target_is_directory=True)
    frames = json.loads((folder / 'gt_boxes_lidar.json').read_text())
    for split, chosen in dict(train=train, val=val).items():
        entries = [_nuscenes_entry(frames[k]) | dict(sample_idx=i) for i, k in enumerate(chosen)]
        _write_infos(out / f'nuscenes_infos_{split}.pkl', 'nuscenes', entries)
    return out


def _nuscenes_entry(frame: dict) -> dict:
    stamp, instances = frame['timestamp'], []
    for name, box, points, velocity in zip(
        frame['names'], frame['boxes_xyzlwhyaw_gravity'], frame['num_lidar_pts'], frame['velocity']
    ):
        label = NUSCENES_CLASSES.index(name) if name in NUSCENES_CLASSES else -1
        instances.append(
            dict(bbox_label=label, bbox_label_3d=label, bbox_3d=box, velocity=velocity,
                 num_lidar_pts=points, num_radar_pts=0, bbox_3d_isvalid=points > 0))  # fmt: skip
    lidar = dict(lidar_path=Path(frame['lidar_path']).name, num_pts_feats=5,
                 lidar2ego=_matrix(frame, 'lidar2ego'))  # fmt: skip
    return dict(
        token=frame['token'], timestamp=stamp / 1e6 if stamp > 1e12 else stamp, images={},
        ego2global=_matrix(frame, 'ego2global'), lidar_points=lidar, lidar_sweeps=[],
        instances=instances)  # fmt: skip


def _matrix(frame: dict, name: str) -> list:
    if name in frame:
        return frame[name]
    matrix = np.eye(4)
    matrix[:3, :3] = Quaternion(frame[f'{name}_rotation']).rotation_matrix
    matrix[:3, 3] = frame[f'{name}_translation']
    return matrix.tolist()


def _write_infos(path: Path, dataset: str, entries: list[dict]) -> None:
    content = dict(metainfo=dict(dataset=dataset, info_version='1.1'), data_list=entries)
    path.write_bytes(pickle.dumps(content, protocol=4))

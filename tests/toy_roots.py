"""Tiny raw roots of every data set, as they are before a converter has run."""

import json
import shutil
from pathlib import Path

import numpy as np
import trimesh
from mmdet3d.datasets import NuScenesDataset
from toy_kitti import small_streets

from projects.MiniScenes.rooms import write_scannet
from projects.MiniScenes.streets import write_nuscenes_detection, write_semantickitti

VERSION = 'v1.0-trainval'
CATEGORIES = {
    'car': 'vehicle.car', 'truck': 'vehicle.truck', 'trailer': 'vehicle.trailer',
    'bus': 'vehicle.bus.rigid', 'construction_vehicle': 'vehicle.construction',
    'bicycle': 'vehicle.bicycle', 'motorcycle': 'vehicle.motorcycle',
    'pedestrian': 'human.pedestrian.adult', 'traffic_cone': 'movable_object.trafficcone',
    'barrier': 'movable_object.barrier',
}  # fmt: skip
assert set(CATEGORIES) == set(NuScenesDataset.METAINFO['classes'])


def raw_scannet(out: Path) -> Path:
    """What mmdet3d's ``batch_load_scannet_data.py`` exports, and ScanNet's own label files."""
    rooms = write_scannet(out.with_name('rooms'), 3, 2, seed=0, points=3000)
    arrays, lists = out / 'scannet_instance_data', out / 'meta_data'
    arrays.mkdir(parents=True)
    lists.mkdir()
    labels = ['wall', 'floor', 'chair', 'couch', 'table']  # raw categories 1, 3, 2, 6, 5
    (lists / 'scannetv2-labels.combined.tsv').write_text(
        'id\traw_category\tnyu40id\n1\twall\t1\n3\tfloor\t2\n2\tchair\t5\n6\tcouch\t6\n5\ttable\t7\n'
    )
    names = sorted(path.stem for path in (rooms / 'points').iterdir())
    for split, scenes in dict(train=names[:3], val=names[3:4], test=names[4:]).items():
        (lists / f'scannetv2_{split}.txt').write_text(''.join(f'{name}\n' for name in scenes))
    for name in names:
        points = np.fromfile(rooms / f'points/{name}.bin', np.float32).reshape(-1, 6)
        instance = np.fromfile(rooms / f'instance_mask/{name}.bin', np.int64)
        parts = dict(vert=points, ins_label=instance, axis_align_matrix=np.eye(4),
                     sem_label=np.fromfile(rooms / f'semantic_mask/{name}.bin', np.int64),
                     aligned_bbox=np.array([[0, 0, 0, 1, 1, 1, 5.0]]),
                     unaligned_bbox=np.array([[0, 0, 0, 1, 1, 1, 5.0]]))  # fmt: skip
        for part, array in parts.items():
            np.save(arrays / f'{name}_{part}.npy', array)
        (out / 'scans' / name).mkdir(parents=True)
        groups = [dict(id=i, label=labels[i % 5], segments=[i])
                  for i in np.unique(instance).tolist()]  # fmt: skip
        for file, content in (
            ('.aggregation', dict(segGroups=groups)),
            ('_vh_clean_2.0.010000.segs', dict(segIndices=instance.tolist())),
        ):
            (out / f'scans/{name}/{name}{file}.json').write_text(json.dumps(content))
        faces = np.arange(len(points) // 3 * 3).reshape(-1, 3)
        mesh = trimesh.Trimesh(points[:, :3], faces, process=False)
        mesh.export(str(out / f'scans/{name}/{name}_vh_clean_2.ply'))
    return out


def raw_nuscenes(out: Path) -> Path:
    """Sweeps between the key frames, lidarseg and objects of all ten classes; 2 + 1 scenes."""
    write_nuscenes_detection(out, 2, 1, 3, azimuth_steps=120)
    for path in out.glob('*.pkl'):
        path.unlink()
    tables = (out / 'v1.0-mini').rename(out / VERSION)
    data = {
        name: json.loads((tables / f'{name}.json').read_text())
        for name in ('sample_data', 'sample_annotation', 'instance', 'category')
    }
    _add_sweeps(out, data['sample_data'])
    _label_ten_classes(data)
    data['lidarseg'] = _masks(out, data['sample_data'])
    for name, records in data.items():
        (tables / f'{name}.json').write_text(json.dumps(records))
    return out


def _add_sweeps(out: Path, records: list[dict]) -> None:
    by_token = {record['token']: record for record in records}
    for number, record in enumerate(list(records)):
        if record['prev']:
            token, name = f'{number:032d}', f'sweeps/LIDAR_TOP/sweep{number}.pcd.bin'
            shutil.copy(out / record['filename'], out / name)
            records.append(
                {
                    **record,
                    'token': token,
                    'is_key_frame': False,
                    'filename': name,
                    'timestamp': record['timestamp'] - 50_000,
                    'next': record['token'],
                }
            )
            by_token[record['prev']]['next'] = record['prev'] = token


def _label_ten_classes(data: dict[str, list[dict]]) -> None:
    """Give the things that the LiDAR sees best the ten classes in turn."""
    seen = {}
    for record in data['sample_annotation']:
        token = record['instance_token']
        seen[token] = max(seen.get(token, 0), record['num_lidar_pts'])
    order = sorted(seen, key=seen.get, reverse=True)
    data['category'] = [
        dict(token=name, name=category, description='', index=i)
        for i, (name, category) in enumerate(CATEGORIES.items())
    ]
    for record in data['instance']:
        record['category_token'] = list(CATEGORIES)[order.index(record['token']) % 10]


def _masks(out: Path, records: list[dict]) -> list[dict]:
    folder = f'lidarseg/{VERSION}'
    (out / folder).mkdir(parents=True)
    table = []
    for record in records:
        if record['is_key_frame']:
            file = f'{folder}/{record["token"]}_lidarseg.bin'
            count = (out / record['filename']).stat().st_size // 20
            (np.arange(count) % 32).astype(np.uint8).tofile(out / file)
            table.append(dict(token=record['token'], sample_data_token=record['token'],
                              filename=file))  # fmt: skip
    return table


def raw_kitti(out: Path) -> Path:
    """Whole scans and ground planes; neither infos nor objects."""
    small_streets(out, 3, 2, azimuth_steps=360)
    for path in out.glob('*.pkl'):
        path.unlink()
    shutil.rmtree(out / 'kitti_gt_database')
    (out / 'training/velodyne_reduced').rename(out / 'training/velodyne')
    (out / 'training/planes').mkdir()
    for path in (out / 'training/label_2').iterdir():
        (out / f'training/planes/{path.name}').write_text('#\nW 4\nH 1\n0 -1 0 1.7\n')
    return out


def raw_semantickitti(out: Path) -> Path:
    """Two sequences of train, and the one of val."""
    write_semantickitti(out, sequences=2, val_sequences=1, scans=1, azimuth_steps=90)
    for path in out.glob('*.pkl'):
        path.unlink()
    return out


def raw_pandaset(out: Path) -> Path:
    """One drive of four scans."""
    streets = write_semantickitti(out.with_name('streets'), 4, 0, scans=1, azimuth_steps=90)
    for folder in ('velodyne', 'labels'):
        (out / '002' / folder).mkdir(parents=True)
    for i, path in enumerate(sorted(streets.glob('sequences/*/velodyne/*.bin'))):
        shutil.copy(path, out / f'002/velodyne/{i:02d}.bin')
        labels = np.arange(path.stat().st_size // 16, dtype=np.uint32) % 43
        labels.tofile(out / f'002/labels/{i:02d}.label')
    return out

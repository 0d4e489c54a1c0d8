"""Procedural rooms: equal seeds give equal bytes, mmdet3d reads them, they look like rooms."""

import hashlib
import os
import pickle
import runpy
import subprocess
import sys
from pathlib import Path

import mmdet3d
import numpy as np
import pytest
import torch
from mmdet3d.datasets import ScanNetSegDataset
from mmdet3d.evaluation import SegMetric
from mmdet3d.structures import PointData
from mmengine.config import Config

from projects.MiniScenes.rooms import make_scan, room_kind, scannet_writer, write_scannet
from projects.MiniScenes.rooms.materials import CLASS_IDS, NYU40
from projects.MiniScenes.rooms.rooms import KINDS
from projects.MiniScenes.rooms.scannet_writer import train_scans, val_scans

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'make_mini_data.py'
CLASSES = ScanNetSegDataset.METAINFO['classes']


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


@pytest.fixture(scope='module')
def rooms(tmp_path_factory):
    """Twelve validation rooms and five training scans at the default density."""
    return write_scannet(tmp_path_factory.mktemp('mini') / 'rooms', 5, 12, seed=0)


@pytest.fixture(scope='module')
def cloud(rooms):
    """All validation scans, turned into their rooms' axes: xyz, class 0..20, room."""
    infos = pickle.loads((rooms / 'scannet_infos_val.pkl').read_bytes())['data_list']
    table = np.full(42, 20)
    table[list(CLASS_IDS)] = np.arange(20)
    xyz, label, room = [], [], []
    for i, info in enumerate(infos):
        points = np.fromfile(rooms / 'points' / info['lidar_points']['lidar_path'], np.float32)
        align = np.array(info['axis_align_matrix'])
        own = points.reshape(-1, 6)[:, :3].astype(float)
        xyz.append(own @ align[:3, :3].T + align[:3, 3])
        label.append(
            table[np.fromfile(rooms / 'semantic_mask' / info['pts_semantic_mask_path'], np.int64)]
        )
        room.append(np.full(len(own), i))
    return np.concatenate(xyz), np.concatenate(label), np.concatenate(room)


def scannet(root: Path, split: str) -> ScanNetSegDataset:
    """MMDetection3D's own data set under its own base config, only the root changed.

    Two slips of that config are mended.
    """
    base = Path(mmdet3d.__file__).parent / '.mim/configs/_base_/datasets/scannet-seg.py'
    cfg = Config.fromfile(base)[f'{split}_dataloader'].dataset.to_dict()
    if split == 'train':
        cfg['scene_idxs'] = 'seg_info/train_resampled_scene_idxs.npy'  # there it has the root twice
    else:
        cfg['pipeline'].insert(2, dict(type='PointSegClassMapping'))  # there it scores raw ids
    cfg.pop('type')
    return ScanNetSegDataset(**{**cfg, 'data_root': str(root)})


def test_equal_seeds_give_equal_bytes_in_another_process_with_other_threads(rooms, tmp_path):
    out = tmp_path / 'again'
    command = [sys.executable, str(TOOL), 'scannet', '--out', str(out)]
    command += ['--scenes', '5', '--val-scenes', '12', '--seed', '0']
    environment = dict(os.environ, PYTHONHASHSEED='7', OMP_NUM_THREADS='2', PYTHONPATH=str(ROOT))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert digests(out) == digests(rooms)
    assert done.stdout == f'5 + 12 scans in {out}\n'
    assert 'rooms: 17/17' in done.stderr


def test_scan_k_does_not_depend_on_the_counts(rooms, tmp_path):
    other = digests(write_scannet(tmp_path / 'other', 3, 2, seed=0))
    whole = digests(rooms)
    scans = [name for name in other if name.endswith('.bin')]
    assert len(scans) == 3 * 5
    assert {name: other[name] for name in scans}.items() <= whole.items()


def test_another_seed_gives_other_rooms():
    assert not np.array_equal(make_scan(0, 0).semantic[:500], make_scan(1, 0).semantic[:500])


def test_a_fifth_of_the_scans_show_a_room_again():
    names = train_scans(60, seed=3)
    assert len(set(names)) == 60 and names[:27] == train_scans(27, seed=3)
    again = [name for name in names if name.scan == 1]
    assert len(again) == 12
    assert {name.room for name in again} < {name.room for name in names if name.scan == 0}
    assert not {name.room for name in names} & {name.room for name in val_scans(40)}


def test_a_second_scan_shows_the_same_room_from_elsewhere():
    first, second, other = make_scan(0, 6), make_scan(0, 6, scan=1), make_scan(0, 7)
    assert not np.array_equal(first.points[:500], second.points[:500])

    def extent(scan):
        align = scan.axis_align_matrix
        own = scan.points[:, :3] @ align[:3, :3].T + align[:3, 3]
        return np.ptp(own, axis=0)

    assert np.abs(extent(first) - extent(second)).max() < 0.15
    assert np.abs(extent(first) - extent(other)).max() > 0.15
    shared = set(first.instance) & set(second.instance) - {0}
    names = [dict(zip(scan.instance, scan.semantic)) for scan in (first, second)]
    assert len(shared) > 5 and all(names[0][i] == names[1][i] for i in shared)


def test_mmdet3d_reads_it_through_its_own_training_pipeline(rooms):
    data = scannet(rooms, 'train')
    assert len(data) == 5
    sample = data[4]
    assert sample['inputs']['points'].shape == (8192, 6)
    assert sample['inputs']['points'][:, 3:].min() >= 0 and sample['inputs']['points'].max() < 6
    label = sample['data_samples'].gt_pts_seg.pts_semantic_mask
    assert label.shape == (8192,) and set(label.tolist()) <= set(range(21))
    assert sample['data_samples'].metainfo['num_pts_feats'] == 6


def test_segmetric_scores_it(rooms):
    data = scannet(rooms, 'val')
    metric = SegMetric()
    metric.dataset_meta = data.metainfo
    for i in range(12):
        sample = data[i]['data_samples']
        truth = sample.eval_ann_info['pts_semantic_mask']
        assert len(truth) == len(data[i]['inputs']['points'])
        prediction = torch.from_numpy(np.where(truth == 20, 0, truth))
        sample.pred_pts_seg = PointData(pts_semantic_mask=prediction)
        metric.process({}, [sample.to_dict()])
    scores = metric.evaluate(12)
    assert scores['miou'] == pytest.approx(1.0) and scores['acc'] == pytest.approx(1.0)
    assert all(np.isfinite(scores[name]) for name in CLASSES)


def test_boxes_and_files_hold_what_scannet_files_hold(rooms):
    for path in sorted((rooms / 'points').iterdir()):
        points = np.fromfile(path, np.float32).reshape(-1, 6)
        semantic = np.fromfile(rooms / 'semantic_mask' / path.name, np.int64)
        instance = np.fromfile(rooms / 'instance_mask' / path.name, np.int64)
        assert len(points) == len(semantic) == len(instance)
        assert 0.79 * 12000 < len(points) < 1.21 * 12000
        assert np.isfinite(points).all() and np.abs(points[:, :3]).max() < 5
        colors = points[:, 3:]
        assert np.array_equal(colors, colors.round().clip(0, 255))
        assert set(semantic) <= set(NYU40.values())
        assert np.array_equal(semantic == 0, instance == 0) and 0 < (semantic == 0).mean() < 0.1
        pairs = set(zip(instance.tolist(), semantic.tolist()))
        assert len(pairs) == len(set(instance.tolist()))  # an instance has one class
    weight = np.load(rooms / 'seg_info/train_label_weight.npy')
    assert weight.shape == (20,) and weight.dtype == np.float32 and (weight > 0).all()


def test_every_kind_of_room_comes_once_in_five():
    for block in range(3):
        assert sorted(room_kind(5, 5 * block + i) for i in range(5)) == sorted(KINDS)


def test_every_class_is_in_twelve_rooms(cloud):
    _, label, room = cloud
    share = np.bincount(label, minlength=21) / len(label)
    assert (share[:20] > 0.003).all(), dict(zip(CLASSES, share.round(4)))
    assert 0.3 < share[0] < 0.55 and 0.1 < share[1] < 0.25 and 0.01 < share[20] < 0.1
    seen = [len(np.unique(room[label == i])) for i in range(20)]
    assert min(seen) >= 2, dict(zip(CLASSES, seen))


def test_things_are_where_they_are_in_rooms(cloud):
    xyz, label, room = cloud
    low = np.array([xyz[(room == i) & (label == 1), 2].mean() for i in range(12)])
    height = xyz[:, 2] - low[room]
    middle = {name: np.median(height[label == i]) for i, name in enumerate(CLASSES)}
    assert abs(height[label == 1]).max() < 0.1  # the floor is flat
    assert min(middle, key=middle.get) == 'floor'
    assert 1.9 < height[label == 0].max() < 2.5
    assert 0.3 < middle['bed'] < 0.65 and 0.2 < middle['toilet'] < 0.7
    assert 0.84 < middle['counter'] < 1.0 and 0.6 < middle['desk'] < 0.8
    assert min(middle['picture'], middle['window']) > 1.1
    for i in range(12):  # walls bound the room
        floor, wall = (xyz[(room == i) & (label == k), :2] for k in (1, 0))
        gaps = [wall.max(0) - floor.max(0), floor.min(0) - wall.min(0)]
        assert np.min(gaps) > -0.05 and np.max(gaps) < 0.7  # furniture may cover a floor's edge


def test_scans_have_holes_and_uneven_density(cloud):
    xyz, label, room = cloud
    cells = np.floor(xyz[label == 1][:, :2] / 0.25).astype(int)
    counts = np.unique(np.c_[room[label == 1], cells], axis=0, return_counts=True)[1]
    dense, sparse = np.percentile(counts, [90, 25])
    assert dense > 2 * sparse


def test_color_tells_something_but_not_the_class(rooms):
    rgb, label = [], []
    for path in sorted((rooms / 'points').iterdir()):
        rgb.append(np.fromfile(path, np.float32).reshape(-1, 6)[:, 3:])
        label.append(np.fromfile(rooms / 'semantic_mask' / path.name, np.int64))
    rgb, label = np.concatenate(rgb), np.concatenate(label)
    means = np.stack([rgb[label == i].mean(0) for i in CLASS_IDS])  # (20, 3)
    recalls = []
    for k, i in enumerate(CLASS_IDS):
        distance = ((rgb[label == i][:, None] - means) ** 2).sum(2)
        recalls.append((distance.argmin(1) == k).mean())
    assert 0.05 < np.mean(recalls) < 0.3, dict(zip(CLASSES, np.round(recalls, 2)))


def test_a_folder_with_other_data_is_left_alone(tmp_path):
    out = tmp_path / 'mine'
    out.mkdir()
    (out / 'thesis.tex').write_text('years of work')
    match = r'mine exists and is not an empty folder; --force replaces it'
    with pytest.raises(FileExistsError, match=match):
        write_scannet(out, 1, 0, seed=0, points=500)
    assert (out / 'thesis.tex').read_text() == 'years of work'
    write_scannet(out, 1, 0, seed=0, points=500, force=True)
    assert not (out / 'thesis.tex').exists() and (out / 'points/scene0000_00.bin').exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ['mine']


def test_an_empty_folder_is_taken(tmp_path):
    write_scannet(tmp_path, 1, 1, seed=0, points=500)
    assert len(list((tmp_path / 'points').iterdir())) == 2


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(scannet_writer, '_write_split', interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_scannet(tmp_path / 'rooms', 1, 1, seed=0, points=500)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('name, value, limits', [
    ('scenes', 0, '1 and 5000'), ('val_scenes', -1, '0 and 4999'),
    ('points', 10, '100 and 10000000'),
])  # fmt: skip
def test_impossible_counts_are_refused(tmp_path, name, value, limits):
    counts = {'scenes': 1, 'val_scenes': 1, 'points': 500, name: value}
    with pytest.raises(ValueError, match=f'{name} must lie between {limits}, but got {value}'):
        write_scannet(tmp_path / 'rooms', seed=0, **counts)


def test_the_tool_says_in_one_line_why_it_refuses(rooms, monkeypatch, misuse):
    monkeypatch.setattr(sys, 'argv', ['make_mini_data.py', 'scannet', '--out', str(rooms)])
    with misuse(f'^make_mini_data.py: {rooms} exists and is not an empty'):
        runpy.run_path(str(TOOL), run_name='__main__')

"""Procedural streets in the layout of nuScenes with lidarseg, read as MMDetection3D reads it."""

import pickle

import numpy as np
import pytest
from mmdet3d.datasets import Seg3DDataset

from projects.MiniScenes.streets import nuscenes_writer as module
from projects.MiniScenes.streets import scan_street, write_nuscenes
from projects.MiniScenes.streets.lidar import HDL32E

# The 16 classes of the lidarseg challenge and their raw ids (nuScenes devkit).
CLASSES = dict(
    barrier=[9], bicycle=[14], bus=[15, 16], car=[17], construction_vehicle=[18], motorcycle=[21],
    pedestrian=[2, 3, 4, 6], traffic_cone=[12], trailer=[22], truck=[23], driveable_surface=[24],
    other_flat=[25], sidewalk=[26], terrain=[27], manmade=[28], vegetation=[30],
)  # fmt: skip


class _Lidarseg(Seg3DDataset):
    METAINFO = dict(
        classes=tuple(CLASSES), palette=[[i, i, i] for i in range(16)],
        seg_valid_class_ids=tuple(range(16)), seg_all_class_ids=tuple(range(32)),
    )  # fmt: skip


def dataset(root, split: str) -> Seg3DDataset:
    """MMDetection3D's base class with the prefixes a user of nuScenes has."""
    pipeline = [
        dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=5),
        dict(type='LoadAnnotations3D', with_bbox_3d=False, with_label_3d=False, with_seg_3d=True,
             seg_3d_dtype='np.uint8'),
    ]  # fmt: skip
    prefix = dict(pts='samples/LIDAR_TOP', pts_semantic_mask='lidarseg/v1.0-trainval')
    return _Lidarseg(data_root=str(root), ann_file=f'nuscenes_infos_{split}.pkl',
                     metainfo=dict(classes=tuple(CLASSES)), data_prefix=prefix,
                     pipeline=pipeline, test_mode=True)  # fmt: skip


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    """First and last scan of each default scene."""
    out = tmp_path_factory.mktemp('nuscenes') / 'streets'
    return write_nuscenes(out, scans=2, period=4.5)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_all_16_classes_occur_in_both_splits(streets, split):
    data = dataset(streets, split)
    assert len(data) == dict(train=12, val=4)[split]
    raw = np.concatenate([data[i]['pts_semantic_mask'] for i in range(len(data))])
    counts = np.bincount(raw, minlength=32)
    share = {name: counts[ids].sum() / len(raw) for name, ids in CLASSES.items()}
    assert min(share.values()) > 0, share
    assert 0.2 < share['driveable_surface'] < 0.5
    assert 0.1 < counts[31] / len(raw) < 0.4  # the ego car and rays without an echo


def test_a_scan_is_a_full_turn_in_the_order_of_firing(streets):
    results = dataset(streets, 'train')[2]
    points = results['points'].tensor.numpy()
    assert points.shape == (32 * 1085, 5) and len(results['pts_semantic_mask']) == len(points)
    assert np.array_equal(points[:, 4].reshape(-1, 32), np.tile(np.arange(32), (1085, 1)))
    assert np.array_equal(points[:, 3], points[:, 3].round()) and points[:, 3].max() <= 255
    real = np.linalg.norm(points[:, :3], axis=1) > 1
    azimuth = np.rad2deg(np.arctan2(points[:, 1], points[:, 0])).reshape(-1, 32)
    first = azimuth[0][real.reshape(-1, 32)[0]]
    assert first.min() > -180 and first.max() < -170
    turn = np.diff(np.unwrap(np.where(real.reshape(-1, 32), azimuth, np.nan)[:, 4], period=360))
    assert np.nanmax(turn) < 0 and np.nanmedian(turn) == pytest.approx(-360 / 1085, abs=1e-2)


def test_the_frame_is_x_right_y_forward():
    lidar = HDL32E.reduced(16, 200)
    scan = scan_street(0, 1, 0, lidar, sees_own_car=True)
    points, labels = module.full_turn(scan, lidar, np.random.default_rng(0))
    near = np.linalg.norm(points[:, :3], axis=1) < 0.2
    assert near.sum() == len(scan.lost) and (labels[near] == 31).all()

    def rows(array):
        return array[np.lexsort(array.T)]

    expected = np.stack([-scan.points[:, 1], *scan.points[:, [0, 2]].T], 1).astype(np.float32)
    assert np.array_equal(rows(points[~near, :3]), rows(expected + np.float32(0)))


def test_infos_are_those_of_mmdet3d(streets):
    content = pickle.loads((streets / 'nuscenes_infos_val.pkl').read_bytes())
    assert content['metainfo'] == dict(dataset='nuscenes', info_version='1.1')
    first, second = content['data_list'][:2]
    assert first['lidar_points']['num_pts_feats'] == 5 and first['lidar_sweeps'] == []
    assert len({info['token'] for info in content['data_list']}) == 4 and len(first['token']) == 32
    stamp = first['lidar_points']['lidar_path'].split('__')[-1].removesuffix('.pcd.bin')
    assert first['timestamp'] == int(stamp) / 1e6
    assert second['timestamp'] - first['timestamp'] == pytest.approx(4.5, abs=1e-5)


def test_ego_poses_bring_standing_cars_of_two_scans_together(tmp_path):
    root = write_nuscenes(tmp_path / 'near', 1, 0, scans=2, beams=32, period=0.5)
    infos = pickle.loads((root / 'nuscenes_infos_train.pkl').read_bytes())['data_list']
    lidar = HDL32E
    for k, info in enumerate(infos):
        scan = scan_street(0, 0, k, lidar, 0.5, sees_own_car=True)
        matrix = np.array(info['ego2global']) @ np.array(info['lidar_points']['lidar2ego'])
        own = np.c_[
            -scan.points[:, 1], scan.points[:, 0], scan.points[:, 2], np.ones(len(scan.kind))
        ]
        sensor = scan.pose.place + 1.84 * scan.pose.axes[:, 2]
        world = scan.points @ scan.pose.axes.T + sensor
        assert np.allclose((own @ matrix.T)[:, :3], world, atol=1e-9)


@pytest.mark.parametrize('name, value, limits', [
    ('scenes', 0, '1 and 5000'), ('val_scenes', -1, '0 and 5000'), ('beams', 33, '2 and 32'),
])  # fmt: skip
def test_impossible_values_are_refused(tmp_path, name, value, limits):
    with pytest.raises(ValueError, match=f'{name} must lie between {limits}, but got {value}'):
        write_nuscenes(tmp_path / 'streets', **{name: value})

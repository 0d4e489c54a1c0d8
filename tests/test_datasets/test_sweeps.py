"""Earlier scans land where the labeled one sees them, and are never learned from or scored."""

import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints
from mmengine.config import Config
from mmengine.dataset import Compose
from toy_nuscenes import CONFIG, write_infos, write_nuscenes
from toy_sequence import LIDAR, write_sequence

from projects.SRKD.datasets.nuscenes_lidarseg_dataset import NuScenesLidarSegDataset
from projects.SRKD.datasets.sweeps import IgnoreSweepPoints, LoadPreviousScans

LOAD = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=4, use_dim=4)


@pytest.fixture
def landmarks(tmp_path):
    """A sequence whose scans see the same five landmarks, each from its own place."""
    folder = write_sequence(tmp_path / 'sequences/00')
    (folder / 'velodyne').mkdir()
    rng = np.random.default_rng(0)
    world = np.hstack([rng.uniform(-9, 9, (5, 3)), np.ones((5, 1))])  # (5, 4)
    for i, pose in enumerate(LIDAR):
        seen = (world @ np.linalg.inv(pose).T)[:, :3]
        remission = np.full((5, 1), i / 10)
        cloud = np.hstack([seen, remission]).astype(np.float32)
        cloud.tofile(folder / f'velodyne/{i:06d}.bin')
    return folder


def load(folder, frame, scans_num=4):
    path = str(folder / f'velodyne/{frame:06d}.bin')
    steps = Compose([LOAD, LoadPreviousScans(scans_num)])
    return steps(dict(lidar_path=path, lidar_points=dict(lidar_path=path)))['points'].tensor


def test_earlier_scans_are_moved_into_this_ones_frame(landmarks):
    points = load(landmarks, 2)
    assert points.shape == (15, 4) and points.dtype == torch.float32
    for part in points.split(5):
        torch.testing.assert_close(part[:, :3], points[:5, :3], atol=1e-4, rtol=0)
    expected = torch.tensor([0.2] * 5 + [0.1] * 5 + [0.0] * 5)  # the scan itself, then backwards
    torch.testing.assert_close(points[:, 3], expected)


def test_no_more_scans_are_taken_than_asked_for_or_there(landmarks):
    assert len(load(landmarks, 2, scans_num=1)) == 10
    assert len(load(landmarks, 0)) == 5


def test_a_sequence_without_poses_is_refused(landmarks):
    (landmarks / 'poses.txt').unlink()
    with pytest.raises(FileNotFoundError, match='sequences/00/poses.txt does not exist'):
        load(landmarks, 1)


def test_a_scan_without_a_pose_is_refused(landmarks):
    text = (landmarks / 'poses.txt').read_text().splitlines(keepends=True)
    (landmarks / 'poses.txt').write_text(''.join(text[:2]))
    assert len(load(landmarks, 1)) == 10
    with pytest.raises(ValueError, match='has 2 poses, expected at least 3'):
        load(landmarks, 2)


def test_a_missing_earlier_scan_is_refused(landmarks):
    (landmarks / 'velodyne/000001.bin').unlink()
    with pytest.raises(FileNotFoundError, match='velodyne/000001.bin does not exist'):
        load(landmarks, 2)


def test_sweep_points_get_the_ignored_label_in_training_and_scoring():
    points = LiDARPoints(torch.zeros(5, 4), points_dim=4)
    results = dict(points=points, pts_semantic_mask=np.array([1, 0, 2]), eval_ann_info={})
    results = IgnoreSweepPoints(ignore_index=16)(results)
    assert results['pts_semantic_mask'].tolist() == [1, 0, 2, 16, 16]
    assert results['eval_ann_info']['pts_semantic_mask'].tolist() == [1, 0, 2, 16, 16]
    results = IgnoreSweepPoints(16)(dict(points=points, pts_semantic_mask=np.zeros(5, int)))
    assert results['pts_semantic_mask'].tolist() == [0] * 5 and 'eval_ann_info' not in results


def test_removed_points_are_noticed():
    points = LiDARPoints(torch.zeros(2, 4), points_dim=4)
    results = dict(points=points, pts_semantic_mask=np.zeros(3, int), lidar_path='a.bin')
    with pytest.raises(ValueError, match='got 3 labels for 2 points of a.bin'):
        IgnoreSweepPoints(16)(results)


@pytest.mark.parametrize('test_mode', [False, True])
def test_nuscenes_sweeps_load_through_mmdet3d(tmp_path, test_mode):
    root = write_nuscenes(tmp_path / 'nuscenes', splits=(('train', 2),))
    (root / 'sweeps/LIDAR_TOP').mkdir(parents=True)
    sweep = np.array([[3, 4, 1, 9, 0], [0.5, 0.5, 1, 9, 0]], np.float32)  # the second is too close
    sweep.tofile(root / 'sweeps/LIDAR_TOP/s.pcd.bin')
    shifted = np.eye(4)
    shifted[:3, 3] = (10, 0, 0)
    entry = dict(
        timestamp=1.0,
        lidar_points=dict(num_pts_feats=5, lidar_path='train0__LIDAR_TOP.pcd.bin'),
        pts_semantic_mask_path='train0_lidarseg.bin',
        lidar_sweeps=[
            dict(
                timestamp=0.95,
                lidar_points=dict(
                    lidar_path='./data/nuscenes/sweeps/LIDAR_TOP/s.pcd.bin',
                    lidar2sensor=shifted.tolist(),
                ),
            )
        ],
    )
    write_infos(root / 'nuscenes_infos_train.pkl', [entry])
    cfg = Config.fromfile(CONFIG).train_dataloader.dataset.to_dict()
    points, divide, masks, mapping = cfg['pipeline'][:4]
    steps = [
        points | dict(use_dim=5), masks, mapping,
        dict(type='LoadPointsFromMultiSweeps', sweeps_num=9, use_dim=[0, 1, 2, 3, 4],
             remove_close=True, test_mode=True),
        dict(type='IgnoreSweepPoints', ignore_index=16), divide,
    ]  # fmt: skip
    cfg |= dict(data_root=str(root), pipeline=steps, test_mode=test_mode)
    cfg['data_prefix'] = cfg['data_prefix'] | dict(sweeps='sweeps/LIDAR_TOP')
    cfg.pop('type')
    sample = NuScenesLidarSegDataset(**cfg)[0]
    assert len(sample['points']) == 301
    expected = torch.tensor([-7, 4, 1, 9 / 255, 0.05])
    torch.testing.assert_close(sample['points'].tensor[-1], expected)
    mask = sample['eval_ann_info' if test_mode else 'pts_semantic_mask']
    mask = mask['pts_semantic_mask'] if test_mode else mask
    assert len(mask) == 301 and mask[-1] == 16 and (mask[:-1] != 16).any()

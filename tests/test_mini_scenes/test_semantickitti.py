"""Procedural streets in SemanticKITTI's layout, read by MMDetection3D's own data set."""

from pathlib import Path

import mmdet3d
import numpy as np
import pytest
from mmdet3d.datasets import SemanticKittiDataset
from mmengine.config import Config
from scipy.spatial import cKDTree

from projects.MiniScenes.streets import write_semantickitti

BASE = Path(mmdet3d.__file__).parent / '.mim/configs/_base_/datasets/semantickitti.py'


def dataset(root: Path, split: str) -> SemanticKittiDataset:
    """MMDetection3D's data set under its own base config, only the root changed."""
    cfg = Config.fromfile(BASE)[f'{split}_dataloader'].dataset.to_dict()
    cfg.pop('type')
    return SemanticKittiDataset(**{**cfg, 'data_root': str(root)})


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    """First and last scan of each default sequence, with fewer azimuth steps."""
    out = tmp_path_factory.mktemp('kitti') / 'streets'
    return write_semantickitti(out, scans=2, period=0.9, azimuth_steps=700)


def test_mmdet3d_reads_it_through_its_own_pipelines(streets):
    train, val = dataset(streets, 'train'), dataset(streets, 'val')
    assert (len(train), len(val)) == (12, 4)
    sample = train[3]
    points, label = sample['inputs']['points'], sample['data_samples'].gt_pts_seg.pts_semantic_mask
    assert points.shape == (len(label), 4) and len(label) > 30_000
    assert points[:, 3].min() >= 0 and points[:, 3].max() < 1
    assert set(label.tolist()) <= set(range(20))
    assert len(val[0]['data_samples'].eval_ann_info['pts_semantic_mask']) == len(
        val[0]['inputs']['points']
    )


@pytest.mark.parametrize('split', ['train', 'val'])
def test_all_19_classes_occur_in_both_splits(streets, split):
    data, mapping = dataset(streets, split), Config.fromfile(BASE).labels_map
    counts, raws = np.zeros(20, int), set()
    for info in map(data.get_data_info, range(len(data))):
        raw = np.fromfile(info['pts_semantic_mask_path'], np.uint32) & 0xFFFF
        raws |= set(raw.tolist())
        counts += np.bincount([mapping[i] for i in raw], minlength=20)
    assert (counts[:19] > 0).all(), dict(zip(data.METAINFO['classes'], counts))
    assert raws >= {252, 253, 254}
    share = counts / counts.sum()
    assert 0.15 < share[8] < 0.45 and 0.02 < share[0] < 0.2 and share[19] < 0.1
    assert share[12] + share[14] > 0.15


def test_files_are_those_of_semantickitti(streets):
    names = {str(path.relative_to(streets)) for path in streets.rglob('*') if path.is_file()}
    assert {'semantickitti_infos_train.pkl', 'semantickitti_infos_val.pkl'} < names
    assert {name.split('/')[1] for name in names if '/' in name} == {
        '00', '01', '02', '03', '04', '05', '08', '18'
    }  # fmt: skip
    for kind in ('velodyne/000001.bin', 'labels/000001.label', 'poses.txt', 'calib.txt'):
        assert f'sequences/08/{kind}' in names
    root = streets / 'sequences/08'
    labels = np.fromfile(root / 'labels/000000.label', np.uint32)
    points = np.fromfile(root / 'velodyne/000000.bin', np.float32).reshape(-1, 4)
    assert len(labels) == len(points)
    things = np.isin(labels & 0xFFFF, [10, 11, 13, 15, 18, 20, 30, 31, 32, *range(252, 260)])
    assert np.array_equal(labels >> 16 > 0, things)
    assert np.allclose(np.loadtxt(root / 'times.txt'), [0, 0.9])


def test_poses_bring_standing_things_of_two_scans_together(streets):
    root = streets / 'sequences/03'
    calib = dict(line.split(': ') for line in (root / 'calib.txt').read_text().splitlines())
    assert set(calib) == {'P0', 'P1', 'P2', 'P3', 'Tr'}
    camera = np.vstack([np.array(calib['Tr'].split(), float).reshape(3, 4), [0, 0, 0, 1]])
    poses = np.loadtxt(root / 'poses.txt').reshape(-1, 3, 4)
    assert np.allclose(poses[0], np.eye(4)[:3], atol=1e-6) and poses[1, 2, 3] > 3  # z is forward
    own, world = [], []
    for k, pose in enumerate(poses):
        points = np.fromfile(root / f'velodyne/{k:06d}.bin', np.float32).reshape(-1, 4)
        label = np.fromfile(root / f'labels/{k:06d}.label', np.uint32) & 0xFFFF
        points = points[np.isin(label, [50, 51, 80]) & (np.abs(points[:, :3]).max(1) < 25)]
        points[:, 3] = 1
        own.append((points @ camera.T)[:, [0, 2]])  # from above: beams lie far apart
        world.append((points @ camera.T @ np.vstack([pose, [0, 0, 0, 1]]).T)[:, [0, 2]])
    gap = [np.median(cKDTree(two[0]).query(two[1])[0]) for two in (own, world)]
    assert gap[1] < 0.1 and gap[0] > 3 * gap[1], gap


@pytest.mark.parametrize('name, value, limits', [
    ('sequences', 91, '1 and 90'), ('val_sequences', 11, '0 and 10'), ('scans', 0, '1 and 5000'),
    ('beams', 65, '2 and 64'), ('azimuth_steps', 4, '16 and 10000'), ('period', 0, '0.01 and 60'),
])  # fmt: skip
def test_impossible_values_are_refused(tmp_path, name, value, limits):
    with pytest.raises(ValueError, match=f'{name} must lie between {limits}, but got {value}'):
        write_semantickitti(tmp_path / 'streets', **{name: value})

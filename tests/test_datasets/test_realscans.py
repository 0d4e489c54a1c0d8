"""The real scans, converted, load through MMDetection3D's own data sets under its own configs."""

from pathlib import Path

import mmdet3d
import numpy as np
import pytest
from mmdet3d.datasets import ScanNetSegDataset, SemanticKittiDataset
from mmengine.config import Config
from realscans import (
    SCANNET_SCENES,
    read_ply_vertices,
    read_scannet,
    write_scannet_root,
    write_semantickitti_root,
)

import projects.SRKD  # noqa: F401 - registers the checked loading

CONFIGS = Path(mmdet3d.__file__).parent / '.mim/configs/_base_/datasets'
CHECKED = dict(
    LoadPointsFromFile='LoadPointsChecked', LoadAnnotations3D='LoadSegAnnotationsChecked'
)


def arguments(config: str, split: str, root: Path) -> dict:
    """Arguments of the data set in one of MMDetection3D's base configs, at another root."""
    cfg = Config.fromfile(CONFIGS / config)[f'{split}_dataloader'].dataset.to_dict()
    cfg = cfg.get('dataset', cfg)
    return {key: value for key, value in cfg.items() if key != 'type'} | dict(data_root=str(root))


@pytest.mark.parametrize('checked', [False, True])
def test_real_scannet_loads(realdata, tmp_path, checked):
    root = write_scannet_root(realdata, tmp_path / 'scannet', times=3)
    kwargs = arguments('scannet-seg.py', 'train', root)
    kwargs['scene_idxs'] = 'seg_info/train_resampled_scene_idxs.npy'
    if checked:
        for transform in kwargs['pipeline']:
            transform['type'] = CHECKED.get(transform['type'], transform['type'])
    data = ScanNetSegDataset(**kwargs)
    assert len(data) == 6
    for i in range(2):
        sample = data[i]
        assert sample['inputs']['points'].shape == (8192, 6)
        label = sample['data_samples'].gt_pts_seg.pts_semantic_mask
        assert label.min() >= 0 and len(label.unique()) >= 3


def test_real_scannet_is_scored_on_all_its_points(realdata, tmp_path):
    root = write_scannet_root(realdata, tmp_path / 'scannet')
    data = ScanNetSegDataset(**arguments('scannet-seg.py', 'val', root))
    for i, scene in enumerate(SCANNET_SCENES):
        points, semantic, _ = read_scannet(realdata, scene)
        sample = data[i]
        assert np.array_equal(sample['inputs']['points'][:, :3].numpy(), points[:, :3])
        assert np.array_equal(sample['data_samples'].eval_ann_info['pts_semantic_mask'], semantic)


def test_real_scannet_has_floors_below_and_walls_around(realdata):
    for scene in SCANNET_SCENES:
        points, semantic, _ = read_scannet(realdata, scene)
        floor, wall = points[semantic == 2], points[semantic == 1]
        assert len(points) > 60_000 and points[:, 3:].max() > 200
        assert np.percentile(floor[:, 2], 95) < np.percentile(wall[:, 2], 50)


def test_real_semantickitti_loads(realdata, tmp_path):
    root = write_semantickitti_root(realdata, tmp_path / 'kitti')
    data = SemanticKittiDataset(**arguments('semantickitti.py', 'val', root))
    assert len(data) == 2
    for i, count in enumerate((124668, 123389)):
        sample = data[i]
        label = sample['data_samples'].eval_ann_info['pts_semantic_mask']
        assert sample['inputs']['points'].shape == (count, 4) and label.shape == (count,)
        share = np.bincount(label, minlength=20) / count
        assert share[8] > 0.05 and share[:19].sum() > 0.9  # road; hardly anything unlabeled


def test_one_sequence_trains_and_the_other_is_scored(realdata, tmp_path):
    root = write_semantickitti_root(realdata, tmp_path / 'kitti', train=('00',), val=('08',))
    train = SemanticKittiDataset(**arguments('semantickitti.py', 'train', root))
    val = SemanticKittiDataset(**arguments('semantickitti.py', 'val', root))
    assert [len(train), len(val)] == [1, 1]
    assert '/00/' in train.get_data_info(0)['lidar_path']
    assert '/08/' in val.get_data_info(0)['lidar_path']


def test_ascii_ply_is_refused(tmp_path):
    (tmp_path / 'a.ply').write_text('ply\nformat ascii 1.0\nelement vertex 0\nend_header\n')
    with pytest.raises(ValueError, match='a.ply is not a binary little-endian PLY file'):
        read_ply_vertices(tmp_path / 'a.ply')

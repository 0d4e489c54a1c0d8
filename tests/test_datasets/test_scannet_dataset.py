"""A part of ScanNet trains on what is there."""

from pathlib import Path

import pytest
from mmdet3d.datasets import ScanNetSegDataset
from mmdet3d.registry import DATASETS
from mmengine.config import Config

from projects.MiniScenes.rooms import write_scannet

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.fixture(scope='module')
def rooms(tmp_path_factory):
    return write_scannet(tmp_path_factory.mktemp('rooms') / 'scannet', 3, 2, seed=0, points=500)


def opened(rooms, split, **more):
    config = Config.fromfile(CONFIGS / 'srkd/ptv3-half_4xb2-800e_scannet-seg.py')
    return DATASETS.build(
        {**config[f'{split}_dataloader'].dataset, 'data_root': str(rooms), 'pipeline': [], **more}
    )


def test_every_scene_that_is_there_is_seen_once(rooms):
    train = opened(rooms, 'train')
    assert isinstance(train, ScanNetSegDataset) and len(train) == 3
    assert len({train[i]['lidar_path'] for i in range(3)}) == 3
    assert len(opened(rooms, 'val')) == 2


def test_a_list_of_scenes_is_followed(rooms):
    assert len(opened(rooms, 'train', scene_idxs=[0, 2, 2, 2])) == 4
    file = 'seg_info/train_resampled_scene_idxs.npy'
    assert opened(rooms, 'train', scene_idxs=file).scene_idxs.dtype == 'int32'

"""Frames of detection whose boxes, if any, nobody sees."""

from pathlib import Path

import mmengine
import pytest
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from toy_kitti import small_streets

from projects.SRKD.datasets import LabeledBatchSampler
from projects.SRKD.datasets.batches.scene_statistics import scene_statistics

BASE = Path(__file__).parents[3] / 'configs/_base_/datasets/mini-kitti-3d.py'


@pytest.fixture
def config(tmp_path):
    root = small_streets(tmp_path / 'streets', 4, 2, azimuth_steps=360)
    infos = mmengine.load(root / 'kitti_infos_train.pkl')
    infos['data_list'][0]['instances'] = []
    mmengine.dump(infos, root / 'kitti_infos_train.pkl')
    dataset = Config.fromfile(BASE).train_dataloader.dataset
    dataset.data_root = f'{root}/'
    dataset.pipeline = [step for step in dataset.pipeline if step.type != 'ObjectSample']
    return dataset


def test_all_frames_are_shown_without_boxes_and_say_so(config):
    frames = DATASETS.build(dict(type='UnlabeledFrames', dataset=config))
    assert len(frames) == 4
    for i in range(4):
        sample = frames[i]['data_samples']
        assert sample.unlabeled and len(sample.gt_instances_3d) == 0
        assert len(sample.gt_instances_3d.bboxes_3d) == len(sample.gt_instances_3d.labels_3d) == 0
        assert len(frames[i]['inputs']['points']) > 0


def test_joined_with_labeled_frames_every_batch_has_one(config):
    both = DATASETS.build(
        dict(type='ConcatDataset', datasets=[config, dict(type='UnlabeledFrames', dataset=config)])
    )
    labeled = len(both.datasets[0])
    assert scene_statistics(both).labeled.tolist() == [True] * labeled + [False] * 4
    for batch in LabeledBatchSampler(DefaultSampler(both, seed=0), 2):
        assert any(i < labeled for i in batch)
        assert sum('unlabeled' in both[i]['data_samples'].metainfo for i in batch) < 2


def test_other_data_sets_are_refused(config):
    match = 'must be a config of a Det3DDataset, but got RepeatDataset'
    with pytest.raises(TypeError, match=match):
        DATASETS.build(
            dict(type='UnlabeledFrames', dataset=dict(type='RepeatDataset', dataset=config))
        )
    with pytest.raises(TypeError, match='but got KittiDataset: UnlabeledScans is for segm'):
        DATASETS.build(dict(type='UnlabeledFrames', dataset=DATASETS.build(config)))

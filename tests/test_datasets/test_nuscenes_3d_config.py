"""The base config of the procedural nuScenes boxes on a tiny root, and the commands for that."""

import runpy
import sys
from pathlib import Path

import mmdet3d
import numpy as np
import pytest
from mmdet3d.datasets import NuScenesDataset
from mmdet3d.registry import DATASETS, METRICS
from mmengine.config import Config

from projects.SRKD.datasets.data_root import check_data_root

ROOT = Path(__file__).parents[2]
SMALL = ['--scenes', '1', '--val-scenes', '1', '--scans', '2', '--azimuth-steps', '240']


def run(monkeypatch, tool, *args):
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, args)])
    runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp('nuscenes') / 'streets'
    with pytest.MonkeyPatch.context() as monkeypatch:
        run(monkeypatch, 'make_mini_data.py', 'nuscenes-detection', '--out', out, *SMALL)
    return out


@pytest.fixture
def cfg(root):
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/mini-nuscenes-3d.py')
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert cfg[loader].dataset.data_root == cfg.val_evaluator.data_root == cfg.data_root
        cfg[loader].dataset.data_root = str(root)
    return cfg


def test_a_training_sample_has_five_columns_and_boxes_with_velocity(cfg):
    check_data_root(cfg)
    data = DATASETS.build(cfg.train_dataloader.dataset)
    assert type(data) is NuScenesDataset and len(data) == 2
    low, high = np.split(np.array(cfg.point_cloud_range), 2)
    for i in range(2):
        sample = data[i]
        points = sample['inputs']['points'].numpy()
        assert points.shape[1] == 5 and (points[:, 4] == 0).all() and len(set(points[:, 3])) > 50
        assert (points[:, :3] >= low).all() and (points[:, :3] <= high).all()
        truth = sample['data_samples'].gt_instances_3d
        assert truth.bboxes_3d.tensor.shape[1] == 9 and len(truth.bboxes_3d) > 5
        assert (truth.labels_3d >= 0).all() and (truth.labels_3d < 10).all()


def test_classes_are_in_the_order_of_the_tasks_of_centerpoint(cfg):
    name = '_base_/models/centerpoint_pillar02_second_secfpn_nus.py'
    model = Config.fromfile(f'{mmdet3d.__path__[0]}/.mim/configs/{name}').model
    tasks = [name for task in model.pts_bbox_head.tasks for name in task.class_names]
    assert list(cfg.class_names) == tasks
    assert sorted(tasks) == sorted(NuScenesDataset.METAINFO['classes'])


def test_the_range_holds_what_is_scored(cfg):
    data = DATASETS.build(cfg.val_dataloader.dataset)
    places = np.concatenate(
        [data.get_data_info(i)['eval_ann_info']['gt_bboxes_3d'].tensor[:, :2] for i in range(2)]
    )
    scored = places[np.hypot(*places.T) < 50]
    inside = (abs(scored) < cfg.point_cloud_range[3:5]).all(1)
    assert len(scored) > 20 and inside.mean() > 0.9


def test_loaders_and_metric_are_those_of_a_mini_config(cfg, root):
    assert cfg.train_dataloader.drop_last and cfg.train_dataloader.num_workers == 0
    cfg.val_evaluator.update(data_root=str(root), ann_file=f'{root}/nuscenes_infos_val.pkl')
    metric = METRICS.build(cfg.val_evaluator)
    assert metric.metrics == ['bbox']
    data = DATASETS.build(cfg.val_dataloader.dataset)
    assert data.metainfo['version'] == 'v1.0-mini' and (root / 'v1.0-mini').is_dir()


def test_the_converter_writes_again_what_the_generator_wrote(root, monkeypatch, capsys, misuse):
    before = {path: path.read_bytes() for path in root.glob('*.pkl')}
    tool = 'dataset_converters/nuscenes_infos.py'
    run(monkeypatch, tool, root, '--version', 'v1.0-mini', '--no-database')
    assert f'2 train + 2 val key frames in {root}' in capsys.readouterr().out
    assert len(before) == 2 and before == {path: path.read_bytes() for path in root.glob('*.pkl')}
    with misuse('^nuscenes_infos.py: the tables of nuScenes v1.0-train'):
        run(monkeypatch, tool, root)


def test_the_generator_refuses_in_one_line(root, monkeypatch, misuse):
    with misuse('^make_mini_data.py: .* is not an empty folder'):
        run(monkeypatch, 'make_mini_data.py', 'nuscenes-detection', '--out', root, *SMALL)
    with misuse('scenes must lie between 1 and 8, but got 9'):
        run(monkeypatch, 'make_mini_data.py', 'nuscenes-detection', '--out', root, '--scenes', 9)

"""The base configs of the further data sets: shape, classes, pipelines, views, real scans."""

import copy
from pathlib import Path

import mmdet3d
import mmengine
import numpy as np
import pytest
import torch
from mmdet3d.datasets import SemanticKittiDataset
from mmdet3d.models.segmentors import Seg3DTTAModel
from mmdet3d.registry import DATASETS, METRICS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from realscans import write_semantickitti_root
from toy import build, minkunet

import projects.SRKD.datasets.nuscenes_lidarseg_dataset  # noqa: F401 - registers it
import projects.SRKD.evaluation  # noqa: F401 - registers it
from projects.SRKD.datasets.data_root import check_data_root

BASE = Path(__file__).parents[2] / 'configs/_base_/datasets'
MMDET3D = Path(mmdet3d.__file__).parent / '.mim/configs/_base_/datasets'
CLASSES = {'nuscenes-lidarseg': 16, 'semantickitti': 19, 'pandaset': 12, 'scannet200-seg': 200}
VIEWS = {'nuscenes-lidarseg': 10, 'semantickitti': 36, 'pandaset': 36, 'scannet200-seg': 4}


@pytest.fixture(params=sorted(CLASSES))
def name(request):
    return request.param


def read(name):
    return Config.fromfile(BASE / f'{name}.py')


def test_it_has_the_shape_of_the_scannet_config(name):
    cfg, model = read(name), read('scannet-seg')
    parts = {'load', 'augment', 'recipe', 'mix', 'center', 'normalize'}  # of the pipelines
    assert set(model) - parts <= set(cfg)
    for loader in ('train_dataloader', 'val_dataloader'):
        data, other = cfg[loader].dataset, model[loader].dataset
        assert set(other) - {'scene_idxs'} <= set(data)
        assert DATASETS.get(data.type) is not None
        assert cfg[loader].batch_size == model[loader].batch_size
    assert METRICS.get(cfg.test_evaluator.type) is not None
    assert len(cfg.class_names) == len(set(cfg.class_names)) == CLASSES[name]
    assert cfg.dataset.ignore_index == CLASSES[name]


def test_its_pipelines_build_and_take_the_views_of_the_protocol(name):
    cfg = read(name)
    for step in (*cfg.train_pipeline, *cfg.test_pipeline):
        TRANSFORMS.build(step)
    augment = TRANSFORMS.build(cfg.tta_pipeline[-1])
    assert len(augment.subroutines) == VIEWS[name]
    assert [step.type for step in cfg.tta_pipeline[:-1]] == [
        step.type for step in cfg.test_pipeline[:-1]
    ]


def test_its_classes_fit_its_label_map(name, monkeypatch):
    cfg = read(name)
    monkeypatch.setattr('projects.SRKD.datasets.data_root._check', lambda *_: None)  # no data here
    check_data_root(cfg)


def entries(part):
    """Sizes of all lists and dictionaries in a config."""
    inner = part.values() if isinstance(part, dict) else part
    yield len(part)
    for one in inner:
        if isinstance(one, (dict, list, tuple)):
            yield from entries(one)


def test_a_run_that_writes_its_config_down_does_not_wait(name):
    cfg = read(name)
    assert max(entries(cfg._cfg_dict.to_dict())) <= 200  # one of 1358 ids took 45 s to be written
    assert len(cfg.pretty_text) > 1000


def test_semantickitti_merges_as_mmdet3d_does():
    own, theirs = read('semantickitti'), Config.fromfile(MMDET3D / 'semantickitti.py')
    assert own.label_map.to_dict() == theirs.labels_map.to_dict()
    assert (
        list(own.class_names)
        == theirs.class_names
        == list(SemanticKittiDataset.METAINFO['classes'])
    )
    assert (
        len(theirs.tta_pipeline[-1].transforms[0]) * len(theirs.tta_pipeline[-1].transforms[1])
        == VIEWS['semantickitti']
    )


def test_scannet200_maps_known_pairs(tmp_path):
    cfg = read('scannet200-seg')
    points, mask = tmp_path / 'points', tmp_path / 'semantic_mask_200'
    points.mkdir()
    mask.mkdir()
    raw = np.array([1, 3, 2, 1191, 0, 12, 1357, 42])
    raw.tofile(mask / 'a.bin')
    np.zeros((8, 6), np.float32).tofile(points / 'a.bin')
    entry = dict(lidar_points=dict(lidar_path='a.bin', num_pts_feats=6),
                 pts_semantic_mask_path='a.bin')  # fmt: skip
    infos = dict(metainfo={}, data_list=[entry])
    mmengine.dump(infos, tmp_path / 'scannet_infos_train.pkl')
    unmixed = [*cfg.load, cfg.train_pipeline[-1]]
    changes = dict(data_root=str(tmp_path), pipeline=unmixed)
    data = DATASETS.build(cfg.train_dataloader.dataset.to_dict() | changes)
    label = data[0]['data_samples'].gt_pts_seg.pts_semantic_mask.tolist()
    names = [data.metainfo['classes'][i] if i < 200 else None for i in label]
    assert names == ['wall', 'floor', 'chair', 'mattress', None, None, None, 'bathtub']


@pytest.fixture
def kitti(realdata, tmp_path):
    return write_semantickitti_root(realdata, tmp_path / 'kitti')


def semantickitti(root, split, **changes):
    cfg = read('semantickitti')[f'{split}_dataloader'].dataset.to_dict()
    return DATASETS.build(cfg | dict(data_root=str(root)) | changes)


def test_real_semantickitti_loads_as_through_mmdet3ds_own_pipeline(kitti):
    theirs = Config.fromfile(MMDET3D / 'semantickitti.py').test_dataloader.dataset
    theirs = DATASETS.build(theirs.to_dict() | dict(data_root=str(kitti)))
    own = semantickitti(kitti, 'val')
    for i in range(2):
        a, b = own[i], theirs[i]
        assert torch.equal(a['inputs']['points'], b['inputs']['points'])
        label = a['data_samples'].eval_ann_info['pts_semantic_mask']
        assert np.array_equal(label, b['data_samples'].eval_ann_info['pts_semantic_mask'])
        assert label.max() == 19
    cfg = read('semantickitti')
    unmixed = [*cfg.load, *cfg.augment, cfg.train_pipeline[-1]]
    sample = semantickitti(kitti, 'train', pipeline=unmixed)[0]
    assert sample['data_samples'].gt_pts_seg.pts_semantic_mask.shape == (124668,)


@pytest.mark.parametrize('spoil, match', [
    (lambda raw: np.where(np.arange(len(raw)) == 7, 12 | 3 << 16, raw),
     'has label id 12 in 1 of 124668 points, the first is point 7; .* nearest .* 11, 13, 10'),
    (lambda raw: raw + 300, r'has label id 3\d\d in 124668 of 124668 points'),
    (lambda raw: raw[:-2], 'has 124666 labels, expected 124668: one per point of .*000000.bin'),
])  # fmt: skip
def test_spoilt_semantickitti_labels_are_refused(realdata, tmp_path, spoil, match):
    folder = tmp_path / 'sequences/00'
    (folder / 'labels').mkdir(parents=True)
    source = realdata / 'semantickitti/sequences/00'
    (folder / 'velodyne').symlink_to((source / 'velodyne').absolute(), target_is_directory=True)
    raw = np.fromfile(source / 'labels/000000.label', np.uint32)
    spoil(raw).astype(np.uint32).tofile(folder / 'labels/000000.label')
    entry = dict(
        lidar_points=dict(lidar_path='sequences/00/velodyne/000000.bin', num_pts_feats=4),
        pts_semantic_mask_path='sequences/00/labels/000000.label',
    )
    infos = dict(metainfo={}, data_list=[entry])
    mmengine.dump(infos, tmp_path / 'semantickitti_infos_val.pkl')
    data = semantickitti(tmp_path, 'val')
    with pytest.raises(ValueError, match=match):
        data[0]
    (folder / 'labels/000000.label').rename(folder / 'labels/000001.label')
    with pytest.raises(FileNotFoundError, match='000000.label does not exist; .*000001.label'):
        data[0]


def test_the_views_of_a_real_scan_are_averaged(kitti):
    cfg = read('semantickitti')
    model = minkunet(num_classes=19, voxel_size=1.0)
    model['backbone']['in_channels'] = 4
    torch.manual_seed(0)
    network = Seg3DTTAModel(module=build(model).eval())
    data = semantickitti(kitti, 'val', pipeline=cfg.tta_pipeline)
    views = pseudo_collate([data[0]])
    assert len(views['inputs']) == 36
    some = {key: value[::12] for key, value in views.items()}  # the first view of three flips
    (averaged,) = network.test_step(copy.deepcopy(some))
    total = 0
    for i in range(3):
        (sample,) = network.module.test_step({key: value[i] for key, value in some.items()})
        total = total + sample.pts_seg_logits.pts_seg_logits.softmax(0)  # (19, n)
    assert torch.equal(averaged.pred_pts_seg.pts_semantic_mask, total.argmax(0))
    assert total.shape == (19, 124668) and len(total.argmax(0).unique()) > 1

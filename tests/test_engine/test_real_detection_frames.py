"""mmdet3d's detectors on real frames: training steps, alone and distilled, and predictions.

Configs are mmdet3d's own, optimizer included, on 13 m to 26 m of the scene.
"""

import copy
import shutil
from pathlib import Path

import mmdet3d
import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from realscans import write_nuscenes_detection_root
from toy_detectors import REACH, shrink

import projects.SRKD  # noqa: F401 - mends mmdet3d on CPUs
from projects.SRKD.datasets.infos.kitti import write_kitti_infos
from projects.SRKD.datasets.infos.points_in_boxes import points_inside
from projects.SRKD.distill import live_teacher

CONFIGS = f'{mmdet3d.__path__[0]}/.mim/configs'
CENTERPOINT = 'centerpoint/centerpoint_pillar02_second_secfpn_8xb4-cyclic-20e_nus-3d.py'
POINTPILLARS = 'pointpillars/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py'
KITTI = {
    'pointpillars': 'pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
    'second': 'second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
}
PRESET = Path(__file__).parents[2] / 'configs/_base_/distill/pointdistiller.py'
CELLS = 64  # pillars along a side


def read(name):
    """A config of mmdet3d on CELLS x CELLS pillars round the car."""
    cfg = Config.fromfile(f'{CONFIGS}/{name}')
    model = cfg.model
    side = CELLS * model.data_preprocessor.voxel_layer.voxel_size[0] / 2
    reach = [-side, -side, -5.0, side, side, 3.0]
    model.data_preprocessor.voxel_layer.point_cloud_range = reach
    model.pts_voxel_encoder.point_cloud_range = reach
    model.pts_middle_encoder.output_shape = [CELLS, CELLS]
    if model.type == 'CenterPoint':
        model.pts_bbox_head.bbox_coder.update(
            pc_range=reach[:2], score_threshold=0.0, max_num=100
        )  # of 256 places
        model.train_cfg.pts.update(point_cloud_range=reach, grid_size=[CELLS, CELLS, 1])
        model.test_cfg.pts.update(pc_range=reach[:2], score_threshold=0.0)
    else:
        z = model.pts_bbox_head.anchor_generator.ranges[0][2]
        model.pts_bbox_head.anchor_generator.ranges = [[-side, -side, z, side, side, z]]
        model.test_cfg.pts.nms_pre = 100
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        data = loader.dataset.get('dataset', loader.dataset)  # CenterPoint resamples by class
        data.pipeline = [step for step in data.pipeline if step.type != 'ObjectSample']
        for step in data.pipeline:
            if 'point_cloud_range' in step:
                step.point_cloud_range = reach
        loader.dataset = data
    return cfg


def dataset(cfg, loader, root):
    return DATASETS.build(cfg[loader].dataset.to_dict() | dict(data_root=str(root)))


@pytest.fixture(scope='module')
def root(realdata, tmp_path_factory):
    return write_nuscenes_detection_root(realdata, tmp_path_factory.mktemp('real') / 'nuscenes')


@pytest.mark.parametrize('name, nms', [
    (CENTERPOINT, 'rotate'), (CENTERPOINT, 'circle'), (POINTPILLARS, 'rotate'),
])  # fmt: skip
def test_a_step_and_a_prediction(root, name, nms, device):
    cfg = read(name)
    if nms == 'circle':
        cfg.model.test_cfg.pts.nms_type = nms
    torch.manual_seed(0)
    np.random.seed(0)
    model = MODELS.build(cfg.model).to(device).train()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    train = dataset(cfg, 'train_dataloader', root)
    assert len(train) == 3
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    batch = pseudo_collate([train[0], train[1]])
    assert all(len(sample.gt_instances_3d) for sample in batch['data_samples'])
    logs = model.train_step(batch, optimizer)
    assert all(value.isfinite().all() for value in logs.values())
    still = [key for key, value in model.named_parameters() if torch.equal(value, before[key])]
    # A head of CenterPoint whose classes are not in sight learns no boxes.
    assert all(key.startswith('pts_bbox_head.task_heads') for key in still)

    test = dataset(cfg, 'test_dataloader', root)
    model.eval()
    with torch.no_grad():
        (sample,) = model.test_step(pseudo_collate([test[1]]))
    found = sample.pred_instances_3d
    assert found.bboxes_3d.tensor.shape[1] == 9 and 0 < len(found) <= 500
    assert found.bboxes_3d.tensor.isfinite().all() and found.labels_3d.max() < 10
    assert (found.scores_3d > 0).all() and (found.scores_3d <= 1).all()


def test_boxes_of_the_real_frames_hold_the_points_that_are_counted_in_them(root):
    cfg = Config.fromfile(f'{CONFIGS}/_base_/datasets/nus-3d.py')
    pipeline = [cfg.train_pipeline[0], cfg.train_pipeline[2], cfg.train_pipeline[-1]]
    for split in ('train', 'test'):
        changes = dict(pipeline=pipeline, test_mode=False, ann_file='nuscenes_infos_train.pkl')
        cfg[f'{split}_dataloader'].dataset.update(changes)
    data = dataset(cfg, 'train_dataloader', root)
    for i in range(3):
        sample, info = data[i], data.get_data_info(i)
        truth = sample['data_samples'].gt_instances_3d.bboxes_3d
        counts = np.array([one['num_lidar_pts'] for one in info['instances']])
        counts = counts[counts > 0]  # those without points are no ground truth
        assert len(truth) == len(counts) > 20
        boxes = np.c_[truth.gravity_center, truth.dims, truth.yaw]
        inside = points_inside(boxes, sample['inputs']['points'].numpy())
        assert abs(inside - counts).sum() <= (29, 20, 79)[i]  # as the frames' own file says
        assert truth.tensor[:, 7:].norm(dim=1).max() < 20


def distilled(model, family, monkeypatch):
    """A student of a quarter under a teacher of random weights."""
    monkeypatch.setattr(live_teacher, 'load_strictly', lambda network, checkpoint: None)
    config = dict(
        type='DistillDetector',
        student=dict(type='CompressedDetector', detector=model, compression=4),
        teacher=dict(config=copy.deepcopy(model), checkpoint='unused.pth'),
        terms=Config.fromfile(PRESET).distill[family],
    )
    torch.manual_seed(0)
    np.random.seed(0)
    network = MODELS.build(Config(dict(model=config)).model).train()
    network.tell_connectors_are_kept()
    return network


@pytest.mark.parametrize('name, family', [(CENTERPOINT, 'centerpoint'), (POINTPILLARS, 'mvx')])
def test_a_distilled_student_takes_a_step_and_predicts_on_nuscenes(
    root, name, family, device, monkeypatch
):
    cfg = read(name)
    model = distilled(cfg.model, family, monkeypatch).to(device)
    train = dataset(cfg, 'train_dataloader', root)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    logs = model.train_step(pseudo_collate([train[0], train[1]]), optimizer)
    assert all(value.isfinite().all() for value in logs.values())
    assert all(logs[f'loss_{term}'] > 0 for term in model.terms)
    model.eval()
    with torch.no_grad():
        (sample,) = model.test_step(pseudo_collate([dataset(cfg, 'test_dataloader', root)[1]]))
    assert 0 < len(sample.pred_instances_3d) <= 500


@pytest.mark.parametrize('family', KITTI)
def test_a_distilled_student_learns_from_two_frames_of_kitti(
    realdata, family, tmp_path, device, monkeypatch
):
    kitti = realdata / 'kitti'
    frames = (kitti / 'ImageSets/train.txt').read_text().split()[:2]
    for folder, ending in dict(velodyne_reduced='bin', calib='txt', label_2='txt').items():
        (tmp_path / 'training' / folder).mkdir(parents=True)
        for frame in frames:
            name = f'training/{folder}/{frame}.{ending}'
            shutil.copyfile(kitti / name, tmp_path / name)
    shutil.copyfile(kitti / 'image_sizes.csv', tmp_path / 'image_sizes.csv')
    (tmp_path / 'split.txt').write_text('\n'.join(frames))
    write_kitti_infos(tmp_path, tmp_path / 'split.txt', tmp_path / 'split.txt')
    cfg = Config.fromfile(f'{CONFIGS}/{KITTI[family]}')
    data = cfg.train_dataloader.dataset.dataset
    kept = ('LoadPointsFromFile', 'LoadAnnotations3D', 'Pack3DDetInputs')
    data.pipeline = [step for step in data.pipeline if step.type in kept]
    data.data_root = f'{tmp_path}/'
    cut = dict(type='PointsRangeFilter', point_cloud_range=REACH)
    data.pipeline.insert(2, cut)
    data.pipeline.insert(3, dict(type='ObjectRangeFilter', point_cloud_range=REACH))
    train = DATASETS.build(data)
    batch = pseudo_collate([train[0], train[1]])
    model = distilled(shrink(cfg.model), family, monkeypatch).to(device)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    logs = [model.train_step(copy.deepcopy(batch), optimizer) for _ in range(8)]
    for key in ('loss', f'loss_{next(iter(model.terms))}'):
        assert logs[-1][key] < logs[0][key]

"""mmdet3d's own inference on every family of students, from another folder than the repository."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.apis import (
    LidarDet3DInferencer,
    LidarSeg3DInferencer,
    inference_detector,
    inference_segmentor,
    init_model,
)
from mmengine.config import Config
from test_configs import ROOT
from toy import build
from toy_detectors import shrink
from toy_rooms import write_room_config

from projects.SRKD.base import UsageError
from projects.SRKD.engine import launch

# student -> its config, columns of a point, number of classes
SEGMENTORS = {
    'PTv3': ('srkd/ptv3-half_4xb2-50e_semantickitti.py', 4, 19),
    'MinkUNet': ('srkd/minkunet18-w16_4xb2-800e_scannet200-seg.py', 6, 200),
    'PointPillars': ('srkd/pointpillars_4xb2-50e_nuscenes-lidarseg.py', 5, 16),
    'LitePT': ('srkd/litept-s_4xb2-800e_scannet-seg.py', 6, 20),
    'CDSegNet': ('srkd/cdsegnet_4xb2-800e_scannet-seg.py', 6, 20),
    'PandaSet': ('mini/ptv3-mini-s_1xb4-15e_mini-pandaset.py', 4, 12),
    'distilled': ('mini/srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py', 6, 20),
}
KITTI, NUS = 'kitti-3d-3class.py', 'cyclic-20e_nus-3d.py'
DETECTORS = {
    'PointPillars': (f'pointdistiller/pointpillars_hv_secfpn_8xb6-160e_{KITTI}', 4, 3),
    'SECOND': (f'pointdistiller/second_hv_secfpn_8xb6-80e_{KITTI}', 4, 3),
    'CenterPoint': (
        f'pointdistiller/centerpoint_pillar02_second_secfpn_head-circlenms_8xb4-{NUS}', 5, 10),
    'PointPillars 1/4': (f'pointdistiller/pointpillars-4x_8xb6-160e_{KITTI}', 4, 3),
    'SECOND 1/4': (f'pointdistiller/second-4x_8xb6-80e_{KITTI}', 4, 3),
    'CenterPoint 1/4': (f'pointdistiller/centerpoint-4x_8xb4-{NUS}', 5, 10),
    'nuScenes PointPillars': ('pointdistiller/pointpillars-4x_8xb4-2x_nus-3d.py', 5, 10),
    'distilled': (
        f'pointdistiller/pointdistiller_second_second-4x_8xb6-80e_{KITTI}', 4, 3),
}  # fmt: skip


def plain(model: dict) -> dict:
    """The network's own config inside of what distills and compresses."""
    for key in ('student', 'detector'):
        model = model.get(key, model)
    return model if 'student' not in model and 'detector' not in model else plain(model)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Makes config, checkpoint without any meta and a scan of a family, once each."""
    folder = tmp_path_factory.mktemp('students')

    @cache
    def make(name: str, columns: int) -> tuple[str, str, str]:
        cfg = Config.fromfile(ROOT / 'configs' / name)
        model = plain(cfg.model)
        if 'bbox_head' in model or 'pts_bbox_head' in model:
            shrink(model)
            if 'nms_pre' in model.test_cfg.get('pts', {}):
                model.test_cfg.pts.nms_pre = 50
        elif 'bev_range' in model.backbone:
            model.backbone.bev_range = (-12.8, -12.8, 12.8, 12.8)
        elif model.backbone.type == 'CDSegNet':
            model.backbone.enc_depths = (1,) * 5
        stem = Path(name).stem
        cfg.dump(folder / f'{stem}.py')
        torch.manual_seed(0)
        student = cfg.model.get('student', cfg.model).to_dict()
        torch.save(dict(state_dict=build(student).state_dict()), folder / f'{stem}.pth')
        rng = np.random.default_rng(0)
        cloud = rng.uniform(0, 1, (500, columns)).astype(np.float32)
        cloud[:, :3] = rng.uniform((0, -8, -2), (12, 8, 0.5), (500, 3))
        if columns == 6:
            cloud = cloud * [0.2, 0.2, 1, 255, 255, 255]
        cloud.astype(np.float32).tofile(folder / f'{stem}.bin')
        return tuple(str(folder / f'{stem}.{tail}') for tail in ('py', 'pth', 'bin'))

    return make


@pytest.mark.parametrize('student', SEGMENTORS)
def test_segmentors(student, files):
    name, columns, classes = SEGMENTORS[student]
    config, checkpoint, scan = files(name, columns)
    model = init_model(config, checkpoint, device='cpu')
    assert len(model.dataset_meta['classes']) == len(model.dataset_meta['palette']) == classes
    one, _ = inference_segmentor(model, scan)
    labels = one.pred_pts_seg.pts_semantic_mask
    assert labels.shape == (500,) and labels.min() >= 0 and labels.max() < classes
    two, _ = inference_segmentor(model, [scan, scan])
    assert all(torch.equal(each.pred_pts_seg.pts_semantic_mask, labels) for each in two)

    inferencer = LidarSeg3DInferencer(config, checkpoint, device='cpu')
    found = inferencer(dict(points=scan))['predictions']
    assert [each['pts_semantic_mask'] for each in found] == [labels.tolist()]
    assert len(inferencer([dict(points=scan)] * 3)['predictions']) == 3
    if columns < 6:  # mmdet3d's arrays have no colors
        cloud = np.fromfile(scan, np.float32).reshape(-1, columns)[:, inferencer.use_dim]
        loaded = inferencer(dict(points=cloud), return_datasamples=True)['predictions'][0]
        assert torch.equal(loaded.pred_pts_seg.pts_semantic_mask, labels)


@pytest.mark.parametrize('student', DETECTORS)
def test_detectors(student, files):
    name, columns, classes = DETECTORS[student]
    config, checkpoint, scan = files(name, columns)
    model = init_model(config, checkpoint, device='cpu')
    assert len(model.dataset_meta['classes']) == classes
    one, _ = inference_detector(model, scan)
    boxes = one.pred_instances_3d
    assert len(boxes.scores_3d) > 0 and boxes.labels_3d.max() < classes
    cloud = np.fromfile(scan, np.float32).reshape(-1, columns)
    two, _ = inference_detector(model, [scan, scan])
    loaded, _ = inference_detector(model, cloud)
    for other in (*two, loaded):
        torch.testing.assert_close(other.pred_instances_3d.scores_3d, boxes.scores_3d)

    inferencer = LidarDet3DInferencer(config, checkpoint, device='cpu')
    found = inferencer(dict(points=scan))['predictions']
    assert [len(each['scores_3d']) for each in found] == [len(boxes.scores_3d)]
    assert len(inferencer([dict(points=scan)] * 3)['predictions']) == 3


def test_predictions_of_several_scans_are_written_once_each(files):
    config, checkpoint, scan = files(*SEGMENTORS['PandaSet'][:2])
    inferencer = LidarSeg3DInferencer(config, checkpoint, device='cpu')
    other = Path('scans/other.bin')
    other.parent.mkdir()
    for path in (other, other.with_name(Path(scan).name)):
        path.write_bytes(Path(scan).read_bytes())
    inferencer(dict(points='scans'), out_dir='out')
    written = sorted(path.name for path in Path('out/preds').iterdir())
    assert written == sorted([f'{Path(scan).stem}.json', 'other.json'])
    same = Path('b') / Path(scan).name
    same.parent.mkdir()
    same.write_bytes(other.read_bytes())
    with pytest.raises(UsageError, match='2 scans are called .* would overwrite each other'):
        inferencer([dict(points=scan), dict(points=str(same))], out_dir='out')


def test_checkpoints_of_runs_are_taken_with_their_config(tmp_path):
    config = write_room_config(tmp_path)
    text = config.read_text() + (
        'train_dataloader = dict(test_dataloader, dataset=dict(test_dataloader["dataset"],\n'
        '    test_mode=False, scene_idxs=[0, 1], pipeline=load + [dict(type="Pack3DDetInputs",\n'
        '    keys=["points", "pts_semantic_mask"])]))\n'
        'optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1))\n'
        'train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=1)\n'
        'visualizer = dict(type="Det3DLocalVisualizer")\n'
    )
    config.write_text(text)
    launch.train(config, work_dir=tmp_path / 'run', cfg_options={'experiment_name': 'rooms alone'})
    weights, scan = str(tmp_path / 'run/epoch_1.pth'), str(tmp_path / 'rooms/points/0.bin')
    inferencer = LidarSeg3DInferencer(str(config), weights, device='cpu')
    found = inferencer(dict(points=scan))['predictions'][0]['pts_semantic_mask']
    model = init_model(str(config), weights, device='cpu')
    expected, _ = inference_segmentor(model, scan)
    assert found == expected.pred_pts_seg.pts_semantic_mask.tolist()
    assert len(model.dataset_meta['palette']) == 20
    with pytest.raises(UsageError, match=r"expected model='CONFIG.py' beside weights='.*epoch_1"):
        LidarSeg3DInferencer(weights=weights, device='cpu')


def test_three_lines_in_another_folder(files, tmp_path):
    config, checkpoint, scan = files(*SEGMENTORS['PandaSet'][:2])
    code = (
        'from mmdet3d.apis import inference_segmentor, init_model\n'
        f"model = init_model({config!r}, {checkpoint!r}, device='cpu')\n"
        f'result, _ = inference_segmentor(model, {scan!r})\n'
        'print(len(result.pred_pts_seg.pts_semantic_mask))\n'
    )
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, cwd=tmp_path, env=env
    )
    assert done.stdout.split()[-1:] == ['500'], done.stderr

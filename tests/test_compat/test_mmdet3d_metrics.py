"""What mmdet3d's KITTI and nuScenes metrics need on a machine without CUDA."""

import json
import math
import sys
from importlib import import_module

import mmengine
import numpy as np
import pytest
import torch

from projects.SRKD import compat

pytest.importorskip('mmdet3d')
from mmdet3d.evaluation.functional.kitti_utils import eval as kitti  # noqa: E402
from mmdet3d.evaluation.metrics import kitti_metric, nuscenes_metric  # noqa: E402
from mmdet3d.registry import METRICS  # noqa: E402
from mmdet3d.structures import CameraInstance3DBoxes, LiDARInstance3DBoxes  # noqa: E402
from numba import cuda  # noqa: E402
from numba.cuda.cudadrv.error import CudaSupportError  # noqa: E402
from nuscenes.utils.data_classes import Box  # noqa: E402
from pyquaternion import Quaternion  # noqa: E402

from projects.SRKD.compat import mmdet3d_rotate_iou as rotate_iou  # noqa: E402
from projects.SRKD.evaluation import rotate_iou_eval  # noqa: E402

state = compat.apply()
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason='mended where CUDA is missing')
CLASSES = ['car', 'truck', 'trailer', 'bus', 'construction_vehicle', 'bicycle', 'motorcycle',
           'pedestrian', 'traffic_cone', 'barrier']  # fmt: skip
CAMERAS = 6


@without_cuda
@pytest.mark.shows_a_fault
def test_without_the_cure_kitti_overlaps_need_cuda(monkeypatch):
    monkeypatch.delitem(sys.modules, rotate_iou.NAME)
    with pytest.raises(CudaSupportError):
        kitti.bev_box_overlap(np.ones((1, 5)), np.ones((1, 5)))


@without_cuda
def test_kitti_overlaps_are_ours():
    assert state['mmdet3d_rotate_iou']
    box = np.array([[5, 9, 4, 2, 1.0]])
    assert kitti.bev_box_overlap(box, box + [0, 0, 0, 0, math.pi]) == pytest.approx(1, abs=1e-12)
    assert import_module(rotate_iou.NAME).rotate_iou_gpu_eval is rotate_iou_eval


def test_with_cuda_the_kernel_of_mmdet3d_stays(monkeypatch):
    monkeypatch.setattr(cuda, 'is_available', lambda: True)
    monkeypatch.delitem(sys.modules, rotate_iou.NAME, raising=False)
    assert not rotate_iou.apply() and rotate_iou.NAME not in sys.modules


@pytest.mark.shows_a_fault
def test_without_the_cure_a_first_frame_without_objects_fails():
    empty = dict(name=np.array([]), alpha=np.array([]))
    with pytest.raises(IndexError, match='out of bounds'):
        kitti_metric.kitti_eval.original([empty], [empty], ['Car'])


def pose(*angles_and_shift):
    """A rigid motion 4 x 4: yaw, then x, y, z."""
    yaw, *shift = angles_and_shift
    matrix = Quaternion(axis=[0, 0, 1], radians=yaw).transformation_matrix
    matrix[:3, 3] = shift
    return matrix


# a camera that looks along x of the ego frame: x right, y down, z forward
FORWARD = np.array([[0, 0, 1, 1.5], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]])
GLOBAL, LIDAR = pose(0.3, 600, 1600, 0), pose(-1.5, 0.9, 0, 1.8)


def metric(folder, **kwargs):
    names = ['CAM_FRONT', 'CAM_FRONT_RIGHT', 'CAM_FRONT_LEFT',
             'CAM_BACK', 'CAM_BACK_LEFT', 'CAM_BACK_RIGHT']  # fmt: skip
    cameras = {name: dict(cam2ego=(pose(turn, 0, 0, 0) @ FORWARD).tolist())
               for name, turn in zip(names, (0, -1, 1, 3, 2, -2))}  # fmt: skip
    info = dict(token='frame', ego2global=GLOBAL.tolist(), images=cameras,
                lidar_points=dict(lidar2ego=LIDAR.tolist()))  # fmt: skip
    mmengine.dump(dict(metainfo={}, data_list=[info]), folder / 'infos.pkl')
    built = METRICS.build(dict(
        type='NuScenesMetric', data_root=str(folder), ann_file=str(folder / 'infos.pkl'),
        format_only=True, jsonfile_prefix=str(folder / 'results'), **kwargs))  # fmt: skip
    built.dataset_meta = dict(classes=CLASSES, version='v1.0-mini')
    return built


def results(folder):
    path = folder / 'results/pred_instances_3d/results_nusc.json'
    return json.loads(path.read_text())['results']['frame']


def test_lidar_boxes_are_written_in_the_global_frame(tmp_path):
    built = metric(tmp_path)
    boxes = LiDARInstance3DBoxes(
        torch.tensor([[10, 4, -1, 4, 2, 1.5, 0.7, 3, 0], [500, 0, 0, 4, 2, 1, 0, 0, 0]]), box_dim=9
    )
    found = dict(bboxes_3d=boxes, scores_3d=torch.tensor([0.9, 0.8]),
                 labels_3d=torch.tensor([0, 7]))  # fmt: skip
    built.process({}, [dict(sample_idx=0, pred_instances_3d=found, pred_instances={})])
    assert built.compute_metrics(built.results) == {}
    (box,) = results(tmp_path)  # the other is out of range
    expected = GLOBAL @ LIDAR @ [10, 4, -1 + 0.75, 1]
    np.testing.assert_allclose(box['translation'], expected[:3], atol=1e-3)
    np.testing.assert_allclose(box['size'], [2, 4, 1.5], atol=1e-6)  # width, length, height
    turn = Quaternion(box['rotation']).yaw_pitch_roll[0]
    assert turn == pytest.approx(0.7 - 1.5 + 0.3, abs=1e-5)
    speed = np.array([math.cos(0.3 - 1.5), math.sin(0.3 - 1.5)]) * 3
    np.testing.assert_allclose(box['velocity'], speed, atol=1e-5)
    assert (box['detection_name'], box['attribute_name']) == ('car', 'vehicle.moving')


@without_cuda
def test_camera_boxes_are_merged_without_cuda(tmp_path):
    """A car seen by two cameras is written once."""
    built = metric(tmp_path, modality=dict(use_camera=True, use_lidar=False))
    place = np.array([10, -3, 1, 1.0])  # in the ego frame, between two cameras
    for camera in range(CAMERAS):
        turn = (0, -1, 1, 3, 2, -2)[camera]
        x, y, z, _ = np.linalg.inv(pose(turn, 0, 0, 0) @ FORWARD) @ place
        rows = [[x, y + 0.75, z, 4, 1.5, 2, turn - math.pi / 2, 0, 0]] if camera < 2 else []
        boxes = CameraInstance3DBoxes(torch.tensor(rows).view(-1, 9), box_dim=9)
        number = len(rows)
        found = dict(bboxes_3d=boxes, scores_3d=torch.full((number,), 0.9 - camera / 10),
                     labels_3d=torch.zeros(number, dtype=torch.long),
                     attr_labels=torch.full((number,), 6))  # fmt: skip
        built.process({}, [dict(sample_idx=camera, pred_instances_3d=found, pred_instances={})])
    built.compute_metrics(built.results)
    (box,) = results(tmp_path)
    np.testing.assert_allclose(box['translation'], (GLOBAL @ place)[:3], atol=1e-3)
    assert box['detection_score'] == pytest.approx(0.9)
    assert box['attribute_name'] == 'vehicle.parked'


@without_cuda
@pytest.mark.shows_a_fault
def test_without_the_cure_camera_boxes_ask_for_cuda():
    assert state['mmdet3d_nuscenes_cuda']
    box = Box([1, 2, 3], [4, 5, 6], Quaternion(), label=0, score=0.5, velocity=(0, 0, 0))
    converted, scores, labels = nuscenes_metric.nusc_box_to_cam_box3d([box])
    assert converted.tensor.device.type == scores.device.type == labels.device.type == 'cpu'
    with pytest.raises((RuntimeError, AssertionError), match='(?i)cuda|nvidia'):
        nuscenes_metric.nusc_box_to_cam_box3d.original([box])
    with pytest.raises((RuntimeError, AssertionError), match='(?i)cuda|nvidia'):
        torch.ones(1).cuda()  # as before

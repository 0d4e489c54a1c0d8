"""mmdet3d's detectors over a small grid, and random scans for them."""

import copy

import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
from mmengine.hub import get_config
from mmengine.structures import InstanceData
from toy_detectors import shrink

CENTERPOINT = 'centerpoint/centerpoint_{}_second_secfpn_8xb4-cyclic-20e_nus-3d.py'
CONFIGS = {
    'pointpillars': 'pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
    'second': 'second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
    'point-rcnn': 'point_rcnn/point-rcnn_8xb2_kitti-3d-3class.py',
    'pointpillars-nus': 'pointpillars/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py',
    'centerpoint-pillar': CENTERPOINT.format('pillar02'),
    'centerpoint-voxel': CENTERPOINT.format('voxel01'),
    'dynamic': 'dynamic_voxelization/pointpillars_dv_secfpn_8xb6-160e_kitti-3d-car.py',
}
ON_CPU = ('pointpillars', 'second', 'pointpillars-nus', 'centerpoint-pillar', 'centerpoint-voxel')


def teacher(name):
    """Model config as mmdet3d ships it."""
    return get_config(f'mmdet3d::{CONFIGS[name]}').model


def build(cfg):
    """Constructors of mmdet3d edit their config."""
    return MODELS.build(copy.deepcopy(cfg))


def small(name):
    """The layers of :func:`teacher` on 64 x 64 cells."""
    return shrink(teacher(name))


def scans(name, num_points=200, seed=0):
    """Two random scans with a box of two classes each."""
    gen = torch.Generator().manual_seed(seed)
    low, high = (torch.tensor(x) for x in ([5.0, -10, -2], [25.0, 10, 0]))
    points = torch.rand(num_points, 5 if 'centerpoint' in name else 4, generator=gen)
    points[:, :3] = low + points[:, :3] * (high - low)
    boxes = torch.tensor([[8.0, 1, -1.5, 3.9, 1.6, 1.5, 0.3], [15.0, -4, -1.5, 0.8, 0.6, 1.7, 0]])
    if 'centerpoint' in name or 'nus' in name:
        boxes = torch.cat([boxes, torch.zeros(2, 2)], dim=1)  # velocities
    sample = Det3DDataSample()
    boxes = LiDARInstance3DBoxes(boxes, box_dim=boxes.shape[1])
    sample.gt_instances_3d = InstanceData(bboxes_3d=boxes, labels_3d=torch.tensor([2, 0]))
    return dict(inputs=dict(points=[points, points[::2]]), data_samples=[sample, sample])

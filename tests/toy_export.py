"""Small networks of pillars, with what a training would have left in their batch norms."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import zoo_detectors
from torch import nn
from toy import _segmentor, batch, build
from toy_detectors import centerpoint, pointpillars, scenes
from toy_rooms import write_room_config

CLASSES = dict(segmentor=5, anchors=2, centers=3)
NORM = dict(type='PillarBatchNorm1d', eps=1e-3, momentum=0.01)


def segmentor(num_classes: int = CLASSES['segmentor']) -> dict:
    """Config of a PointPillars segmentor; the clouds of ``toy.batch`` reach beyond its map."""
    backbone = dict(
        type='PointPillarsSegBackbone',
        in_channels=6,
        bev_range=(0.0, 0.0, 1.6, 1.2),
        pillar_size=0.1,
        pillar_channels=8,
        second=dict(type='SECOND', out_channels=[8, 16], layer_nums=[1, 1], layer_strides=[2, 2]),
        neck=dict(type='SECONDFPN', out_channels=[8, 8], upsample_strides=[1, 2]),
        out_channels=8,
    )
    return _segmentor(backbone, 8, 0.1, num_classes)


def anchors() -> dict:
    """Config of PointPillars with anchors, as the mini configs normalize pillars."""
    config = pointpillars()
    config['voxel_encoder']['norm_cfg'] = NORM
    return config


CONFIGS = dict(segmentor=segmentor, anchors=anchors, centers=centerpoint)


class Toy(NamedTuple):
    """A network in eval mode and its scans."""

    name: str
    network: nn.Module

    def scan(self, size: int) -> dict:
        """A batch of one random scan."""
        return batch((size,), size) if self.name == 'segmentor' else scenes((size,), size)

    def voxels(self, size: int) -> dict:
        """What the data preprocessor makes of it."""
        return self.network.data_preprocessor(self.scan(size), False)['inputs']['voxels']

    def cloud(self, size: int) -> np.ndarray:
        """Its points."""
        return self.scan(size)['inputs']['points'][0].numpy()


def toy(name: str) -> Toy:
    """A network whose weights and statistics are random."""
    torch.manual_seed(0)
    network = build(CONFIGS[name]()).eval()
    for module in network.modules():
        if getattr(module, 'running_var', None) is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return Toy(name, network)


def nuscenes() -> nn.Module:
    """mmdet3d's PointPillars of nuScenes: another voxel encoder, a neck of three levels."""
    return zoo_detectors.build(zoo_detectors.small('pointpillars-nus')).eval()


def write_config(folder: Path, model: dict | None = None) -> Path:
    """Write two rooms and a config that trains on them twice and tests on them; returns its path.

    Its network is the toy segmentor of 20 classes unless ``model`` is another.
    """
    model = model or segmentor(20)
    write_room_config(folder, model)
    path = folder / 'student.py'
    path.write_text(
        "_base_ = './rooms.py'\n"
        "chosen = dict(type='RandomSample')  # a pipeline that calibration does not use\n"
        'train_dataloader = dict(dataset=dict(type="RepeatDataset", times=2, dataset=dict(\n'
        '    _base_.test_dataloader.dataset, pipeline=[chosen], test_mode=False)))\n'
    )
    return path

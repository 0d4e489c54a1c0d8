"""Numbers that no run can mean, and widths that cannot follow each other, are told with keys."""

import copy
import re
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config

from projects.SRKD.base import UsageError
from projects.SRKD.preflight.numbers import check_numbers
from projects.SRKD.preflight.widths import check_widths

CONFIGS = Path(__file__).parents[2] / 'configs'
ROOMS = 'mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
STREETS = 'mini/minkunet-mini_1xb4-15e_mini-semantickitti-frames.py'
TAUGHT = 'mini/srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
PILLARS = 'mini/pointpillars-mini_1xb4-20e_mini-kitti-3d.py'
CENTERS = 'mini/centerpoint-mini_1xb4-20e_mini-nuscenes-3d.py'
NAN = float('nan')


@cache
def read(path):
    return Config.fromfile(CONFIGS / path)


def changed(path, key, value):
    cfg = copy.deepcopy(read(path))
    *places, last = key.split('.')
    place = cfg
    for name in places:
        place = place[int(name) if name.isdigit() else name]
    place[int(last) if last.isdigit() else last] = value
    return cfg


NUMBERS = [
    (ROOMS, 'train_cfg.max_epochs', 0),
    (ROOMS, 'train_cfg.max_epochs', 2.5),
    (ROOMS, 'train_cfg.max_epochs', 'ten'),
    (TAUGHT, 'train_dataloader.batch_sampler.group_size', 0),
    (ROOMS, 'train_cfg.val_interval', 0),
    (ROOMS, 'train_dataloader.batch_size', 0),
    (ROOMS, 'train_dataloader.batch_size', -4),
    (ROOMS, 'train_dataloader.num_workers', -1),
    (ROOMS, 'val_dataloader.batch_size', 1.5),
    (ROOMS, 'optim_wrapper.optimizer.lr', -0.1),
    (ROOMS, 'optim_wrapper.optimizer.lr', NAN),
    (ROOMS, 'optim_wrapper.optimizer.weight_decay', -1),
    (ROOMS, 'optim_wrapper.optimizer.betas', (0.9, 1.5)),
    (ROOMS, 'optim_wrapper.clip_grad', dict(max_norm=-1)),
    (ROOMS, 'optim_wrapper.accumulative_counts', 0),
    (ROOMS, 'param_scheduler.0.start_factor', 2),
    (ROOMS, 'param_scheduler.1.T_max', 0),
    (ROOMS, 'param_scheduler.1.begin', -1),
    (ROOMS, 'default_hooks.checkpoint', dict(type='CheckpointHook', interval=0)),
    (ROOMS, 'randomness', dict(seed=-1)),
    (ROOMS, 'model.data_preprocessor.max_voxels', -5),
    (ROOMS, 'model.decode_head.num_classes', 0),
    (ROOMS, 'model.decode_head.loss_decode.loss_weight', -1),
    (TAUGHT, 'model.terms.kd.loss.loss_weight', NAN),
    (TAUGHT, 'model.terms.kd.loss.loss_weight', None),
    (PILLARS, 'model.data_preprocessor.voxel_layer.max_voxels', (-5, 10)),
    (PILLARS, 'model.data_preprocessor.voxel_layer.max_num_points', 0),
    (PILLARS, 'model.bbox_head.loss_cls.loss_weight', -1.0),
    (PILLARS, 'model.test_cfg.score_thr', None),
    (PILLARS, 'model.test_cfg.score_thr', 1.5),
    (PILLARS, 'model.test_cfg.nms_thr', -0.1),
    (PILLARS, 'model.backbone.in_channels', 64.0),
    (PILLARS, 'model.neck.in_channels', [64, 128.0, 256]),
    (PILLARS, 'model.bbox_head.num_classes', 3.0),
    (ROOMS, 'train_dataloader.batch_size', 4.0),
]


@pytest.mark.parametrize(('path', 'key', 'value'), NUMBERS)
def test_a_number_out_of_its_range_is_named_with_its_key(path, key, value):
    told = re.sub(r'[.](\d+)', r'\\[\1\\]', key)  # lists are told with brackets
    with pytest.raises(UsageError, match=rf'{told}.* must be a (whole|finite) number .*, got '):
        check_numbers(changed(path, key, value))


WIDTHS = [
    (ROOMS, 'model.decode_head.channels', 48,
     r'model.backbone.dec_channels\[0\] gives 16 .* model.decode_head.channels takes 48'),
    (STREETS, 'model.decode_head.channels', 7,
     r'model.backbone.decoder_channels\[-1\] gives .* model.decode_head.channels takes 7'),
    (TAUGHT, 'model.student.decode_head.channels', 7,
     r'model.student.backbone.dec_channels\[0\] gives 16'),
    (PILLARS, 'model.middle_encoder.in_channels', 32, r'model.voxel_encoder.feat_channels\[-1\]'),
    (PILLARS, 'model.backbone.in_channels', 32, 'model.middle_encoder.in_channels gives 64'),
    (PILLARS, 'model.neck.in_channels', [64, 128, 256],
     'model.backbone.out_channels gives 64, 128, 128 .* model.neck.in_channels takes 64, 128, 256'),
    (PILLARS, 'model.bbox_head.in_channels', 384,
     'the sum of model.neck.out_channels gives 192 .* model.bbox_head.in_channels takes 384'),
    (CENTERS, 'model.pts_neck.in_channels', [1, 2, 3], 'model.pts_backbone.out_channels gives'),
    (CENTERS, 'model.pts_bbox_head.in_channels', 3, 'the sum of model.pts_neck.out_channels'),
]  # fmt: skip


@pytest.mark.parametrize(('path', 'key', 'value', 'message'), WIDTHS)
def test_widths_that_do_not_follow_each_other_are_told_with_both_keys(path, key, value, message):
    with pytest.raises(UsageError, match=message):
        check_widths(changed(path, key, value))


FAMILIES = [
    ROOMS, STREETS, TAUGHT, PILLARS, CENTERS,
    'pointdistiller/pointrcnn-16x_8xb2_kitti-3d-3class.py',
    'pointdistiller/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
    'pointdistiller/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py',
    'srkd/cdsegnet_4xb2-800e_scannet-seg.py',
    'srkd/litept-s_4xb2-800e_scannet-seg.py',
    'srkd/kd_ptv3-base_pointpillars_4xb2-50e_semantickitti.py',
]  # fmt: skip


@pytest.mark.parametrize('path', FAMILIES)
def test_shipped_configs_of_every_family_are_accepted(path):
    check_numbers(read(path))
    check_widths(read(path))

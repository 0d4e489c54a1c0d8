"""Numbers that no run can mean, and widths that cannot follow each other, are told with keys."""

import copy
import re
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config

from projects.SRKD.base import UsageError
from projects.SRKD.preflight.columns import check_columns
from projects.SRKD.preflight.numbers import check_numbers
from projects.SRKD.preflight.widths import check_widths

CONFIGS = Path(__file__).parents[2] / 'configs'
ROOMS = 'mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
STREETS = 'mini/minkunet-mini_1xb4-15e_mini-semantickitti-frames.py'
TAUGHT = 'mini/srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
PILLARS = 'mini/pointpillars-mini_1xb4-20e_mini-kitti-3d.py'
NOISE = 'srkd/cdsegnet_4xb2-800e_scannet-seg.py'
SECOND = 'pointdistiller/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py'
FPN = 'pointdistiller/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py'
POINTS = 'pointdistiller/point-rcnn_8xb2_kitti-3d-3class.py'
CENTERS = 'mini/centerpoint-mini_1xb4-20e_mini-nuscenes-3d.py'
NAN = float('nan')


@cache
def read(path):
    return Config.fromfile(CONFIGS / path)


def changed(path, key, value):
    cfg = copy.deepcopy(read(path))
    cfg.model = listed(cfg.model)
    *places, last = key.split('.')
    place = cfg
    for name in places:
        place = place[int(name) if name.isdigit() else name]
    place[int(last) if last.isdigit() else last] = value
    return cfg


def listed(value):
    """With lists for tuples, which cannot be changed."""
    if isinstance(value, dict):
        for key in value:
            value[key] = listed(value[key])
    return [listed(each) for each in value] if isinstance(value, (list, tuple)) else value


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
    with pytest.raises(UsageError, match=rf'{told}.* must be a (whole|finite) number .*, but got '):
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
    (NOISE, 'model.decode_head.channels', 7, r'dec_channels\[0\] gives 64 .*head.channels takes 7'),
    (SECOND, 'model.middle_encoder.in_channels', 5, 'model.voxel_encoder.num_features gives 4'),
    (SECOND, 'model.middle_encoder.output_channels', 64,
     'model.middle_encoder.output_channels x 2 cells of height gives 128 channels, but '
     'model.backbone.in_channels takes 256'),
    (SECOND, 'model.middle_encoder.sparse_shape', [81, 1600, 1408], '4 cells of height gives 512'),
    (FPN, 'model.pts_neck.in_channels', [64, 128, 128], 'model.pts_backbone.out_channels gives'),
    (FPN, 'model.pts_neck.out_channels', 128,
     'model.pts_neck.out_channels gives 128 .* model.pts_bbox_head.in_channels takes 256'),
    (FPN, 'model.pts_bbox_head.feat_channels', 64,
     'pts_bbox_head.in_channels gives 256 .* model.pts_bbox_head.feat_channels takes 64'),
    (POINTS, 'model.neck.fp_channels.0.0', 1024,
     r'backbone.sa_channels and in_channels gives 1536 .*neck.fp_channels\[0\]\[0\] takes 1024'),
    (POINTS, 'model.neck.fp_channels.3.0', 256,
     r'fp_channels\[2\]\[-1\] beside a level of model.backbone gives 257 .* takes 256'),
    (POINTS, 'model.neck.fp_channels.3.2', 64,
     r'fp_channels\[-1\]\[-1\] gives 64 .*rpn_head.pred_layer_cfg.in_channels takes 128'),
    (POINTS, 'model.roi_head.bbox_head.mlp_channels.1', 64, r'fp_channels\[-1\]\[-1\] gives 128'),
    (POINTS, 'model.roi_head.bbox_head.pred_layer_cfg.in_channels', 64,
     r'bbox_head.sa_channels\[-1\]\[-1\] gives 512'),
]  # fmt: skip


@pytest.mark.parametrize(('path', 'key', 'value', 'message'), WIDTHS)
def test_widths_that_do_not_follow_each_other_are_told_with_both_keys(path, key, value, message):
    with pytest.raises(UsageError, match=message):
        check_widths(changed(path, key, value))


COLUMNS = [
    (ROOMS, 'model.backbone.in_channels', 7,
     'use_dim of LoadPointsFromFile in the pipeline of train_dataloader gives points of 6 columns, '
     'but model.backbone.in_channels takes 7'),
    (TAUGHT, 'model.student.backbone.in_channels', 4, 'but model.student.backbone.in_cha'),
    (PILLARS, 'model.voxel_encoder.in_channels', 5, 'points of 4 columns, but model.voxel_encoder'),
    (CENTERS, 'model.pts_voxel_encoder.in_channels', 4, 'but model.pts_voxel_encoder.in_ch'),
    (SECOND, 'model.voxel_encoder.num_features', 5, 'num_features takes 5'),
    (POINTS, 'model.backbone.in_channels', 3, 'points of 4 columns, but model.backbone'),
    (PILLARS, 'train_dataloader.dataset.pipeline.2.db_sampler.points_loader.use_dim', [0, 1, 2],
     'points of 4 columns, but use_dim of points_loader in db_sampler .* pastes 3'),
    (PILLARS, 'val_dataloader.dataset.pipeline.0.use_dim', 3, 'the pipeline of val_dataloader'),
]  # fmt: skip


@pytest.mark.parametrize(('path', 'key', 'value', 'message'), COLUMNS)
def test_points_of_other_columns_than_the_network_takes_are_refused(path, key, value, message):
    with pytest.raises(UsageError, match=message):
        check_columns(changed(path, key, value), ('train', 'val', 'test'))


def test_a_teacher_of_other_columns_is_refused_and_steps_of_ones_own_are_passed_over():
    cfg = copy.deepcopy(read(TAUGHT))
    cfg.model.teacher.config = copy.deepcopy(cfg.model.student)
    cfg.model.teacher.config.backbone.in_channels = 9
    with pytest.raises(UsageError, match='the model of model.teacher.config.backbone.in_channels'):
        check_columns(cfg, ('train',))
    cfg.train_dataloader.dataset.pipeline.insert(1, dict(type='MyOwnNormals'))
    check_columns(cfg, ('train',))


FAMILIES = [
    ROOMS, STREETS, TAUGHT, PILLARS, CENTERS, NOISE, SECOND, FPN, POINTS,
    'pointdistiller/pointrcnn-16x_8xb2_kitti-3d-3class.py',
    'srkd/litept-s_4xb2-800e_scannet-seg.py',
    'srkd/kd_ptv3-base_pointpillars_4xb2-50e_semantickitti.py',
]  # fmt: skip


@pytest.mark.parametrize('path', FAMILIES)
def test_shipped_configs_of_every_family_are_accepted(path):
    check_numbers(read(path))
    check_widths(read(path))
    check_columns(read(path), ('train', 'val', 'test'))

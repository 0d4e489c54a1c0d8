"""The range of the points in network, pipelines and metric."""

import copy
import logging
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hub import get_config

from projects.SRKD.base import UsageError
from projects.SRKD.preflight import geometry
from projects.SRKD.preflight.classes import check_classes
from projects.SRKD.preflight.geometry import check_geometry_of_config

CONFIGS = Path(__file__).parents[2] / 'configs'
PILLARS = 'mini/pointpillars-mini_1xb4-20e_mini-kitti-3d.py'
REACH = [0, -19.2, -3, 38.4, 19.2, 1]
OWN = """
_base_ = '{base}'
reach = [-40.96, -20.48, -3, 40.96, 20.48, 1]
pillar = [0.32, 0.32, 4]
metainfo = dict(classes=['Car', 'Pedestrian'])
model = dict(
    data_preprocessor=dict(voxel_layer=dict(point_cloud_range=reach, voxel_size=pillar)),
    voxel_encoder=dict(voxel_size=pillar, point_cloud_range=reach),
    middle_encoder=dict(output_shape=[128, 256]),
    bbox_head=dict(num_classes=2, anchor_generator=dict(
        ranges=[[-40.96, -20.48, -1.78, 40.96, 20.48, -1.78]] * 2,
        sizes=[[3.9, 1.6, 1.56], [0.8, 0.6, 1.73]])),
    train_cfg=dict(assigner=_base_.model.train_cfg.assigner[:2]))
train_dataloader = dict(dataset=dict(metainfo=metainfo))
val_dataloader = dict(dataset=dict(metainfo=metainfo))
test_dataloader = val_dataloader
"""


@cache
def read(path):
    return Config.fromfile(CONFIGS / path)


@pytest.fixture
def cfg():
    return copy.deepcopy(read(PILLARS))


@pytest.fixture
def lines(monkeypatch):
    said = []
    monkeypatch.setattr(geometry, 'print_log', lambda line, **where: said.append((line, where)))
    return said


def filters(cfg, split):
    pipeline = cfg[f'{split}_dataloader'].dataset.pipeline
    return [step for step in pipeline if step.type.endswith('RangeFilter')]


@pytest.mark.parametrize('metric', ['KittiMetric', 'KittiMetricWithCeiling'])
def test_the_metrics_limit_follows_the_range_of_the_points(cfg, lines, metric):
    for split in ('val', 'test'):
        cfg[f'{split}_evaluator'] = dict(type=metric, ann_file='infos.pkl')
    check_geometry_of_config(cfg)
    assert cfg.val_evaluator.pcd_limit_range == cfg.test_evaluator.pcd_limit_range == REACH
    assert [line for line, _ in lines] == [
        f'pcd_limit_range of {split}_evaluator is set to [0, -19.2, -3, 38.4, 19.2, 1]'
        for split in ('val', 'test')
    ]
    check_geometry_of_config(cfg)  # as a resumed run reads it
    assert len(lines) == 2


def test_the_limit_follows_a_sensor_on_a_mast(cfg):
    low = [0, -19.2, -8, 38.4, 19.2, -4]
    cfg.model.data_preprocessor.voxel_layer.point_cloud_range = low
    cfg.model.voxel_encoder.point_cloud_range = low
    for span in cfg.model.bbox_head.anchor_generator.ranges:
        span[2] = span[5] = -6.5
    for split in ('train', 'val', 'test'):
        for step in filters(cfg, split):
            step.point_cloud_range = low
    check_geometry_of_config(cfg)
    assert cfg.val_evaluator.pcd_limit_range == low


def test_lists_of_metrics_and_other_metrics_are_left_alone(cfg):
    cfg.val_evaluator = [dict(type='KittiMetric', ann_file='a'), dict(type='SegMetric')]
    check_geometry_of_config(cfg)
    assert cfg.val_evaluator[0].pcd_limit_range == REACH
    assert cfg.val_evaluator[1] == dict(type='SegMetric')


@pytest.mark.parametrize('side, value', [(0, 5), (1, -10), (2, -1.5), (3, 30), (4, 10), (5, -1)])
def test_a_limit_inside_the_range_is_refused(cfg, side, value):
    cfg.val_evaluator.pcd_limit_range = [*REACH[:side], value, *REACH[side + 1 :]]
    with pytest.raises(UsageError, match=f'pcd_limit_range of val_evaluator is .*{value:g}.* 38.4'):
        check_geometry_of_config(cfg)
    check_geometry_of_config(cfg, ('train',))


def test_a_wider_limit_and_mmdet3ds_own_height_are_taken(cfg):
    for limit in ([-100, -100, -10, 100, 100, 10], [0, -40, -3, 70.4, 40, 0.0]):
        cfg.val_evaluator.pcd_limit_range = list(limit)
        check_geometry_of_config(cfg)
        assert cfg.val_evaluator.pcd_limit_range == limit


@pytest.mark.parametrize('split', ['train', 'val', 'test'])
@pytest.mark.parametrize('narrow', [[10, -19.2, -3, 38.4, 19.2, 1], [0, -19.2, -2, 38.4, 19.2, 1]])
def test_a_filter_that_leaves_part_of_the_map_empty_is_named(cfg, lines, split, narrow):
    step = filters(cfg, split)[0]
    step.point_cloud_range = narrow
    check_geometry_of_config(cfg)
    (said, where), *more = [each for each in lines if 'RangeFilter' in each[0]]
    assert f'PointsRangeFilter in the pipeline of {split}_dataloader' in said
    assert all(f'{number:g}' in said for number in narrow + REACH)
    assert where['level'] == logging.WARNING and not more


def test_a_filter_of_objects_wider_than_the_network_is_refused(cfg):
    (step,) = [step for step in filters(cfg, 'train') if step.type == 'ObjectRangeFilter']
    step.point_cloud_range = [0, -40, -3, 70.4, 40, 1]
    with pytest.raises(UsageError, match='ObjectRangeFilter in the pipeline of train_dataloader'):
        check_geometry_of_config(cfg)


def test_filters_inside_test_time_views_are_seen(cfg, lines):
    flip = dict(type='MultiScaleFlipAug3D', transforms=[
        dict(type='PointsRangeFilter', point_cloud_range=[0, -10, -3, 38.4, 10, 1])])  # fmt: skip
    cfg.val_dataloader.dataset.pipeline = [flip]
    check_geometry_of_config(cfg)
    assert any('val_dataloader, [0, -10' in line for line, _ in lines)


def test_without_voxels_filters_are_compared_with_one_another(cfg, lines):
    cfg.pop('model')
    filters(cfg, 'val')[0].point_cloud_range = [0, -10, -3, 38.4, 10, 1]
    check_geometry_of_config(cfg)
    assert any('that PointsRangeFilter in the pipeline of train' in line for line, _ in lines)
    assert cfg.val_evaluator.pcd_limit_range == REACH


def test_a_network_that_contradicts_itself_is_refused_when_the_config_is_read(cfg):
    cfg.model.middle_encoder.output_shape = [192, 96]
    with pytest.raises(UsageError, match='model.middle_encoder.output_shape is'):
        check_geometry_of_config(cfg)


def test_a_users_own_detector_on_an_inherited_pipeline_goes_on_working(tmp_path, lines):
    """Its pipeline is the base's: classes are followed by name, the narrower cut is named."""
    path = tmp_path / 'own.py'
    path.write_text(OWN.format(base=CONFIGS / PILLARS))
    cfg = Config.fromfile(path)
    check_classes(cfg)
    check_geometry_of_config(cfg)
    assert sum('PointsRangeFilter' in line for line, _ in lines) == 3
    assert cfg.val_evaluator.pcd_limit_range == cfg.reach


ZOO = (
    'centerpoint/centerpoint_voxel0075_second_secfpn_head-dcn-circlenms_8xb4-flip-tta-cyclic-20e'
    '_nus-3d',
    'centerpoint/centerpoint_pillar02_second_secfpn_head-circlenms_8xb4-cyclic-20e_nus-3d',
    'free_anchor/pointpillars_hv_regnet-1.6gf_fpn_head-free-anchor_sbn-all_8xb4-strong-aug-3x'
    '_nus-3d',
    'minkunet/minkunet34_w32_spconv_8xb2-laser-polar-mix-3x_semantickitti',
    'mvxnet/mvxnet_fpn_dv_second_secfpn_8xb2-80e_kitti-3d-3class',
    'parta2/parta2_hv_secfpn_8xb2-cyclic-80e_kitti-3d-car',
    'pointpillars/pointpillars_hv_fpn_sbn-all_8xb2-2x_lyft-3d-range100',
    'pointpillars/pointpillars_hv_secfpn_sbn-all_16xb2-2x_waymo-3d-3class',
    'pointpillars/pointpillars_hv_secfpn_sbn-all_8xb4-2x_nus-3d',
    'pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class',
    'regnet/pointpillars_hv_regnet-400mf_secfpn_sbn-all_8xb4-2x_nus-3d',
    'second/second_hv_secfpn_sbn-all_16xb2-2x_waymoD5-3d-3class',
    'ssn/ssn_hv_secfpn_sbn-all_16xb2-2x_nus-3d',
)


@pytest.mark.parametrize('name', ZOO)
def test_configs_of_mmdet3ds_zoo_are_accepted(name, lines):
    cfg = get_config(f'mmdet3d::{name}.py')
    check_classes(cfg)
    check_geometry_of_config(cfg)
    assert not [line for line, _ in lines if 'leaves part of the map empty' in line]


def test_a_config_of_the_zoo_whose_tasks_have_another_order_than_its_data_is_refused():
    """By position SSN's head on Lyft has cars' outputs trained on bicycles' anchors."""
    cfg = get_config('mmdet3d::ssn/ssn_hv_secfpn_sbn-all_16xb2-2x_lyft-3d.py')
    with pytest.raises(UsageError, match='tasks of pts_bbox_head, .* is bicycle, .* is car, truck'):
        check_classes(cfg)

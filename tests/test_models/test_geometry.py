"""One grid in many places: each, changed alone, is named; all changed together are accepted."""

import copy
from functools import cache

import pytest
from mmengine.config import ConfigDict
from toy_detectors import shrink
from zoo_detectors import ON_CPU, build
from zoo_detectors import teacher as read

from projects.SRKD.base import UsageError
from projects.SRKD.models.compression import compressed
from projects.SRKD.models.geometry import check_geometry, output_stride

LAYER = 'data_preprocessor.voxel_layer'
KITTI = [0, -39.68, -3, 69.12, 39.68, 1]


kept = cache(read)


def teacher(name):
    return copy.deepcopy(kept(name))


def changed(name, key, value):
    cfg = teacher(name)
    *path, last = key.split('.')
    place = cfg
    for part in path:
        place = place[int(part) if part.isdigit() else part]
    place[int(last) if last.isdigit() else last] = value
    return cfg


@pytest.mark.parametrize('name', ON_CPU)
def test_mmdet3ds_detectors_have_one_grid(name):
    cfg = teacher(name)
    assert check_geometry(cfg) == check_geometry(compressed(cfg, 4)) is not None
    assert check_geometry(shrink(cfg)).shape[1:] == (64, 64)


def test_a_detector_without_voxels_has_none():
    assert check_geometry(teacher('point-rcnn')) is None


PLACES = [
    ('pointpillars', 'voxel_encoder.voxel_size', [0.32, 0.16, 4], r'ask for \[0.16, 0.16, 4\]'),
    ('pointpillars', 'voxel_encoder.point_cloud_range', [0, -40, -3, 70.4, 40, 1], '69.12'),
    ('pointpillars', 'middle_encoder.output_shape', [432, 496], r'ask for \[496, 432\]'),
    ('pointpillars', 'middle_encoder.output_shape', [496, 440], r'ask for \[496, 432\]'),
    ('pointpillars', 'bbox_head.anchor_generator.ranges.1', [0, -39.68, -0.6, 76.8, 39.68, -0.6],
     r'ask for \[0, -39.68, -0.6, 69.12'),
    ('pointpillars-nus', 'pts_voxel_encoder.voxel_size', [0.5, 0.5, 8], r'ask for \[0.25, 0.25'),
    ('pointpillars-nus', 'pts_middle_encoder.output_shape', [200, 200], r'ask for \[400, 400\]'),
    ('second', 'middle_encoder.sparse_shape', [41, 1600, 1400], r'ask for \[41, 1600, 1408\]'),
    ('second', 'middle_encoder.sparse_shape', [21, 1600, 1408], r'ask for \[41, 1600, 1408\]'),
    ('centerpoint-pillar', 'pts_bbox_head.bbox_coder.voxel_size', [0.1, 0.1], r'ask for \[0.2'),
    ('centerpoint-pillar', 'pts_bbox_head.bbox_coder.pc_range', [-54, -54], r'ask for \[-51'),
    ('centerpoint-pillar', 'pts_bbox_head.bbox_coder.out_size_factor', 8, r'ask for \[4\]'),
    ('centerpoint-pillar', 'train_cfg.pts.grid_size', [1024, 1024, 1], r'ask for \[512, 512\]'),
    ('centerpoint-pillar', 'train_cfg.pts.voxel_size', [0.1, 0.1, 8], r'ask for \[0.2, 0.2, 8\]'),
    ('centerpoint-pillar', 'train_cfg.pts.out_size_factor', 2, r'ask for \[4\]'),
    ('centerpoint-pillar', 'train_cfg.pts.point_cloud_range', [-54, -54, -5, 54, 54, 3], '-51.2'),
    ('centerpoint-pillar', 'test_cfg.pts.pc_range', [0, 0], r'ask for \[-51.2, -51.2\]'),
    ('centerpoint-pillar', 'test_cfg.pts.voxel_size', [0.1, 0.1], r'ask for \[0.2, 0.2\]'),
    ('centerpoint-pillar', 'test_cfg.pts.out_size_factor', 8, r'ask for \[4\]'),
    ('centerpoint-voxel', 'train_cfg.pts.out_size_factor', 4, r'ask for \[8\]'),
    ('centerpoint-voxel', 'pts_middle_encoder.sparse_shape', [41, 512, 512], r'\[41, 1024, 1024\]'),
]  # fmt: skip


@pytest.mark.parametrize('name, key, value, fits', PLACES)
def test_a_place_that_disagrees_is_named_with_both_values_and_what_fits(name, key, value, fits):
    place = key.replace('.', r'\.').replace(r'\.1', r'\[1\]') if key.endswith('.1') else key
    with pytest.raises(UsageError, match=f'^student.{place} is .*{LAYER} .*{fits}'):
        check_geometry(changed(name, key, value), 'student')


@pytest.mark.parametrize('name', ON_CPU)
@pytest.mark.parametrize('what', ['point_cloud_range', 'voxel_size'])
def test_the_preprocessor_changed_alone_is_refused(name, what):
    cfg = teacher(name)
    layer = cfg.data_preprocessor.voxel_layer
    if what == 'voxel_size':
        layer.voxel_size = [size * 2 for size in layer.voxel_size[:2]] + layer.voxel_size[2:]
    else:
        low, high = layer.point_cloud_range[:3], layer.point_cloud_range[3:]
        layer.point_cloud_range = [*low, low[0] + (high[0] - low[0]) / 2, *high[1:]]
    with pytest.raises(UsageError, match=f'but model.{LAYER} has'):
        check_geometry(cfg)


@pytest.mark.parametrize('key', ['pts_bbox_head.bbox_coder.post_center_range',
                                 'test_cfg.pts.post_center_limit_range'])  # fmt: skip
@pytest.mark.parametrize('limit', [[-61.2, -61.2, -4.0, 61.2, 61.2, 10.0],
                                   [0, -61.2, -10.0, 61.2, 61.2, 10.0],
                                   [-61.2, -61.2, -10.0, 40.0, 61.2, 10.0]])  # fmt: skip
def test_a_head_that_drops_boxes_inside_the_range_is_refused(key, limit):
    with pytest.raises(UsageError, match=f'{key} is .*drops boxes inside the point_cloud_range'):
        check_geometry(changed('centerpoint-pillar', key, limit))


def test_anchors_above_or_below_the_range_are_refused():
    span = [0, -39.68, -5.5, 69.12, 39.68, -5.5]
    with pytest.raises(UsageError, match='puts anchors at z = -5.5 m, outside .* -3 to 1 m'):
        check_geometry(changed('pointpillars', 'bbox_head.anchor_generator.ranges.0', span))


@pytest.mark.parametrize(
    'size, reach, message',
    [
        ([0.16, 0.16, 0], KITTI, 'no voxels along z'),
        ([-0.16, 0.16, 4], KITTI, 'no voxels along x'),
        ([0.16, 0.16, 4], [69.12, -39.68, -3, 0, 39.68, 1], 'no voxels along x'),
        ([0.16, 0.16, 4], [0, -39.68, -3, 69.12, float('inf'), 1], 'no voxels along y'),
        ([0.16, 0.16, 4], [0, -39.68, -3, 69.2, 39.68, 1], 'nearest range .* ends at 69.12'),
        ([0.16, 0.16, 5], KITTI, 'voxels of 5 m do not divide the 4 m from -3 to 1 along z'),
    ],
)
def test_a_range_that_its_voxels_do_not_divide_is_refused(size, reach, message):
    cfg = teacher('pointpillars')
    cfg.data_preprocessor.voxel_layer.update(voxel_size=size, point_cloud_range=reach)
    with pytest.raises(UsageError, match=message):
        check_geometry(cfg)


@pytest.mark.parametrize('name, cell, whole', [('pointpillars', 0.16, 8), ('second', 0.05, 16)])
@pytest.mark.parametrize('more', [1, 3, 5])
def test_a_map_that_the_strides_do_not_divide_is_refused_with_the_nearest(name, cell, whole, more):
    cfg = teacher(name)
    reach, count = cfg.data_preprocessor.voxel_layer.point_cloud_range, 10 * whole + more
    reach[3] = count * cell
    nearest = round(count / whole) * whole
    with pytest.raises(
        UsageError,
        match=f'a map of {count} cells along x, .*multiple of {whole}, the nearest is {nearest} '
        rf'\(a range from 0 to {nearest * cell:g} m\)',
    ):
        check_geometry(cfg)


def test_levels_of_different_cells_are_refused():
    cfg = changed('pointpillars', 'neck.upsample_strides', [1, 2, 2])
    with pytest.raises(UsageError, match='end in cells of 2, 2, 4 voxels'):
        check_geometry(cfg)


@pytest.mark.parametrize('name, stride', [('pointpillars', 2), ('second', 8),
                                          ('pointpillars-nus', 2), ('centerpoint-pillar', 4),
                                          ('centerpoint-voxel', 8)])  # fmt: skip
def test_the_stride_is_that_of_the_map(name, stride):
    assert output_stride(teacher(name)) == stride


def test_compressed_detectors_and_distillers_are_checked_while_built():
    cfg = changed('pointpillars', 'voxel_encoder.voxel_size', [0.32, 0.32, 4])
    wrapped = ConfigDict(type='CompressedDetector', detector=cfg, compression=4)
    with pytest.raises(UsageError, match='^detector.voxel_encoder.voxel_size is'):
        build(wrapped)
    good = teacher('pointpillars')
    for student, other, role in ((cfg, good, 'student'), (good, cfg, 'teacher')):
        distiller = ConfigDict(
            type='DistillDetector', student=student,
            teacher=dict(config=other, checkpoint='unused.pth'), terms={},
            teacher_boxes=dict(score_thr=0.5))  # fmt: skip
        with pytest.raises(UsageError, match=f'^{role}.voxel_encoder.voxel_size is'):
            build(distiller)

"""Pillars in numpy are those of mmdet3d's and this project's layers, to the bit."""

import numpy as np
import pytest
import torch
from mmdet3d.models.data_preprocessors.voxelize import VoxelizationByGridShape
from toy_export import toy

from projects.SRKD.export.exportable import graph_of
from projects.SRKD.export.onnx_student import hard_pillars, point_pillars

REACH, SIZE = [0, -5.12, -3, 10.24, 5.12, 1], [0.32, 0.32, 4]


def cloud(size, seed=0):
    """Points in and around the range, many on its border and on borders of pillars."""
    rng = np.random.default_rng(seed)
    points = rng.uniform((-2, -8, -4, 0), (13, 8, 2, 1), (size, 4)).astype(np.float32)
    points[: size // 4, :2] = np.round(points[: size // 4, :2] / 0.32) * np.float32(0.32)
    points[size // 4 : size // 2, :3] = REACH[:3] if size % 2 else REACH[3:]
    return points


@pytest.mark.parametrize('size', [1, 2, 37, 3000])
@pytest.mark.parametrize('limits', [(8, 4000), (1, 4000), (8, 100), (2, 3)])
def test_hard_pillars_are_those_of_mmdet3d(size, limits):
    points = cloud(size)
    layer = VoxelizationByGridShape(REACH, limits[0], SIZE, max_voxels=limits[1]).eval()
    pillars, cells, counts = layer(torch.from_numpy(points))
    found = hard_pillars(points, SIZE, REACH, *limits)
    assert np.array_equal(found['pillars'], pillars.numpy())
    assert np.array_equal(found['cells'], cells.numpy())
    assert np.array_equal(found['counts'], counts.numpy())
    assert found['cells'].dtype == found['counts'].dtype == np.int32


def test_points_that_are_no_numbers_lie_in_no_pillar():
    points = cloud(100)
    points[::3, 0] = np.nan
    points[1::3, 1] = np.inf
    found = hard_pillars(points, SIZE, REACH, 8, 400)
    wanted = hard_pillars(points[2::3], SIZE, REACH, 8, 400)
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    nothing = hard_pillars(np.full((3, 4), np.nan, np.float32), SIZE, REACH, 8, 400)
    assert nothing['pillars'].shape == (0, 8, 4) and nothing['cells'].shape == (0, 3)


@pytest.mark.parametrize('size', [1, 2, 41, 2000])
def test_rows_and_pillars_are_those_of_the_segmentor(size):
    one = toy('segmentor')
    graph = graph_of(one.network)
    batch = one.scan(size)
    batch['inputs']['points'][0][:, 0] -= 0.7  # beside the map, too
    points = batch['inputs']['points'][0].numpy().copy()
    data = one.network.data_preprocessor(batch, False)
    wanted = graph.inputs(data['inputs']['voxels'])
    found, answer = point_pillars(points, (0.1, 0.1, 0.1), (0.0, 0.0), 0.1)
    assert list(found) == list(graph.sizes)
    for own, theirs in zip(found.values(), wanted, strict=True):
        assert np.array_equal(own, theirs.numpy()) and own.dtype == theirs.numpy().dtype
    assert np.array_equal(answer, data['data_samples'][0].point2voxel_map.numpy())


@pytest.mark.parametrize('bad', [np.zeros((0, 4)), [[np.nan, 0, 0, 0]], [[1e9, 0, 0, 0]]])
def test_scans_without_a_place_are_refused(bad):
    points = np.asarray(bad, np.float32)
    with pytest.raises(ValueError, match=f'at least one, finite .*, but got {len(points)}: leave'):
        point_pillars(points, (0.1, 0.1, 0.1), (0.0, 0.0), 0.1)

import numpy as np
import pytest
import torch
from mmdet3d.models.data_preprocessors import Det3DDataPreprocessor
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from toy import batch

from projects.SRKD.models.data_preprocessor import grid_sample


def build(**kwargs):
    return MODELS.build(dict(type='VoxelSegDataPreprocessor', **kwargs))


@pytest.mark.parametrize('size', [1, 2, 700])
def test_voxels_are_those_of_mmdet3d_in_the_same_order(size):
    coord = torch.randint(0, 9, (size, 3), generator=torch.Generator().manual_seed(size)).int()
    coord -= coord.amin(0)
    ours = grid_sample(coord)
    theirs = Det3DDataPreprocessor().sparse_quantize(
        coord.numpy(), return_index=True, return_inverse=True
    )
    for got, expected in zip(ours, theirs):
        np.testing.assert_array_equal(got.numpy(), expected)


def test_every_raw_point_points_at_the_voxel_it_lies_in(device):
    data = build(voxel_size=0.2).to(device)(batch(), False)
    coors, start = data['inputs']['voxels']['coors'], 0
    for i, (cloud, sample) in enumerate(zip(data['inputs']['points'], data['data_samples'])):
        assert cloud.device.type == coors.device.type == torch.device(device).type
        grid = torch.round(cloud[:, :3] / 0.2).int()
        grid -= grid.amin(0)
        rows = coors[start + sample.point2voxel_map]
        assert torch.equal(rows[:, 1:], grid)
        assert (rows[:, 0] == i).all()
        start += len(sample.batch_idx)
    assert start == len(coors)


def test_a_voxel_has_the_feature_and_label_of_its_first_point():
    data = build(voxel_size=0.4)(batch((200,)), False)
    cloud, sample = data['inputs']['points'][0], data['data_samples'][0]
    for row, voxel in enumerate(data['inputs']['voxels']['voxels']):
        first = int((sample.point2voxel_map == row).nonzero()[0])
        assert torch.equal(voxel, cloud[first])
        label = sample.gt_pts_seg.voxel_semantic_mask[row]
        assert label == sample.gt_pts_seg.pts_semantic_mask[first]


def test_the_cap_drops_voxels_in_training_alone_and_dropped_points_map_to_none():
    capped = build(voxel_size=0.1, max_voxels=50)
    evaluated = capped.eval()(batch(), False)
    assert len(evaluated['inputs']['voxels']['coors']) > 100
    assert all((s.point2voxel_map >= 0).all() for s in evaluated['data_samples'])

    data = capped.train()(batch(), True)
    assert len(data['inputs']['voxels']['coors']) == 100
    for i, (cloud, sample) in enumerate(zip(data['inputs']['points'], data['data_samples'])):
        kept = sample.point2voxel_map >= 0
        assert 0 < kept.sum() < len(cloud)
        assert sample.point2voxel_map.max() == 49
        grid = torch.round(cloud[:, :3] / 0.1).int()
        grid -= grid.amin(0)
        coors = data['inputs']['voxels']['coors'][50 * i : 50 * (i + 1), 1:]
        assert torch.equal(coors[sample.point2voxel_map[kept]], grid[kept])
        assert len(sample.gt_pts_seg.voxel_semantic_mask) == 50


def test_identity_columns_are_taken_off_and_kept():
    data = batch((30, 20))
    identity = [torch.stack([torch.arange(n), torch.full((n,), 7 + n)], 1) for n in (30, 20)]
    bare = [cloud.clone() for cloud in data['inputs']['points']]
    data['inputs']['points'] = [torch.cat(pair, 1) for pair in zip(bare, identity)]
    out = build(voxel_size=0.2, identity_columns=True)(data, True)
    for cloud, expected, sample, ids in zip(
        out['inputs']['points'], bare, out['data_samples'], identity
    ):
        assert torch.equal(cloud, expected)
        assert torch.equal(sample.point_identity, ids)
    assert out['inputs']['voxels']['voxels'].shape[1] == 6


def test_an_empty_cloud_is_refused_with_its_path():
    data = dict(
        inputs=dict(points=[torch.zeros(0, 6)]),
        data_samples=[Det3DDataSample(metainfo=dict(lidar_path='points/scene0042_00.bin'))],
    )
    with pytest.raises(ValueError, match=r'sample 0 .*scene0042_00.bin.* has no points'):
        build(voxel_size=0.1)(data, False)


@pytest.mark.parametrize('far', [2e6, -1e9, 1e30, float('nan'), float('inf')])
def test_a_point_where_float32_cannot_tell_voxels_apart_is_refused_with_its_path(far):
    cloud = torch.rand(9, 6)
    cloud[4, 1] = far
    data = dict(
        inputs=dict(points=[torch.rand(9, 6), cloud]),
        data_samples=[
            Det3DDataSample(metainfo=dict(lidar_path=f'points/{i}.bin')) for i in range(2)
        ],
    )
    with pytest.raises(ValueError, match=r'sample 1 .*points/1\.bin.* tells voxels of .* apart'):
        build(voxel_size=0.1)(data, False)


def test_points_far_out_on_every_axis_get_voxels_of_their_own():
    far = [2**20, 2**22 - 1, 2**22 - 1]  # a number of 64 bits per cell wraps to 0 at the first
    coord = torch.cat([torch.zeros(1, 3), torch.tensor(far).diag()]).int()
    first, voxel = grid_sample(coord)
    assert torch.equal(first[voxel], torch.arange(4))


@pytest.mark.parametrize('size', [0, -1, (0.1, 0.1), (0.1, 0.1, 0.0)])
def test_a_voxel_size_that_is_no_length_is_refused(size):
    with pytest.raises(ValueError, match='positive lengths'):
        build(voxel_size=size)


def test_mmdet3ds_own_preprocessor_works_where_the_points_are(device):
    layer = dict(
        max_num_points=-1, point_cloud_range=[-50, -50, -5, 50, 50, 5], voxel_size=[0.2] * 3,
        max_voxels=(-1, -1),
    )  # fmt: skip
    theirs = MODELS.build(
        dict(type='Det3DDataPreprocessor', voxel=True, voxel_type='minkunet', voxel_layer=layer)
    )
    found, expected = (each.to(device)(batch(), False) for each in (theirs, build(voxel_size=0.2)))
    for key in ('voxels', 'coors'):
        assert torch.equal(found['inputs']['voxels'][key], expected['inputs']['voxels'][key])
    for own, other in zip(found['data_samples'], expected['data_samples']):
        assert torch.equal(own.point2voxel_map, other.point2voxel_map)
        assert torch.equal(own.gt_pts_seg.voxel_semantic_mask, other.gt_pts_seg.voxel_semantic_mask)

"""Normals turn with their points, whatever moves them."""

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmdet3d.structures.points import DepthPoints, LiDARPoints
from mmengine.config import Config

from projects.MiniScenes.rooms import write_scannet
from projects.SRKD.base import UsageError
from projects.SRKD.base.shipped import configs
from projects.SRKD.datasets.normals import AddNormals, estimated_normals


def scan(tmp_path, count=40, normals=None):
    """A scan of ScanNet's layout; its normals, where given, lie in a file."""
    generator = np.random.default_rng(0)
    (tmp_path / 'points').mkdir(exist_ok=True)
    if normals is not None:
        (tmp_path / 'normals').mkdir(exist_ok=True)
        np.asarray(normals, np.float32).tofile(tmp_path / 'normals/a.bin')
    tensor = torch.from_numpy(generator.random((count, 6)).astype(np.float32))
    points = DepthPoints(tensor, 6, dict(color=[3, 4, 5]))
    return dict(points=points, lidar_points=dict(lidar_path=str(tmp_path / 'points/a.bin')))


def unit(count):
    values = np.random.default_rng(1).normal(size=(count, 3))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_a_file_s_normals_are_appended(tmp_path):
    normals = unit(40)
    points = AddNormals()(scan(tmp_path, normals=normals))['points']
    assert points.tensor.shape == (40, 9) and points.attribute_dims['color'] == [3, 4, 5]
    np.testing.assert_allclose(points.tensor[:, 6:], normals.astype(np.float32))


STEPS = [
    dict(type='RandomFlip3D', sync_2d=False, flip_ratio_bev_horizontal=1.0,
         flip_ratio_bev_vertical=0.0),
    dict(type='RandomFlip3D', sync_2d=False, flip_ratio_bev_horizontal=0.0,
         flip_ratio_bev_vertical=1.0),
    dict(type='GlobalRotScaleTrans', rot_range=[0.3, 2.0], scale_ratio_range=[1, 1],
         translation_std=[0, 0, 0]),
    dict(type='RandomTilt', angle=0.5, p=1.0),
]  # fmt: skip


@pytest.mark.parametrize('step', STEPS)
def test_normals_move_as_the_tips_of_arrows(tmp_path, step):
    found = AddNormals()(scan(tmp_path, normals=unit(40)))
    tips = found['points'].clone()  # the points that the arrows end in
    tips.tensor[:, :3] += tips.tensor[:, 6:]
    moving = TRANSFORMS.build(step)
    state = np.random.get_state()
    moved = moving(found)['points'].tensor
    np.random.set_state(state)
    ends = moving(dict(found, points=tips))['points'].tensor
    torch.testing.assert_close(ends[:, :3] - moved[:, :3], moved[:, 6:], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    'step', [dict(type='CenterShift'), dict(type='RandomPointDropout', ratio=0.5, p=1.0)]
)
def test_steps_that_choose_or_shift_points_keep_their_normals(tmp_path, step):
    found = AddNormals()(scan(tmp_path, normals=unit(40)))
    color = {tuple(row[3:6].tolist()): row[6:] for row in found['points'].tensor}
    points = TRANSFORMS.build(step)(found)['points']
    assert len(points) and type(points).__name__ == 'PointsWithNormals'
    for row in points.tensor:
        assert torch.equal(color[tuple(row[3:6].tolist())], row[6:])


def test_two_mixed_scans_keep_their_normals(tmp_path):
    first = AddNormals()(scan(tmp_path, normals=unit(40)))['points']
    both = first.cat([first, first])
    both.flip()
    assert torch.equal(both.tensor[:40, 6:], first.tensor[:, 6:] * torch.tensor([-1.0, 1, 1]))


def test_normals_of_planes_and_balls_are_found():
    generator = np.random.default_rng(0)
    xyz = generator.random((500, 3))
    xyz[:250, 2], xyz[250:, 0] = 0, 0  # a floor and a wall
    near = np.sort(np.abs(xyz), 1)[:, 1] > 0.3  # away from their edge
    found = np.abs(estimated_normals(xyz))[near]
    floor = (xyz[near, 2] == 0)[:, None]
    np.testing.assert_allclose(found, np.where(floor, [0, 0, 1], [1, 0, 0]), atol=1e-6)
    ball = unit(2000)
    inward = (estimated_normals(ball) * -ball).sum(1)
    assert inward.min() > 0.95  # toward the middle


@pytest.mark.parametrize(('count', 'size'), [(0, 0), (1, 1), (2, 2), (3, 3)])
def test_few_points_have_normals_of_unit_length(count, size):
    found = estimated_normals(np.random.default_rng(0).random((count, 3)))
    assert found.shape == (size, 3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.ones(size), atol=1e-6)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_the_shipped_pipelines_keep_unit_normals(tmp_path, split):
    root = write_scannet(tmp_path / 'rooms', 2, 1, seed=0, points=500)
    cfg = Config.fromfile(configs('_base_/datasets/scannet-seg-normals.py'))
    dataset = cfg[f'{split}_dataloader'].dataset
    dataset.data_root = f'{root}/'
    points = DATASETS.build(dataset)[0]['inputs']['points']
    assert points.shape[1] == 9 and points[:, 3:6].min() >= 0 and points[:, 3:6].max() <= 1
    torch.testing.assert_close(points[:, 6:].norm(dim=1), torch.ones(len(points)))


def test_wrong_files_and_points_are_refused(tmp_path):
    with pytest.raises(UsageError, match='must hold 40 x 3 float32 values, 480 bytes, .* got 468'):
        AddNormals()(scan(tmp_path, normals=unit(39)))
    with pytest.raises(UsageError, match='vectors of length 1 .* got lengths from 2 to 2'):
        AddNormals()(scan(tmp_path, normals=2 * unit(40)))
    wrong = dict(scan(tmp_path), points=LiDARPoints(torch.rand(5, 4), 4))
    with pytest.raises(UsageError, match="coord_type='DEPTH', but got LiDARPoints"):
        AddNormals()(wrong)

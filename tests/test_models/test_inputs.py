"""Each network takes its own columns of one cloud."""

import pytest
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample

from projects.SRKD.base import UsageError
from projects.SRKD.models.inputs import is_choosing, width_of

COLUMNS = ['xyz', 'color', 'normal']


def build(**kwargs):
    return MODELS.build(
        dict(type='ChosenInputsPreprocessor', voxel_size=0.5) | dict(columns=COLUMNS) | kwargs
    )


def voxelized(cloud, **kwargs):
    return build(**kwargs).voxelize([cloud], [Det3DDataSample()])


@pytest.mark.parametrize('points', [1, 2, 57])
@pytest.mark.parametrize(
    'inputs', [['signed_color', 'normal'], ['xyz', 'color'], ['normal', 'xyz', 'signed_color']]
)
def test_columns_are_chosen_voxel_by_voxel(points, inputs):
    cloud = torch.rand(points, 9) * torch.tensor([4.0] * 3 + [1.0] * 6)
    whole = MODELS.build(dict(type='VoxelSegDataPreprocessor', voxel_size=0.5))
    plain = whole.voxelize([cloud], [Det3DDataSample()])
    found = voxelized(cloud, inputs=inputs)
    assert torch.equal(found['coors'], plain['coors'])
    assert found['voxels'].shape[1] == width_of(inputs)
    for row, own in zip(plain['voxels'].tolist(), found['voxels']):
        parts = dict(xyz=row[:3], color=row[3:6], normal=row[6:])
        parts['signed_color'] = [2 * value - 1 for value in parts['color']]
        wanted = [value for name in inputs for value in parts[name]]
        torch.testing.assert_close(own, torch.tensor(wanted))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(inputs=['rgb']), 'inputs of ChosenInputsPreprocessor must be one of'),
        (dict(inputs=['intensity']), 'made of the columns xyz, color, normal, but got intensity'),
        (dict(inputs=['color'], columns=['color']), 'must begin with xyz'),
    ],
)
def test_impossible_choices_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        build(**change)


def test_points_of_another_width_are_refused():
    with pytest.raises(UsageError, match='the 9 columns xyz, color, normal, but got 6'):
        voxelized(torch.rand(4, 6), inputs=['xyz'])


def test_configs_of_the_choosing_kind_are_known():
    assert is_choosing(dict(type='ChosenInputsPreprocessor'))
    assert not is_choosing(dict(type='VoxelSegDataPreprocessor')) and not is_choosing({})

"""A network is not fed other columns or voxels than it was trained on."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from projects.SRKD.base import UsageError
from projects.SRKD.base.shipped import configs
from projects.SRKD.compat.weight_files import write_weights
from projects.SRKD.preflight.inputs import check_inputs_of_run, columns_of_pipeline


def data(name):
    return Config.fromfile(configs(f'_base_/datasets/{name}.py'))


@pytest.mark.parametrize(
    ('name', 'columns'),
    [
        ('scannet-seg', ('xyz', 'color')),
        ('scannet-seg-normals', ('xyz', 'color', 'normal')),
        ('scannet200-seg-normals', ('xyz', 'color', 'normal')),
        ('nuscenes-lidarseg', ('xyz', 'intensity')),
        ('semantickitti', ('xyz', 'intensity')),
    ],
)
@pytest.mark.parametrize('split', ['train', 'val'])
def test_columns_of_the_shipped_pipelines_are_known(name, columns, split):
    dataset = data(name)[f'{split}_dataloader'].dataset
    assert columns_of_pipeline(dataset.get('dataset', dataset)) == columns


@pytest.mark.parametrize(
    ('name', 'drop', 'columns'),
    [
        ('nuscenes-lidarseg', 'DivideIntensity', ('xyz', 'intensity up to 255')),
        ('scannet-seg', 'NormalizePointsColor', ('xyz', 'color up to 255')),
        ('scannet-seg', 'LoadPointsFromFile', None),
    ],
)
def test_scales_are_told_apart(name, drop, columns):
    dataset = data(name).val_dataloader.dataset
    dataset.pipeline = [step for step in dataset.pipeline if step.type != drop]
    assert columns_of_pipeline(dataset) == columns


def runner(tmp_path, name, meta, **preprocessor):
    """A runner that starts from a file which says what it was fed."""
    write_weights(tmp_path / 'a.safetensors', {'a': torch.ones(1)}, meta)
    voxels = dict(type='VoxelSegDataPreprocessor', voxel_size=0.02) | preprocessor
    cfg = data(name)
    cfg.model = dict(type='MinkUNet', data_preprocessor=voxels)
    cfg.load_from = str(tmp_path / 'a.safetensors')
    return SimpleNamespace(cfg=cfg, model=torch.nn.Identity())


CHOSEN = dict(
    type='ChosenInputsPreprocessor', columns=['xyz', 'color', 'normal'],
    inputs=['signed_color', 'normal'],
)  # fmt: skip
PUBLISHED = dict(inputs=['signed_color', 'normal'], voxel_size=0.02)
REFUSED = [
    ('scannet-seg', PUBLISHED, {},
     'trained on the inputs signed_color, normal, but the pipeline of train_dataloader gives xyz, '
     'color: take the config'),
    ('scannet-seg-normals', PUBLISHED, CHOSEN | dict(inputs=['color', 'normal']),
     'signed_color, normal, but data_preprocessor.inputs gives color, normal'),
    ('scannet-seg', PUBLISHED, CHOSEN,
     'train_dataloader gives the columns xyz, color, but data_preprocessor.columns are xyz, color, '
     'normal'),
    ('scannet-seg-normals', PUBLISHED, CHOSEN | dict(voxel_size=0.05),
     'trained on voxels of 0.02 m, but data_preprocessor.voxel_size is 0.05'),
]  # fmt: skip


@pytest.mark.parametrize(('name', 'meta', 'preprocessor', 'message'), REFUSED)
def test_other_inputs_and_voxels_are_refused(tmp_path, name, meta, preprocessor, message):
    with pytest.raises(UsageError, match=f'load_from .*a.safetensors was .*{message}|{message}'):
        check_inputs_of_run(runner(tmp_path, name, meta, **preprocessor))


@pytest.mark.parametrize(
    ('name', 'meta', 'preprocessor'),
    [
        ('scannet-seg-normals', PUBLISHED, CHOSEN),
        ('scannet-seg', {}, {}),  # a file of before: it says nothing
        ('nuscenes-lidarseg', dict(inputs=['xyz', 'intensity']), {}),
    ],
)
def test_what_it_was_trained_on_passes(tmp_path, name, meta, preprocessor):
    check_inputs_of_run(runner(tmp_path, name, meta, **preprocessor))

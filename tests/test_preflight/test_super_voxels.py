"""LiDAR scans that would be cut into cubes without anybody's wish are told."""

from pathlib import Path

import pytest
from mmengine.config import Config

from projects.SRKD.losses import PointAffinityLoss
from projects.SRKD.preflight import CONFIG_CHECKS, super_voxels
from projects.SRKD.preflight.super_voxels import tell_default_cubes

MINI = Path(__file__).parents[2] / 'configs/mini'
STREETS = 'srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-semantickitti-frames.py'
ROOMS = 'srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
CYLINDERS = dict(type='CylinderPartition')


@pytest.fixture
def told(monkeypatch):
    """What is said of a config; mmengine's logger would drop what it said before."""

    def told(name, edit=None, splits=('train', 'val')):
        lines = []
        monkeypatch.setattr(super_voxels, 'print_log', lambda line, **_: lines.append(line))
        cfg = Config.fromfile(MINI / name)
        if edit:
            edit(cfg.model)
        tell_default_cubes(cfg, splits)
        return '\n'.join(lines)

    return told


def without(model):
    del model['super_voxels']


def by_term(model):
    without(model)
    model.terms.affinity_point.loss.partition = CYLINDERS
    model.terms.affinity_voxel.super_voxels = dict(partition=CYLINDERS)


def other_terms(model):
    without(model)
    model.terms.affinity_point = model.terms.affinity_voxel = None


def test_cubes_that_nobody_chose_are_told_for_a_lidar(told):
    said = told(STREETS, without)
    assert '\n' not in said and 'model.super_voxels is not set' in said
    assert 'affinity_point and affinity_voxel compare inside of cubes of 1 m' in said
    assert PointAffinityLoss().sampler.partition.size == (1.0,) * 3
    assert 'cubes of 1 m' in told(STREETS, lambda model: model.super_voxels.pop('partition'))


@pytest.mark.parametrize(('name', 'edit', 'splits'), [
    (STREETS, None, ('train',)), (STREETS, by_term, ('train',)), (STREETS, other_terms, ('train',)),
    (ROOMS, without, ('train',)), (STREETS, without, ('test',)),
])  # fmt: skip
def test_what_was_chosen_or_is_a_room_or_a_test_is_passed_over(told, name, edit, splits):
    assert not told(name, edit, splits)


def test_every_config_is_asked():
    assert tell_default_cubes in CONFIG_CHECKS

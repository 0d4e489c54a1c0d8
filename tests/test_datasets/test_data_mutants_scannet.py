"""ScanNet's layout damaged in one place: refused by name, or read as if it were whole."""

import numpy as np
import pytest
from data_mutants import (
    REFUSED,
    SAME,
    Mutant,
    Root,
    config,
    entry_set,
    info_mutants,
    mask_mutants,
    merged,
    parametrized,
    points_mutants,
)
from mmengine.registry import DefaultScope
from toy import write_scannet

SCAN, INFOS = 'scene0000_01.bin', 'scannet_infos_train.pkl'
MASKS = (..., None, 3, [], '', 'gone.bin', '.')
MUTANTS = merged(
    points_mutants(f'points/{SCAN}', 6, masked=True, largest=255, colors=True),
    mask_mutants(f'semantic_mask/{SCAN}', np.int64, [41, 42, -1, 255, 10**12]),
    info_mutants(INFOS),
    {f'infos: mask {"gone" if value is ... else repr(value)}':
     Mutant(INFOS, entry_set('pts_semantic_mask_path', value)) for value in MASKS},
    {f'infos: {key} {value}': Mutant(INFOS, entry_set(key, value), expected)
     for key, value, expected in (
         ('pts_instance_mask_path', 'gone.bin', SAME), ('instances', None, SAME),
         ('pts_instance_mask_path', ..., SAME), ('pts_semantic_mask_path', 'a/b', REFUSED))},
)  # fmt: skip


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    path = write_scannet(tmp_path_factory.mktemp('scannet') / 'root', train=3, val=0, points=64)
    for file in (path / 'points').iterdir():
        points = np.fromfile(file, np.float32).reshape(-1, 6) * np.float32([4, 4, 4, 1, 1, 1])
        points[5, 3] = 0
        points.tofile(file)
    cfg = config('scannet-seg.py')
    pack = dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask'])
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        return Root(path, dict(cfg.dataset, data_root=str(path), ann_file=INFOS,
                               pipeline=[*cfg.load, pack], test_mode=False))  # fmt: skip


@parametrized(MUTANTS)
def test_a_damaged_root_is_refused_by_name_or_read_as_its_twin(root, mutant):
    root.judge(mutant)

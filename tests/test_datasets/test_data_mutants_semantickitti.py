"""SemanticKITTI's layout damaged in one place: refused by name, or read as if it were whole."""

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
    rewritten,
)
from mmengine.registry import DefaultScope

from projects.MiniScenes.streets import write_semantickitti

SCAN, MASK = 'sequences/01/velodyne/000000.bin', 'sequences/01/labels/000000.label'
INFOS = 'semantickitti_infos_train.pkl'
MASKS = (..., None, 3, [], '', 'gone.label', '.')
MUTANTS = merged(
    points_mutants(SCAN, 4, masked=True, largest=1),
    mask_mutants(MASK, np.int32, [12, 2, 100, 260, 65535, -1]),
    info_mutants(INFOS),
    {'mask: with numbers of instances': Mutant(
        MASK, rewritten(np.int32, lambda a: a % 2**16 + (7 << 16)), SAME),
     'mask: instances of every point lost': Mutant(
         MASK, rewritten(np.int32, lambda a: a % 2**16), SAME)},
    {f'infos: mask {"gone" if value is ... else repr(value)}':
     Mutant(INFOS, entry_set('pts_semantic_mask_path', value)) for value in MASKS},
    {'infos: masks in a folder that is not there': Mutant(
        INFOS, entry_set('pts_semantic_mask_path', 'a/b.label'), REFUSED)},
)  # fmt: skip


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    path = write_semantickitti(tmp_path_factory.mktemp('streets') / 'root', sequences=2,
                               val_sequences=1, scans=1, azimuth_steps=36)  # fmt: skip
    cfg = config('semantickitti.py')
    pack = dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask'])
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        return Root(path, dict(cfg.dataset, data_root=str(path), ann_file=INFOS,
                               pipeline=[*cfg.load, pack], test_mode=False))  # fmt: skip


@parametrized(MUTANTS)
def test_a_damaged_root_is_refused_by_name_or_read_as_its_twin(root, mutant):
    root.judge(mutant)

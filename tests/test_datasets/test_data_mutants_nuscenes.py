"""nuScenes' layout damaged in one place: refused by name, or read as if it were whole."""

import numpy as np
import pytest
from data_mutants import (
    REFUSED,
    SAME,
    UNSEEN,
    Mutant,
    Root,
    box_mutants,
    config,
    content_changed,
    entry_set,
    info_mutants,
    merged,
    parametrized,
    points_mutants,
)
from mmengine.registry import DefaultScope

from projects.MiniScenes.streets import write_nuscenes_detection

SCAN = 'samples/LIDAR_TOP/mini-scene-0061__LIDAR_TOP__1530620000500000.pcd.bin'
INFOS = 'nuscenes_infos_train.pkl'
BOX = [-8.2, -50.7, -1.5, 2.1, 0.6, 1.1, 1.576]
SWEEPS = {
    'timestamp': (..., None, 'x', np.nan, 1e30, 1530620000500000),
    'lidar_sweeps': (None, 3, 'x', [None], [3], [{}]),
    'lidar_sweeps.0': (None, 3, []),
    'lidar_sweeps.0.lidar_points': (..., None, 3, {}),
    'lidar_sweeps.0.lidar_points.lidar_path': (..., None, 3, '', 'gone.bin', '.'),
    'lidar_sweeps.0.lidar_points.lidar2sensor': (
        ..., None, [], 'x', [[1, 0], [0, 1]], (np.eye(4) * np.nan).tolist(),
        np.zeros((4, 4)).tolist(), (np.eye(4) * 1000).tolist()),
    'lidar_sweeps.0.timestamp': (..., None, 'x', np.nan, 1e30, -5.0, 1530620000000000),
    'instances.0.velocity': ('x', [], [1], [np.inf, 0], [0, 1e9]),
}  # fmt: skip
MUTANTS = merged(
    points_mutants(SCAN, 5, masked=False, largest=255),
    info_mutants(INFOS, columns_told=REFUSED),  # a key that NuScenesDataset reads
    box_mutants(INFOS, BOX, (3, 4, 5)),
    {f'infos: {key} {"gone" if value is ... else repr(value)}':
     Mutant(INFOS, entry_set(key, value)) for key, values in SWEEPS.items() for value in values},
    {'infos: an object lost': Mutant(
        INFOS, content_changed(lambda c: c['data_list'][1]['instances'].pop() and None), UNSEEN,
        'how many objects a frame has stands nowhere else'),
     'infos: no speed known': Mutant(
        INFOS, entry_set('instances.0.velocity', [np.nan, np.nan]), SAME)},
)  # fmt: skip


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    path = write_nuscenes_detection(tmp_path_factory.mktemp('nuscenes') / 'root', 1, 1, 2,
                                    azimuth_steps=60)  # fmt: skip
    cfg = config('mini-nuscenes-3d.py')
    dataset = cfg.train_dataloader.dataset
    cfg.train_pipeline[1].sweeps_num = 1
    pack = cfg.train_pipeline[-1]
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        return Root(path, dict(dataset, data_root=f'{path}/',
                               pipeline=[*cfg.train_pipeline[:3], pack]))  # fmt: skip


@parametrized(MUTANTS)
def test_a_damaged_root_is_refused_by_name_or_read_as_its_twin(root, mutant):
    root.judge(mutant)

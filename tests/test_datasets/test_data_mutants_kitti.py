"""KITTI's layout damaged in one place: refused by name, or read as if it were whole."""

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
    whole_files,
)
from mmengine.registry import DefaultScope
from toy_kitti import small_streets

SCAN, INFOS = 'training/velodyne_reduced/000001.bin', 'kitti_infos_train.pkl'
OBJECTS, OBJECT = 'kitti_dbinfos_train.pkl', 'kitti_gt_database/1_Car_9.bin'
BOX = [3.85, 1.57, 14.66, 4.6, 1.58, 1.98, 1.57]
CAMERA = 'images.CAM2'
POINTS_OF_OBJECT = ('missing', 'a folder', 'empty', 'cut by 1 bytes', 'cut by 4 bytes',
                    '4 bytes more', 'NaN in column 0', 'inf in column 2', '1e+09 in column 1',
                    'feature -1', 'feature 2', 'features x 255', 'zeros', 'float64', 'big-endian',
                    'a column less', 'twice', 'a point less', 'millimeters')  # fmt: skip


def calibration() -> dict[str, Mutant]:
    """Camera and matrices of an entry."""
    broken = {
        'images': (..., None, 3, {}), CAMERA: (..., None, {}),
        f'{CAMERA}.lidar2cam': (..., None, [], 'x', [[1, 0], [0, 1]], np.zeros((4, 4)).tolist(),
                                (np.eye(4) * np.nan).tolist()),
    }  # fmt: skip
    return {f'infos: {key} {"gone" if value is ... else str(value)[:9]}':
            Mutant(INFOS, entry_set(key, value))
            for key, values in broken.items() for value in values}  # fmt: skip


def database() -> dict[str, Mutant]:
    """The list of objects to paste."""

    def entry(key, value):
        return content_changed(lambda c: c['Car'][1].__setitem__(key, value))

    def box(column, value):
        return content_changed(lambda c: c['Car'][1]['box3d_lidar'].__setitem__(column, value))

    table = {
        'half of it': lambda c: c[: len(c) // 2], 'zeros': lambda c: bytes(len(c)),
        'a list': content_changed(lambda c: c['Car']),
        'no classes': content_changed(lambda c: {}),
        'cars gone': content_changed(lambda c: c.pop('Car') and None),
        'cars empty': content_changed(lambda c: dict(c, Car=[])),
        'cars None': content_changed(lambda c: dict(c, Car=None)),
        'a car None': content_changed(lambda c: c['Car'].append(None)),
    } | {f'{key} {value}': entry(key, value) for key, value in (
        ('path', 'gone.bin'), ('path', None), ('path', 3), ('box3d_lidar', None),
        ('box3d_lidar', np.ones(3)), ('num_points_in_gt', 77), ('num_points_in_gt', None),
        ('difficulty', None), ('name', 'Tram'))
    } | {f'{key} gone': content_changed(lambda c, key=key: c['Car'][1].__delitem__(key))
         for key in ('path', 'box3d_lidar', 'num_points_in_gt', 'name')
    } | {f'box with {value} in column {column}': box(column, value)
         for column in (0, 3, 6) for value in (np.nan, np.inf)
    } | {f'a side of {value}': box(4, value) for value in (0, -1, 500)}  # fmt: skip
    mutants = {f'objects: {name}': Mutant(OBJECTS, damage) for name, damage in table.items()}
    vans = content_changed(lambda c: c.pop('Van') and None)
    return mutants | {'objects: vans gone': Mutant(OBJECTS, vans, SAME)}


MUTANTS = merged(
    points_mutants(SCAN, 4, masked=False, largest=1),
    info_mutants(INFOS, columns_told=REFUSED),  # a key that KittiDataset reads
    box_mutants(INFOS, BOX, (3, 4, 5)),
    calibration(),
    whole_files('objects', OBJECTS),
    database(),
    {f'an object: {name}': mutant for name, mutant in (
        (name, points_mutants(OBJECT, 4, masked=True, largest=1)[f'points: {name}'])
        for name in POINTS_OF_OBJECT)},
    {'infos: an object lost': Mutant(
        INFOS, content_changed(lambda c: c['data_list'][1]['instances'].pop() and None), UNSEEN,
        'how many objects a frame has stands nowhere else')},
)  # fmt: skip


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    path = small_streets(tmp_path_factory.mktemp('kitti') / 'root', 2, 1, azimuth_steps=180)
    cfg = config('mini-kitti-3d.py')
    load, annotations, sample, *_, pack = cfg.train_pipeline
    sample.db_sampler.update(
        data_root=f'{path}/', info_path=f'{path}/{OBJECTS}', sample_groups=dict(Car=20),
        prepare=dict(filter_by_difficulty=[-1], filter_by_min_points=dict(Car=3)))  # fmt: skip
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        return Root(path, dict(cfg.train_dataloader.dataset, data_root=f'{path}/',
                               pipeline=[load, annotations, sample, pack]))  # fmt: skip


@parametrized(MUTANTS)
def test_a_damaged_root_is_refused_by_name_or_read_as_its_twin(root, mutant):
    root.judge(mutant)

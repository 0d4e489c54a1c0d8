"""One list of classes in many places: each, changed alone, is named; all together are accepted."""

import copy
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmdet3d.registry import METRICS
from mmengine.config import Config

from projects.SRKD.base import UsageError
from projects.SRKD.engine import launch
from projects.SRKD.preflight.classes import (
    check_classes,
    check_classes_of_checkpoint,
    check_classes_of_run,
)

CONFIGS = Path(__file__).parents[2] / 'configs'
PILLARS = 'mini/pointpillars-mini_1xb4-20e_mini-kitti-3d.py'
TAUGHT = 'mini/pointdistiller_pointpillars-mini_pointpillars-mini-4x_1xb4-20e_mini-kitti-3d.py'
CENTERS = 'mini/centerpoint-mini_1xb4-20e_mini-nuscenes-3d.py'
ROOMS = 'mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
PEOPLE = ('Pedestrian', 'Cyclist', 'Car')
TURNED = ['Car', 'Cyclist', 'Pedestrian']


@cache
def read(path):
    return Config.fromfile(CONFIGS / path)


def at(cfg, key):
    *path, last = key.split('.')
    for part in path:
        cfg = cfg[int(part) if part.isdigit() else part]
    return cfg, int(last) if last.isdigit() else last


def changed(path, **changes):
    cfg = copy.deepcopy(read(path))
    for key, value in changes.items():
        place, last = at(cfg, key.replace('__', '.'))
        place[last] = value
    return cfg


TRAIN, VAL, TEST = (f'{split}_dataloader.dataset' for split in ('train', 'val', 'test'))
HEAD = 'model.bbox_head'
PLACES = [
    (PILLARS, f'{VAL}.metainfo.classes', TURNED,
     'val_dataloader is Car, Cyclist, Pedestrian, but .*train_dataloader is Pedestrian, Cyclist'),
    (PILLARS, f'{TEST}.metainfo.classes', ['Car'], 'test_dataloader is Car, but'),
    (PILLARS, f'{TRAIN}.metainfo.classes', [*PEOPLE, 'Car'], "names 'Car' twice"),
    (PILLARS, f'{VAL}.metainfo.classes', ['Car', 'Bike'],
     "val_dataloader has 'Bike', which the data set does not know; the nearest is '"),
    (PILLARS, f'{TRAIN}.pipeline.2.db_sampler.sample_groups', dict(Van=1, Truck=2),
     'sample_groups of ObjectSample.db_sampler in the pipeline of train_dataloader is Van, Truck'),
    (PILLARS, f'{HEAD}.num_classes', 2, 'num_classes is 2, but .*sizes has 3'),
    (PILLARS, f'{HEAD}.num_classes', 4, 'num_classes is 4, but .*sizes has 3'),
    (PILLARS, f'{HEAD}.anchor_generator.sizes', [[1, 1, 1]] * 2, 'is 3, but .*sizes has 2'),
    (PILLARS, 'model.train_cfg.assigner', [{}] * 2, 'is 3, but model.train_cfg.assigner has 2'),
    (TAUGHT, 'model.student.detector.bbox_head.num_classes', 2, 'num_classes is 2, but'),
    (CENTERS, 'model.pts_bbox_head.tasks.0.class_names', ['bus'],
     'tasks of pts_bbox_head.* is bus, truck, .* but metainfo.classes of train_dataloader is car'),
    (CENTERS, 'model.pts_bbox_head.tasks.1.class_names', ['construction_vehicle', 'truck'],
     'is car, construction_vehicle, truck, .* is car, truck, construction_vehicle'),
    (CENTERS, 'model.pts_bbox_head.tasks.1.num_class', 1, 'num_class=1 but names 2'),
    (CENTERS, 'model.pts_bbox_head.tasks.1.class_names', ['truck'], 'num_class=2 but names 1'),
    (CENTERS, f'{TRAIN}.pipeline.7.classes', ['Car', 'Van'],
     "ObjectNameFilter .* is Car, Van, .* the nearest to 'Car' is 'car'"),
    (ROOMS, 'model.decode_head.num_classes', 19, 'decode_head.num_classes is 19, but .* has 20'),
    (ROOMS, 'model.decode_head.num_classes', 21, 'decode_head.num_classes is 21, but .* has 20'),
    (ROOMS, 'model.decode_head.ignore_index', 19, 'decode_head.ignore_index is 19, but ignore_ind'),
]  # fmt: skip


@pytest.mark.parametrize('path, key, value, message', PLACES)
def test_a_place_that_disagrees_is_named_with_both_lists(path, key, value, message):
    cfg = copy.deepcopy(read(path))
    place, last = at(cfg, key)
    assert last in place if isinstance(place, dict) else place[last]  # no place of our own making
    place[last] = value
    with pytest.raises(UsageError, match=message):
        check_classes(cfg)


@pytest.mark.parametrize('count', [2, 4])
def test_a_head_of_another_number_of_classes_than_the_data_is_refused(count):
    cfg = changed(PILLARS, model__train_cfg__assigner=[{}] * count)
    cfg.model.bbox_head.update(num_classes=count)
    cfg.model.bbox_head.anchor_generator.sizes = [[1, 1, 1]] * count
    with pytest.raises(UsageError, match=f'bbox_head.num_classes is {count}, but .* has 3, Ped'):
        check_classes(cfg)


@pytest.mark.parametrize('wrap', [
    lambda data: dict(type='RepeatDataset', times=2, dataset=data),
    lambda data: dict(type='CBGSDataset', dataset=data),
    lambda data: dict(type='ConcatDataset', datasets=[data]),
    lambda data: dict(type='RepeatDataset', times=2,
                      dataset=dict(type='ConcatDataset', datasets=[data])),
])  # fmt: skip
def test_data_sets_inside_wrappers_are_compared(wrap):
    cfg = copy.deepcopy(read(PILLARS))
    cfg.train_dataloader.dataset = wrap(cfg.train_dataloader.dataset)
    check_classes(cfg)
    cfg.val_dataloader.dataset.metainfo.classes = TURNED
    with pytest.raises(UsageError, match='Car, Cyclist, Pedestrian, but .* Pedestrian, Cyclist, '):
        check_classes(cfg)


def test_parts_of_a_concatenation_number_one_list():
    cfg = copy.deepcopy(read(PILLARS))
    part = cfg.train_dataloader.dataset
    other = copy.deepcopy(part)
    other.metainfo.classes = TURNED
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[part, other])
    with pytest.raises(UsageError, match='train_dataloader is Car, .* train_dataloader is Pedest'):
        check_classes(cfg)


def test_classes_that_the_data_set_brings_along_count():
    cfg = copy.deepcopy(read(PILLARS))
    del cfg.val_dataloader.dataset.metainfo
    with pytest.raises(UsageError, match='val_dataloader is Pedestrian, Cyclist, Car, Van, Truck'):
        check_classes(cfg)


@pytest.mark.parametrize('path', [PILLARS, TAUGHT])
def test_the_same_change_in_all_places_is_accepted(path):
    cfg = copy.deepcopy(read(path))
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.metainfo.classes = TURNED
    check_classes(cfg)  # the sampler follows by name


def test_a_split_that_is_not_used_is_not_compared():
    cfg = changed(PILLARS, **{f'{TEST}.metainfo.classes'.replace('.', '__'): ['Car']})
    check_classes(cfg, ('train', 'val'))


# --- once things are built and loaded ------------------------------------------------------------


def runner_of(**splits):
    loops = {}
    for split, (names, box_dim) in splits.items():
        info = dict(ann_info=dict(gt_bboxes_3d=SimpleNamespace(box_dim=box_dim)))
        data = SimpleNamespace(
            metainfo=dict(classes=names), get_data_info=lambda index, info=info: info
        )
        loops[f'_{split}_loop'] = SimpleNamespace(dataloader=SimpleNamespace(dataset=data))
    return SimpleNamespace(model=None, cfg=Config(), **loops)


def test_data_sets_of_a_run_number_one_list():
    check_classes_of_run(runner_of(train=(PEOPLE, 7), val=(PEOPLE, 7)))
    with pytest.raises(UsageError, match='val_dataloader is Car, .* train_dataloader is Pedest'):
        check_classes_of_run(runner_of(train=(PEOPLE, 7), val=(TURNED, 7)))


@pytest.mark.parametrize('path, box_dim, message', [
    (CENTERS, 7, 'pts_bbox_head predicts boxes with velocities .* train_dataloader has boxes '
     'without velocities .7 numbers.: leave vel out of common_heads'),
    (PILLARS, 9, 'bbox_head predicts boxes without velocities .* has boxes with velocities'),
])  # fmt: skip
def test_boxes_with_and_without_velocities_are_told_apart(path, box_dim, message):
    runner = runner_of(train=(('a', 'b'), box_dim))
    runner.cfg = Config(dict(model=read(path).model))
    with pytest.raises(UsageError, match=message):
        check_classes_of_run(runner)
    right = runner_of(train=(('a', 'b'), 16 - box_dim))
    right.cfg = runner.cfg
    check_classes_of_run(right)


def test_a_head_without_velocities_is_not_scored_by_nuscenes():
    runner = runner_of(val=(('a', 'b'), 9))
    runner._val_loop.evaluator = SimpleNamespace(
        metrics=[METRICS.build(dict(type='NuScenesMetric', data_root='', ann_file=''))]
    )
    runner.cfg = Config(dict(model=copy.deepcopy(read(CENTERS).model)))
    check_classes_of_run(runner)
    del runner.cfg.model.pts_bbox_head.common_heads['vel']
    with pytest.raises(UsageError, match='without velocities .* NuScenesMetric of val_evaluator'):
        check_classes_of_run(runner)


@pytest.mark.parametrize('key', ['classes', 'CLASSES'])
@pytest.mark.parametrize('names', [TURNED, ['Car'], [*PEOPLE, 'Van']])
@pytest.mark.parametrize('split', ['train', 'test'])
def test_weights_trained_on_another_list_are_refused(split, names, key):
    runner = runner_of(**{split: (PEOPLE, 7)})
    stored = dict(meta=dict(dataset_meta={key: names}), state_dict={})
    with pytest.raises(
        UsageError, match=f'w.pth numbers the classes {names[0]}.*{split}_dataloader Pedestrian, C'
    ):
        check_classes_of_checkpoint(runner, stored, 'w.pth')
    stored['meta']['dataset_meta'][key] = list(PEOPLE)
    check_classes_of_checkpoint(runner, stored, 'w.pth')


@pytest.mark.parametrize('meta', [{}, dict(meta={}), dict(meta=dict(dataset_meta={}))])
def test_weights_without_names_are_taken_with_one_line(meta, monkeypatch):
    lines = []
    monkeypatch.setattr(
        'projects.SRKD.preflight.classes.print_log', lambda line, **where: lines.append(line)
    )
    runner = runner_of(train=(PEOPLE, 7), val=(PEOPLE, 7))
    check_classes_of_checkpoint(runner, dict(state_dict={}) | meta, 'w.pth')
    assert len(lines) == 1 and 'w.pth names no classes' in lines[0]
    other = dict(meta=dict(CLASSES=['Van']))
    check_classes_of_checkpoint(runner, other, 'w.pth', partial=True)  # to fine-tune another head
    assert lines[1:] == [
        'w.pth numbers the classes Van, the data set of train_dataloader Pedestrian, Cyclist, Car'
    ]


def test_a_run_asks_when_it_has_loaded_its_weights():
    runner = runner_of(test=(PEOPLE, 7))
    runner._load_from = 'w.pth'
    stored = dict(meta=dict(dataset_meta=dict(classes=TURNED)), state_dict={})
    with pytest.raises(UsageError, match='w.pth numbers the classes Car, Cyclist, Pedestrian'):
        launch._Preflight().after_load_checkpoint(runner, stored)

"""Ground-truth sampling: by the data set's numbers, and only of what the database has."""

import pickle

import numpy as np
import pytest
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmdet3d.structures import LiDARInstance3DBoxes
from mmdet3d.structures.points import LiDARPoints

from projects.SRKD.base import FileMissingError, UsageError

LENGTH = dict(Car=4.0, Pedestrian=0.8, Cyclist=1.8)


def database(root, objects, points=9, difficulty=0):
    """A database with so many objects of each class, far from one another."""
    entries, place = {}, 0
    for name, count in objects.items():
        entries[name] = []
        for number in range(count):
            file = f'{name}_{number}.bin'
            np.zeros((points, 4), np.float32).tofile(root / file)
            place += 6
            box = np.array([place, 0, -1, LENGTH[name], 0.6, 1.7, 0], np.float32)
            entries[name].append(dict(name=name, path=file, box3d_lidar=box, difficulty=difficulty,
                                      num_points_in_gt=points))  # fmt: skip
    (root / 'db.pkl').write_bytes(pickle.dumps(entries))
    return root / 'db.pkl'


def sampler(path, groups, classes=('Pedestrian', 'Cyclist', 'Car'), **changes):
    load = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=4, use_dim=4)
    return dict(
        data_root=str(path.parent), info_path=str(path), rate=1.0, classes=list(classes),
        prepare=dict(filter_by_difficulty=[-1], filter_by_min_points=dict.fromkeys(LENGTH, 5)),
        sample_groups=groups, points_loader=load) | changes  # fmt: skip


def dataset(path, root, classes, transforms):
    (root / 'infos.pkl').write_bytes(pickle.dumps(dict(metainfo=dict(categories={}), data_list=[])))
    return DATASETS.build(
        dict(
            type='KittiDataset', data_root=str(root), ann_file='infos.pkl', pipeline=transforms,
            metainfo=dict(classes=classes), lazy_init=True))  # fmt: skip


def pasted(data, count=20):
    """Length and label of objects pasted into an empty frame."""
    frame = dict(
        points=LiDARPoints(np.full((9, 4), -50.0), points_dim=4),
        gt_bboxes_3d=LiDARInstance3DBoxes(np.zeros((0, 7), np.float32)),
        gt_labels_3d=np.zeros(0, np.int64),
    )
    found = data.pipeline.transforms[0](frame)
    return {
        (round(float(length), 1), int(label))
        for length, label in zip(found['gt_bboxes_3d'].dims[:, 0], found['gt_labels_3d'])
    }


@pytest.mark.parametrize('classes', [
    ('Pedestrian', 'Cyclist', 'Car'), ('Car', 'Pedestrian'), ('Car', 'Cyclist', 'Pedestrian'),
    ('Van', 'Cyclist'), ('Truck', 'Van', 'Car', 'Pedestrian', 'Cyclist')])  # fmt: skip
def test_objects_are_numbered_by_the_data_set(tmp_path, classes):
    path = database(tmp_path, dict.fromkeys(LENGTH, 3))
    step = dict(type='ObjectSample', db_sampler=sampler(path, dict.fromkeys(LENGTH, 3)))
    found = pasted(dataset(path, tmp_path, classes, [step]))
    assert found == {(LENGTH[name], classes.index(name)) for name in LENGTH if name in classes}


def test_transforms_inside_others_follow_too(tmp_path):
    path = database(tmp_path, dict(Car=2))
    step = dict(type='ObjectSample', db_sampler=sampler(path, dict(Car=2)))
    apply = dict(type='RandomApply', transforms=[step], prob=1.0)
    data = dataset(path, tmp_path, ['Car', 'Van'], [apply])
    assert pasted(data) == {(4.0, 0)}


def test_a_sampler_without_a_class_of_the_data_set_is_refused(tmp_path):
    path = database(tmp_path, dict(Car=1))
    step = dict(type='ObjectSample', db_sampler=sampler(path, dict(Car=1)))
    with pytest.raises(UsageError, match='has Car, but the data set has the classes Van, Truck'):
        dataset(path, tmp_path, ['Van', 'Truck'], [step])


@pytest.mark.parametrize('classes, labels', [(['Car'], [2]), (['Car', 'Pedestrian'], [2, 0]),
                                             (['Van', 'Cyclist'], [1])])  # fmt: skip
def test_a_name_filter_keeps_what_it_names(tmp_path, classes, labels):
    step = dict(type='ObjectNameFilter', classes=classes)
    data = dataset(None, tmp_path, ['Pedestrian', 'Cyclist', 'Car'], [step])
    assert data.pipeline.transforms[0].labels == labels


@pytest.mark.parametrize('objects', [dict(Car=2), dict(Car=2, Cyclist=0)])
def test_a_class_without_objects_is_refused_before_the_first_frame(tmp_path, objects):
    path = database(tmp_path, objects)
    step = dict(type='ObjectSample', db_sampler=sampler(path, dict(Car=2, Cyclist=2)))
    with pytest.raises(UsageError, match="db.pkl has no object of class 'Cyclist'.* objects of: C"):
        dataset(path, tmp_path, ['Car', 'Cyclist'], [step])
    # not wanted by the data set, or not in any frame: nothing to refuse
    assert pasted(dataset(path, tmp_path, ['Car'], [step])) == {(4.0, 0)}
    step['db_sampler']['sample_groups'] = dict(Car=2, Cyclist=0)
    assert pasted(dataset(path, tmp_path, ['Car', 'Cyclist'], [step])) == {(4.0, 0)}


@pytest.mark.parametrize('case', [dict(points=4), dict(difficulty=-1)])
def test_a_class_of_which_the_filters_keep_nothing_is_refused(tmp_path, case):
    path = database(tmp_path, dict(Car=2), **case)
    step = dict(type='ObjectSample', db_sampler=sampler(path, dict(Car=2)))
    with pytest.raises(UsageError, match="no object of class 'Car' that prepare=.*objects of: no"):
        dataset(path, tmp_path, ['Car'], [step])


def test_a_sampler_that_no_data_set_owns_names_the_class_too(tmp_path):
    path = database(tmp_path, dict(Car=2))
    step = TRANSFORMS.build(dict(type='ObjectSample', db_sampler=sampler(path, dict(Cyclist=1))))
    with pytest.raises(UsageError, match="no object of class 'Cyclist'"):
        step.db_sampler.sample_all(np.zeros((0, 7)), np.zeros(0))


@pytest.mark.parametrize(
    'changes, error, message',
    [
        (dict(info_path='nowhere/db.pkl'), FileMissingError, 'info_path of db_sampler, nowhere/db'),
        (dict(classes=None), UsageError, 'db_sampler has no classes'),
        (dict(sample_groups=dict(Cra=1)), UsageError, "has 'Cra', .* the nearest is 'Car'"),
        (dict(prepare=dict(filter_by_points=1)), UsageError, "nearest is 'filter_by_min_points'"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(tmp_path, changes, error, message):
    config = sampler(database(tmp_path, dict(Car=2)), dict(Car=1)) | changes
    with pytest.raises(error, match=message):
        TRANSFORMS.build(dict(type='ObjectSample', db_sampler=config))


@pytest.mark.parametrize('plane', [None, [0, -1, 1.65], [0, -1, 0, float('nan')]])
def test_a_frame_without_its_ground_plane_is_named(tmp_path, plane):
    path = database(tmp_path, dict(Car=2))
    step = TRANSFORMS.build(
        dict(type='ObjectSample', use_ground_plane=True, db_sampler=sampler(path, dict(Car=1)))
    )
    with pytest.raises(UsageError, match='use_ground_plane=True, but the plane of 000007.bin is'):
        step(dict(plane=plane, lidar_path='000007.bin', gt_bboxes_3d=None, gt_labels_3d=None))

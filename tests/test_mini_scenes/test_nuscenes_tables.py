"""Procedural streets as nuScenes' data base, read by nuscenes-devkit."""

import json
from collections import Counter

import numpy as np
import pytest
from nuscenes import NuScenes
from nuscenes.eval.detection.config import config_factory
from nuscenes.eval.detection.utils import (
    category_to_detection_name,
    detection_name_to_rel_attributes,
)
from nuscenes.utils.data_classes import LidarPointCloud
from nuscenes.utils.geometry_utils import points_in_box
from nuscenes.utils.splits import mini_val

from projects.MiniScenes.streets import nuscenes_tables as module
from projects.MiniScenes.streets.boxes import street_objects
from projects.MiniScenes.streets.lidar import HDL32E
from projects.MiniScenes.streets.nuscenes_tables import write_nuscenes_detection
from projects.MiniScenes.streets.scan import street_at

STEPS, SCANS = 240, 3
RANGE = config_factory('detection_cvpr_2019').class_range


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp('nuscenes') / 'streets'
    return write_nuscenes_detection(out, 1, 1, SCANS, azimuth_steps=STEPS)


@pytest.fixture(scope='module')
def nusc(root):
    return NuScenes('v1.0-mini', str(root), verbose=False)


def objects(nusc, sample):
    """Things of the street of a key frame, by their annotations' tokens."""
    name = nusc.get('scene', sample['scene_token'])['name']
    first = nusc.get('sample', nusc.get('scene', sample['scene_token'])['first_sample_token'])
    k = round((sample['timestamp'] - first['timestamp']) / 5e5)
    things = street_objects(0, module.street_number(name), k, HDL32E.reduced(32, STEPS), 0.5)
    tokens = module._Tables(0)
    named = {tokens.token('sample_annotation', name, thing.instance, thing.kind, k): thing
             for thing in things}  # fmt: skip
    return {token: named[token] for token in sample['anns']}


def test_chains_and_counts_of_the_tables_agree(nusc):
    assert [scene['name'] for scene in nusc.scene] == ['scene-0061', 'scene-0103']
    assert len(nusc.sample) == len(nusc.sample_data) == len(nusc.ego_pose) == 2 * SCANS
    for table in ('sample', 'sample_data', 'sample_annotation'):
        records = {record['token']: record for record in getattr(nusc, table)}
        assert len(records) == len(getattr(nusc, table))
        for token, record in records.items():
            assert not record['next'] or records[record['next']]['prev'] == token
            assert not record['prev'] or records[record['prev']]['next'] == token
    for scene in nusc.scene:
        token, seen = scene['first_sample_token'], 0
        while token:
            last, seen, token = token, seen + 1, nusc.get('sample', token)['next']
        assert (last, seen) == (scene['last_sample_token'], scene['nbr_samples'])
    for instance in nusc.instance:
        token, stamps = instance['first_annotation_token'], []
        while token:
            record = nusc.get('sample_annotation', token)
            assert record['instance_token'] == instance['token']
            stamps.append(nusc.get('sample', record['sample_token'])['timestamp'])
            last, token = token, record['next']
        assert last == instance['last_annotation_token']
        assert len(stamps) == instance['nbr_annotations']
        assert np.diff(stamps).tolist() == [500_000] * (len(stamps) - 1)


def test_a_track_begins_and_ends_with_a_point(nusc):
    for instance in nusc.instance:
        for end in ('first', 'last'):
            record = nusc.get('sample_annotation', instance[f'{end}_annotation_token'])
            assert record['num_lidar_pts'] > 0
    hidden = [record for record in nusc.sample_annotation if not record['num_lidar_pts']]
    assert hidden and {record['visibility_token'] for record in hidden} == {'1'}


def test_boxes_in_the_sensors_frame_are_those_of_the_street(nusc):
    for sample in nusc.sample[1:4]:
        things = objects(nusc, sample)
        _, boxes, _ = nusc.get_sample_data(sample['data']['LIDAR_TOP'])
        for box in boxes:
            x, y, z, length, width, height, yaw = things[box.token].box
            assert np.allclose(box.center, [-y, x, z], atol=1e-3)
            assert np.allclose(box.wlh, [width, length, height])
            turn = box.orientation.yaw_pitch_roll[0] - yaw - np.pi / 2
            assert abs((turn + np.pi) % (2 * np.pi) - np.pi) < 1e-3
            assert (
                nusc.get('sample_annotation', box.token)['category_name']
                == (module.CATEGORIES[things[box.token].kind])
            )


def test_points_of_the_boxes_are_those_that_the_devkit_counts(nusc):
    counts = []
    for sample in nusc.sample[::2]:
        path, boxes, _ = nusc.get_sample_data(sample['data']['LIDAR_TOP'])
        points = LidarPointCloud.from_file(path).points[:3].astype(float)
        counts += [(points_in_box(box, points).sum(),
                    nusc.get('sample_annotation', box.token)['num_lidar_pts'])
                   for box in boxes]  # fmt: skip
    devkits, own = np.array(counts).T
    assert own.sum() > 500
    assert abs(devkits - own).sum() <= 0.03 * own.sum()  # its boxes pitch with the road


def test_velocities_of_the_devkit_are_those_of_the_street(nusc):
    moving = 0
    for sample in nusc.sample:
        name = nusc.get('scene', sample['scene_token'])['name']
        street = street_at(0, module.street_number(name))
        for token, thing in objects(nusc, sample).items():
            velocity = nusc.box_velocity(token)
            if np.isnan(velocity).any():  # seen once
                record = nusc.get('sample_annotation', token)
                assert record['prev'] == record['next'] == ''
                continue
            expected = street.velocity(thing.instance, thing.world_box[0])
            assert np.allclose(velocity[:2], expected[:2], atol=1e-3)
            moving += thing.moving
    assert moving > 20


def test_attributes_are_those_of_the_class(nusc):
    names = {record['token']: record['name'] for record in nusc.attribute}
    seen = Counter()
    for record in nusc.sample_annotation:
        name = category_to_detection_name(record['category_name'])
        allowed = detection_name_to_rel_attributes(name)
        given = [names[token] for token in record['attribute_tokens']]
        assert len(given) == (1 if allowed else 0) and set(given) <= set(allowed)
        seen.update(given)
    assert {'vehicle.moving', 'vehicle.parked', 'pedestrian.moving', 'cycle.with_rider',
            'cycle.without_rider'} <= set(seen)  # fmt: skip


def test_the_ego_car_drives_on_its_map(nusc):
    for scene in nusc.scene:
        mask = nusc.get('map', nusc.get('log', scene['log_token'])['map_token'])['mask']
        sample = nusc.get('sample', scene['last_sample_token'])
        data = nusc.get('sample_data', sample['data']['LIDAR_TOP'])
        x, y, _ = nusc.get('ego_pose', data['ego_pose_token'])['translation']
        assert mask.is_on_mask(x, y).all()
        assert not mask.is_on_mask(x, y + 40).any() and not mask.is_on_mask(x, y - 40).any()
        profile = street_at(0, module.street_number(scene['name'])).profile
        expected = profile.back_at(0) + profile.back_at(1)
        across = mask.is_on_mask(np.full(1500, x), np.arange(1500) / 10 + 0.05)
        assert across.sum() / 10 == pytest.approx(expected, abs=0.15)
        things = [nusc.get('sample_annotation', token) for token in sample['anns']]
        places = np.array([thing['translation'][:2] for thing in things])
        assert (places > 0).all() and (places * 10 < mask.mask().shape[::-1]).all()


def test_every_class_can_be_scored_in_the_default_validation_scenes():
    counts, lidar = Counter(), HDL32E.reduced(32, STEPS)
    for name in mini_val:
        for k in range(0, 10, 3):
            for thing in street_objects(0, module.street_number(name), k, lidar, 0.5):
                kind = category_to_detection_name(module.CATEGORIES[thing.kind])
                counts[kind] += thing.points > 0 and np.hypot(*thing.box[:2]) < RANGE[kind] - 1
    assert set(counts) == set(RANGE) and min(counts.values()) >= 2, counts


def content(folder):
    return {path.relative_to(folder): path.read_bytes()
            for path in folder.rglob('*') if path.is_file()}  # fmt: skip


def test_equal_seeds_give_equal_bytes(tmp_path):
    one, same, other = (
        content(write_nuscenes_detection(tmp_path / name, 1, 0, 1, seed, azimuth_steps=60))
        for name, seed in (('one', 0), ('same', 0), ('other', 1)))  # fmt: skip
    assert one == same and len(one) == 13 + 1 + 1 + 2  # tables, scan, map, infos
    own = {data for path, data in one.items() if path.suffix in ('.bin', '.pkl')}
    infos = one[next(path for path in one if path.name == 'nuscenes_infos_val.pkl')]
    assert own & set(other.values()) == {infos}  # without entries


def test_a_scene_does_not_depend_on_counts(root, tmp_path):
    fewer = write_nuscenes_detection(tmp_path / 'fewer', 1, 0, SCANS, azimuth_steps=STEPS)
    scans = {path: data for path, data in content(fewer).items() if path.suffix == '.bin'}
    assert len(scans) == SCANS and scans.items() <= content(root).items()
    for table in ('sample', 'sample_annotation', 'instance', 'ego_pose'):
        more, kept = (json.loads((folder / f'v1.0-mini/{table}.json').read_text())
                      for folder in (root, fewer))  # fmt: skip
        assert kept == more[: len(kept)] and len(kept) < len(more)


@pytest.mark.parametrize('name, value, limits', [
    ('scenes', 9, '1 and 8'), ('val_scenes', 3, '0 and 2'), ('scans', 0, '1 and 400'),
    ('period', 2.0, '0.01 and 1.5'),
])  # fmt: skip
def test_impossible_values_are_refused(tmp_path, name, value, limits):
    with pytest.raises(ValueError, match=f'{name} must lie between {limits}, but got {value}'):
        write_nuscenes_detection(tmp_path / 'streets', **{name: value})

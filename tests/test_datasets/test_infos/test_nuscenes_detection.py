"""Info files from nuScenes' tables: mmdet3d's own reader, converter and metric agree with them."""

import json
import pickle
import runpy
import shutil
from pathlib import Path

import mmdet3d
import mmengine
import numpy as np
import pytest
import torch
from mmdet3d.datasets import NuScenesDataset
from mmdet3d.registry import METRICS
from nuscenes import NuScenes
from nuscenes.eval.detection.config import config_factory
from nuscenes.eval.detection.evaluate import DetectionEval
from nuscenes.utils import splits
from pyquaternion import Quaternion

from projects.MiniScenes.streets.nuscenes_tables import write_nuscenes_detection
from projects.SRKD.base import FileMissingError
from projects.SRKD.datasets.infos.nuscenes_detection import write_nuscenes_infos

CONVERTERS = Path(mmdet3d.__file__).parent / '.mim/tools/dataset_converters'
CAMERAS = ['CAM_FRONT', 'CAM_FRONT_RIGHT', 'CAM_FRONT_LEFT', 'CAM_BACK', 'CAM_BACK_LEFT',
           'CAM_BACK_RIGHT']  # fmt: skip
CLASSES = NuScenesDataset.METAINFO['classes']
PREFIX = dict(pts='samples/LIDAR_TOP', img='', sweeps='sweeps/LIDAR_TOP')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp('nuscenes') / 'streets'
    return write_nuscenes_detection(out, 1, 2, 3, azimuth_steps=240)


@pytest.fixture
def copy(root, tmp_path):
    return Path(shutil.copytree(root, tmp_path / 'copy'))


def edit(root, table, change, version='v1.0-mini'):
    """Let ``change`` work on the records of a table."""
    path = root / version / f'{table}.json'
    records = json.loads(path.read_text())
    change(records)
    path.write_text(json.dumps(records))


def infos(root, split='val'):
    return pickle.loads((root / f'nuscenes_infos_{split}.pkl').read_bytes())


def dataset(root, split='val', **kwargs):
    return NuScenesDataset(
        data_root=str(root), ann_file=f'nuscenes_infos_{split}.pkl', data_prefix=PREFIX,
        metainfo=dict(classes=CLASSES, version='v1.0-mini'), **kwargs)  # fmt: skip


def with_cameras(root):
    """Add the cameras that mmdet3d's converter asks for; it opens no images here."""
    frames = json.loads((root / 'v1.0-mini/sample_data.json').read_text())
    pose = dict(translation=[1.7, 0.0, 1.5], rotation=[0.5, -0.5, 0.5, -0.5],
                camera_intrinsic=np.eye(3).tolist())  # fmt: skip
    edit(root, 'sensor', lambda table: table.extend(
        dict(token=name, channel=name, modality='camera') for name in CAMERAS))  # fmt: skip
    edit(root, 'calibrated_sensor', lambda table: table.extend(
        dict(token=name, sensor_token=name, **pose) for name in CAMERAS))  # fmt: skip
    edit(root, 'sample_data', lambda table: table.extend(
        {**frame, 'token': f'{name} {frame["token"]}', 'calibrated_sensor_token': name,
         'prev': '', 'next': '', 'width': 1600, 'height': 900}
        for name in CAMERAS for frame in frames))  # fmt: skip


def test_entries_are_those_of_mmdet3ds_converter(copy):
    with_cameras(copy)
    # One thing of no class, and one seen by no LiDAR.
    edit(copy, 'category', lambda table: table[0].update(name='static_object.bicycle_rack'))
    write_nuscenes_infos(copy, 'v1.0-mini', max_sweeps=1)
    tokens = {split: {scene['token'] for scene in json.loads(
        (copy / 'v1.0-mini/scene.json').read_text()) if scene['name'] in names}
        for split, names in (('train', splits.mini_train), ('val', splits.mini_val))}  # fmt: skip
    converter = runpy.run_path(str(CONVERTERS / 'nuscenes_converter.py'))
    nusc = NuScenes('v1.0-mini', str(copy), verbose=False)
    theirs = converter['_fill_trainval_infos'](nusc, tokens['train'], tokens['val'], max_sweeps=1)
    compared = 0
    for split, expected in zip(('train', 'val'), theirs):
        own = infos(copy, split)
        assert own['metainfo'] == dict(
            dataset='nuscenes', version='v1.0-mini', info_version='1.1',
            categories={name: i for i, name in enumerate(CLASSES)}
            | {'static_object.bicycle_rack': -1})  # fmt: skip
        assert [info['sample_idx'] for info in own['data_list']] == list(range(len(expected)))
        for info, other in zip(own['data_list'], expected, strict=True):
            assert info['token'] == other['token']
            assert info['timestamp'] == other['timestamp'] / 1e6
            assert info['lidar_points']['lidar_path'] == Path(other['lidar_path']).name
            assert np.allclose(info['ego2global'], matrix(other, 'ego2global'), atol=1e-4)
            lidar2ego = info['lidar_points']['lidar2ego']
            assert np.allclose(lidar2ego, matrix(other, 'lidar2ego'), atol=1e-6)
            for key, theirs_key in (('bbox_3d', 'gt_boxes'), ('velocity', 'gt_velocity'),
                                    ('num_lidar_pts', 'num_lidar_pts'),
                                    ('bbox_3d_isvalid', 'valid_flag')):  # fmt: skip
                column = np.array([instance[key] for instance in info['instances']])
                assert np.allclose(column, other[theirs_key], atol=1e-9, equal_nan=True), key
            names = [CLASSES[i['bbox_label_3d']] if i['bbox_label_3d'] >= 0 else
                     'static_object.bicycle_rack' for i in info['instances']]  # fmt: skip
            assert names == other['gt_names'].tolist()
            compared += len(names)
            sweeps = info.get('lidar_sweeps', [])
            assert len(sweeps) == len(other['sweeps']) <= 1
            for sweep, their_sweep in zip(sweeps, other['sweeps']):
                there = np.linalg.inv(sweep['lidar_points']['lidar2sensor'])
                assert np.allclose(there[:3, :3], their_sweep['sensor2lidar_rotation'], atol=1e-5)
                assert np.allclose(there[:3, 3], their_sweep['sensor2lidar_translation'], atol=1e-4)
                assert sweep['timestamp'] == their_sweep['timestamp'] / 1e6
    assert compared > 200


def matrix(record, name):
    result = np.eye(4)
    result[:3, :3] = Quaternion(record[f'{name}_rotation']).rotation_matrix
    result[:3, 3] = record[f'{name}_translation']
    return result


def test_mmdet3d_reads_boxes_velocities_and_points(root):
    load = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=5)
    sweeps = dict(type='LoadPointsFromMultiSweeps', sweeps_num=1, use_dim=list(range(5)))
    boxes = dict(type='LoadAnnotations3D', with_bbox_3d=True, with_label_3d=True)
    pack = dict(type='Pack3DDetInputs', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d'])
    data = dataset(root, pipeline=[load, sweeps, boxes, pack])
    assert len(data) == 6
    sample, first = data[1], data[0]
    assert first['inputs']['points'].shape == (240 * 32, 5)  # no earlier scan
    assert len(sample['inputs']['points']) > 240 * 32
    assert sample['inputs']['points'][:, 4].unique().tolist() == pytest.approx([0.0, 0.5])
    truth = sample['data_samples'].gt_instances_3d
    assert truth.bboxes_3d.tensor.shape[1] == 9 and len(truth.bboxes_3d) > 10
    speed = truth.bboxes_3d.tensor[:, 7:].norm(dim=1)
    walking = speed[(truth.labels_3d == CLASSES.index('pedestrian')) & (speed > 0)]
    assert len(walking) and walking.min() > 0.9 and walking.max() < 1.7


def predict(root, score):
    """The ground truth of the validation scenes as mmdet3d's predictions."""
    data = dataset(root, test_mode=True)
    rng = np.random.default_rng(0)
    samples = []
    for i in range(len(data)):
        info = data.get_data_info(i)
        truth = info['eval_ann_info']
        labels = torch.from_numpy(truth['gt_labels_3d'])
        scores = torch.from_numpy(score(rng, len(labels)))
        instances = dict(bboxes_3d=truth['gt_bboxes_3d'], labels_3d=labels, scores_3d=scores)
        samples.append(
            dict(pred_instances_3d=instances, pred_instances={}, sample_idx=info['sample_idx'])
        )
    return data, samples


def evaluate(root, tmp_path, samples, metainfo):
    ann_file = str(root / 'nuscenes_infos_val.pkl')
    metric = METRICS.build(
        dict(type='NuScenesMetric', data_root=str(root), ann_file=ann_file, metric='bbox',
             jsonfile_prefix=str(tmp_path / 'results')))  # fmt: skip
    metric.dataset_meta = metainfo
    metric.process({}, samples)
    scores = metric.evaluate(len(samples))
    start = 'NuScenes metric/pred_instances_3d_NuScenes/'
    return {name.removeprefix(start): value for name, value in scores.items()}


def devkit(root, tmp_path):
    """Scores of the same results by the devkit alone."""
    nusc = NuScenes('v1.0-mini', str(root), verbose=False)
    result = tmp_path / 'results/pred_instances_3d/results_nusc.json'
    judge = DetectionEval(nusc, config_factory('detection_cvpr_2019'), str(result), 'mini_val',
                          str(tmp_path / 'devkit'), verbose=False)  # fmt: skip
    return judge.evaluate()[0].serialize(), judge


def test_ground_truth_scores_as_the_devkit_says(root, tmp_path):
    data, samples = predict(root, lambda rng, n: rng.random(n, np.float32))
    scores = evaluate(root, tmp_path, samples, data.metainfo)
    expected, judge = devkit(root, tmp_path)
    assert scores['NDS'] == pytest.approx(expected['nd_score'], abs=1e-12)
    assert scores['mAP'] == pytest.approx(expected['mean_ap'], abs=1e-12)
    present = {box.detection_name for box in judge.gt_boxes.all}
    assert len(present) >= 9
    for name in CLASSES:
        precision = scores[f'{name}_AP_dist_0.5']
        assert precision == pytest.approx(1.0 if name in present else 0.0)
        if name in present:
            assert scores[f'{name}_trans_err'] < 1e-3 and scores[f'{name}_scale_err'] < 1e-3
    share = len(present) / 10
    assert scores['mAP'] == pytest.approx(share)
    # Absent classes count as an error of 1; mmdet3d says standing of walkers without velocity.
    assert scores['mATE'] == pytest.approx(1 - share, abs=1e-3)
    assert scores['mAAE'] < 1 - share + 0.1 and scores['NDS'] > share - 0.03


def test_the_metric_knows_a_shift_of_the_boxes(root, tmp_path):
    data, samples = predict(root, lambda rng, n: rng.random(n, np.float32))
    for sample in samples:
        sample['pred_instances_3d']['bboxes_3d'].tensor[:, 0] += 1.5
    scores = evaluate(root, tmp_path, samples, data.metainfo)
    assert scores['car_AP_dist_1.0'] < 0.05  # only cars beside cars
    assert scores['car_AP_dist_2.0'] > 0.9 and 1.3 < scores['car_trans_err'] <= 1.5


def scene_file(root, scene=1):
    """Path of the first scan of a scene."""
    nusc = NuScenes('v1.0-mini', str(root), verbose=False)
    sample = nusc.get('sample', nusc.scene[scene]['first_sample_token'])
    return Path(nusc.get_sample_data_path(sample['data']['LIDAR_TOP']))


def test_a_scene_that_was_not_downloaded_is_left_out_and_named(copy):
    scene_file(copy).unlink()
    with pytest.warns(UserWarning, match='1 of 3 scenes are left out, their scans are not there: '
                      'scene-0103; scores then need NuScenesPartMetric'):  # fmt: skip
        assert write_nuscenes_infos(copy, 'v1.0-mini') == dict(train=3, val=3)
    assert len(dataset(copy, test_mode=True)) == 3


def test_a_split_of_which_nothing_is_there_is_refused_before_anything_is_written(copy):
    before = (copy / 'nuscenes_infos_val.pkl').read_bytes()
    scene_file(copy, 0).unlink()
    with pytest.raises(FileMissingError, match='holds the scans of none of the scenes of train, '
                       'expected one at least, such as scene-0061'):  # fmt: skip
        write_nuscenes_infos(copy, 'v1.0-mini')
    assert (copy / 'nuscenes_infos_val.pkl').read_bytes() == before


def with_sweeps(root):
    """Put a sweep between the key frames into the tables; returns its paths."""
    paths = []

    def add(records):
        by_token = {record['token']: record for record in records}
        for number, record in enumerate(list(records)):
            if not record['prev']:
                continue
            token, name = f'{number:032d}', f'sweeps/LIDAR_TOP/sweep{number}.pcd.bin'
            records.append(
                {
                    **record,
                    'token': token,
                    'is_key_frame': False,
                    'filename': name,
                    'timestamp': record['timestamp'] - 50_000,
                    'next': record['token'],
                }
            )
            by_token[record['prev']]['next'] = record['prev'] = token
            paths.append((root / name, root / record['filename']))

    edit(root, 'sample_data', add)
    return paths


def test_sweeps_that_are_not_there_are_counted_and_named(copy):
    paths = with_sweeps(copy)
    assert len(paths) == 6
    (copy / 'sweeps/LIDAR_TOP/sweep1.pcd.bim').touch()
    with pytest.raises(FileMissingError, match='2 of the 4 sweeps that the tables name for train '
                       'are not there, the first is .*sweep1.pcd.bin; the nearest name .*sweep1.pcd'
                       '.bim; --max-sweeps 0 leaves them all out'):  # fmt: skip
        write_nuscenes_infos(copy, 'v1.0-mini')
    write_nuscenes_infos(copy, 'v1.0-mini', max_sweeps=0)
    assert all('lidar_sweeps' not in info for info in infos(copy, 'train')['data_list'])
    for path, source in paths:
        shutil.copy(source, path)
    write_nuscenes_infos(copy, 'v1.0-mini')
    assert len(infos(copy, 'train')['data_list'][2]['lidar_sweeps']) == 4


def test_objects_are_those_of_mmdet3ds_converter(copy, tmp_path):
    write_nuscenes_infos(copy, 'v1.0-mini')
    ours = pickle.loads((copy / 'nuscenes_dbinfos_train.pkl').read_bytes())
    converter = runpy.run_path(str(CONVERTERS / 'create_gt_database.py'))
    converter['create_groundtruth_database'](
        'NuScenesDataset', str(copy), 'nuscenes', 'nuscenes_infos_train.pkl',
        database_save_path=str(tmp_path / 'nuscenes_gt_database'),
        db_info_save_path=str(tmp_path / 'theirs.pkl'))  # fmt: skip
    theirs = pickle.loads((tmp_path / 'theirs.pkl').read_bytes())
    assert set(ours) == set(theirs) and sum(map(len, ours.values())) > 30
    for name, entries in theirs.items():
        for one, other in zip(ours[name], entries, strict=True):
            assert (one['image_idx'], one['gt_idx']) == (other['image_idx'], other['gt_idx'])
            assert np.allclose(one['box3d_lidar'], other['box3d_lidar'], atol=1e-4)
            assert abs(one['num_points_in_gt'] - other['num_points_in_gt']) <= 5  # on a face
            points = np.fromfile(copy / one['path'], np.float32).reshape(-1, 5)
            assert len(points) == one['num_points_in_gt']


def test_masks_of_lidarseg_are_named_where_they_are_there(copy):
    frames = json.loads((copy / 'v1.0-mini/sample_data.json').read_text())
    folder = copy / 'lidarseg/v1.0-mini'
    folder.mkdir(parents=True)
    records = [dict(token=frame['token'], sample_data_token=frame['token'],
                    filename=f'lidarseg/v1.0-mini/{frame["token"]}_lidarseg.bin')
               for frame in frames]  # fmt: skip
    for record in records:
        (copy / record['filename']).touch()
    (copy / 'v1.0-mini/lidarseg.json').write_text(json.dumps(records))
    edit(copy, 'category', lambda table: [
        record.update(index=i) for i, record in enumerate(table)])  # fmt: skip
    write_nuscenes_infos(copy, 'v1.0-mini', database=False)
    named = [info['pts_semantic_mask_path'] for info in infos(copy)['data_list']]
    assert len(set(named)) == 6 and all((folder / name).is_file() for name in named)
    assert not (copy / 'nuscenes_dbinfos_train.pkl').exists()
    (copy / records[0]['filename']).unlink()
    with pytest.raises(
        FileMissingError,
        match='lidarseg.json names 9 masks of which 8 lie in '
        '.*lidarseg/v1.0-mini, the first that does not is .*_lidarseg.bin',
    ):
        write_nuscenes_infos(copy, 'v1.0-mini')


def test_a_test_set_has_no_instances(copy):
    (copy / 'v1.0-mini').rename(copy / 'v1.0-test')
    for table in ('sample_annotation', 'instance'):
        edit(copy, table, list.clear, 'v1.0-test')
    edit(copy, 'scene', lambda table: table[0].update(name=splits.test[0]), 'v1.0-test')
    assert write_nuscenes_infos(copy, 'v1.0-test') == dict(test=3)
    assert [info['instances'] for info in infos(copy, 'test')['data_list']] == [[]] * 3


def test_missing_scans_are_refused(copy):
    first = scene_file(copy)
    later = sorted(first.parent.glob(f'{first.name.split("__")[0]}__*'))[2]
    later.rename(later.with_suffix('.bim'))
    with pytest.raises(FileNotFoundError, match=r'sample_data \w{32} names the scan .*1000000.pcd'
                       r'.bin, which does not exist; the nearest .*pcd.bim'):  # fmt: skip
        write_nuscenes_infos(copy, 'v1.0-mini')
    for path in first.parent.iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match='first scan of none of its 3 scenes, expected .*'
                       'scene-0061__LIDAR_TOP.* for scene-0061; .*LIDAR_TOP is empty'):  # fmt: skip
        write_nuscenes_infos(copy, 'v1.0-mini')


def test_an_unknown_version_is_refused(root):
    with pytest.raises(ValueError, match="one of v1.0-mini, v1.0-trainval, v1.0-test, .*'v1.0'"):
        write_nuscenes_infos(root, 'v1.0')


def test_infos_do_not_depend_on_where_the_data_lies(root, copy):
    before = {split: infos(root, split) for split in ('train', 'val')}
    write_nuscenes_infos(copy, 'v1.0-mini')
    assert mmengine.dump(before, file_format='json') == mmengine.dump(
        {split: infos(copy, split) for split in ('train', 'val')}, file_format='json'
    )

"""What a detection run on KITTI's layout needs is asked before its first step."""

import pickle
import shutil
from copy import deepcopy
from pathlib import Path

import pytest
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from toy_kitti import small_streets
from toy_runner import runner_of

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.preflight.evaluators import check_annotation_files
from projects.SRKD.preflight.files import check_files
from projects.SRKD.preflight.object_database import (
    check_database_files,
    check_ground_planes,
    check_objects,
)
from projects.SRKD.preflight.repeated_frames import tell_repeated_frames

CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/mini-kitti-3d.py'


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    return small_streets(tmp_path_factory.mktemp('kitti') / 'streets', 3, 2, azimuth_steps=360)


@pytest.fixture
def root(streets, tmp_path):
    return Path(shutil.copytree(streets, tmp_path / 'kitti'))


def config(root, planes=False):
    cfg = Config.fromfile(CONFIG)
    for split in ('train', 'val'):
        cfg[f'{split}_dataloader'].dataset.data_root = f'{root}/'
    sample = cfg.train_dataloader.dataset.pipeline[2]
    sample.use_ground_plane = planes
    sample.db_sampler.update(
        data_root=f'{root}/', info_path=f'{root}/kitti_dbinfos_train.pkl',
        prepare=dict(filter_by_difficulty=[-1]), sample_groups=dict(Car=2))  # fmt: skip
    return cfg


def built(cfg, split='train'):
    return DATASETS.build(cfg[f'{split}_dataloader'].dataset)


def edit(path, change):
    content = pickle.loads(path.read_bytes())
    change(content)
    path.write_bytes(pickle.dumps(content))


def test_a_good_root_passes_without_a_word(root, caplog):
    cfg = config(root)
    check_database_files(cfg, ['train', 'val'])
    metric = dict(type='KittiMetric', ann_file=f'{root}/kitti_infos_val.pkl')
    runner = runner_of(built(cfg), built(cfg, 'val'), [metric])
    for check in (check_files, check_objects, check_ground_planes, check_annotation_files,
                  tell_repeated_frames):  # fmt: skip
        check(runner)
    assert not caplog.records


def test_a_database_that_nobody_wrote_is_named_with_its_writer(root):
    cfg = config(root)
    (root / 'kitti_dbinfos_train.pkl').rename(root / 'kitti_dbinfos_trian.pkl')
    with pytest.raises(
        FileMissingError,
        match='info_path .*_train.pkl of the ObjectSample in '
        r'train_dataloader does not exist \(looked from .*\), tools/dataset_convert'
        'ers/kitti_infos.py writes it; the nearest name there is .*trian.pkl',
    ):
        check_database_files(cfg, ['train'])


def test_objects_without_points_are_counted(root):
    runner = runner_of(built(config(root)))
    shutil.rmtree(root / 'kitti_gt_database')
    with pytest.raises(FileMissingError, match=r'(\d+) of the \1 objects that .*dbinfos_train.pkl '
                       'lists for train have no points, the first is .*bin; '):  # fmt: skip
        check_objects(runner)


def test_objects_of_other_columns_are_refused(root):
    for path in (root / 'kitti_gt_database').iterdir():
        path.write_bytes(path.read_bytes() + bytes(4))
    with pytest.raises(UsageError, match=r'.*bin has \d+ bytes, expected \d+ points of load_dim=4'):
        check_objects(runner_of(built(config(root))))


def test_frames_without_a_ground_plane_are_refused_where_planes_are_used(root):
    edit(
        root / 'kitti_infos_train.pkl',
        lambda infos: infos['data_list'][1].update(plane=[0.0, -1.0, 0.0, 1.65]),
    )
    check_ground_planes(runner_of(built(config(root))))
    with pytest.raises(
        UsageError,
        match='2 of the 3 frames that .*infos_train.pkl lists for train '
        'have no ground plane, the first is .*bin, and ObjectSample has use_ground',
    ):
        check_ground_planes(runner_of(built(config(root, planes=True))))


def test_scans_that_are_not_there_are_counted(root):
    runner = runner_of(built(config(root)), built(config(root), 'val'))
    check_files(runner)
    (root / 'training/velodyne_reduced/500001.bin').unlink()
    with pytest.raises(
        FileMissingError,
        match='1 of the 2 scans that .*val.pkl names for val '
        'are not there, the first is .*500001.bin; the nearest name .*500000.bin',
    ):
        check_files(runner)


def test_a_metric_of_another_info_file_is_refused(root, streets):
    cfg, metric = config(root), dict(type='KittiMetric')
    metric['ann_file'] = f'{streets}/kitti_infos_val.pkl'
    with pytest.raises(
        UsageError,
        match='val_evaluator scores .*streets/.* and val_dataloader '
        'reads .*kitti/kitti_infos_val.pkl: expected one file, see val_evaluator',
    ):
        check_annotation_files(runner_of(val=built(cfg, 'val'), metrics=[metric]))
    (root / 'link').symlink_to(root)
    metric['ann_file'] = f'{root}/link/kitti_infos_val.pkl'
    check_annotation_files(runner_of(val=built(cfg, 'val'), metrics=[metric]))


def test_frames_listed_twice_and_trained_on_in_val_are_told(root, caplog):
    edit(
        root / 'kitti_infos_train.pkl',
        lambda infos: infos['data_list'].append(deepcopy(infos['data_list'][0])),
    )
    val = config(root)
    val.val_dataloader.dataset.ann_file = 'kitti_infos_trainval.pkl'
    tell_repeated_frames(runner_of(built(config(root)), built(val, 'val')))
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith('train lists 1 of its 3 scans more than once, the first is /')
    assert second.startswith('3 of the 5 scans of val are trained on, the first is /')
    assert second.endswith('.bin: scores on them say nothing of new scans')


@pytest.mark.parametrize('split', ['train', 'val'])
def test_an_info_file_without_samples_is_named(root, split):
    edit(root / f'kitti_infos_{split}.pkl', lambda infos: infos['data_list'].clear())
    with pytest.raises(UsageError, match=f'kitti_infos_{split}.pkl has an empty data_list'):
        built(config(root), split)

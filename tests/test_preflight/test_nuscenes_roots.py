"""Tables, versions, parts and sweeps of nuScenes are asked for before the first step."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from toy_runner import runner_of

from projects.MiniScenes.streets import write_nuscenes_detection
from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.preflight.evaluators import check_nuscenes
from projects.SRKD.preflight.files import check_files

CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/mini-nuscenes-3d.py'


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    out = tmp_path_factory.mktemp('nuscenes') / 'streets'
    return write_nuscenes_detection(out, 1, 2, 2, azimuth_steps=120)


@pytest.fixture
def root(streets, tmp_path):
    return Path(shutil.copytree(streets, tmp_path / 'nuscenes'))


def built(root, split='val', **more):
    cfg = Config.fromfile(CONFIG)[f'{split}_dataloader'].dataset
    return DATASETS.build({**cfg, 'data_root': f'{root}/', **more})


def scored(root, kind='NuScenesMetric', **more):
    metric = dict(type=kind, data_root=f'{root}/', ann_file=f'{root}/nuscenes_infos_val.pkl')
    return runner_of(val=built(root, **more), metrics=[metric])


def edit(root, split, change):
    path = root / f'nuscenes_infos_{split}.pkl'
    content = pickle.loads(path.read_bytes())
    change(content['data_list'])
    path.write_bytes(pickle.dumps(content))


def test_a_whole_split_of_its_version_passes(root):
    check_nuscenes(scored(root))


def test_tables_of_another_version_are_missed(root):
    with pytest.raises(
        FileMissingError,
        match=r'the tables .*v1.0-trainval do not exist, expected '
        r"those of val_dataloader.dataset.metainfo.version \('v1.0-trainval' unless "
        r'set\); the nearest name there is .*v1.0-mini',
    ):
        check_nuscenes(scored(root, metainfo={}))
    with pytest.raises(UsageError, match="version .* must be .*v1.0-mini.*, but got 'v1.0'"):
        check_nuscenes(scored(root, metainfo=dict(version='v1.0')))


def test_an_info_file_of_another_version_is_named(root):
    (root / 'v1.0-mini').rename(root / 'v1.0-trainval')
    (root / 'nuscenes_infos_train.pkl').rename(root / 'nuscenes_infos_val.pkl')
    with pytest.raises(
        UsageError,
        match='2 of the 2 key frames of .*infos_val.pkl are not in the '
        'split val of .*v1.0-trainval, the first is .*expected the version of the ',
    ):
        check_nuscenes(scored(root, metainfo=dict(version='v1.0-trainval')))


def test_a_part_needs_the_metric_of_parts(root):
    edit(root, 'val', lambda infos: infos.__delitem__(slice(2, None)))
    with pytest.raises(
        UsageError,
        match='2 of the 4 key frames of the split mini_val are not in .*'
        'nuscenes_infos_val.pkl, those of scene-0916: nuscenes-devkit scores whole '
        "splits; val_evaluator.type='NuScenesPartMetric' scores the part",
    ):
        check_nuscenes(scored(root))
    check_nuscenes(scored(root, 'NuScenesPartMetric'))


def with_sweeps(count):
    return [dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=5),
            dict(type='LoadPointsFromMultiSweeps', sweeps_num=count)]  # fmt: skip


def test_sweeps_that_are_not_there_are_counted_where_they_are_loaded(root):
    def name_a_sweep(infos):
        sweep = json.loads(json.dumps(infos[1]['lidar_sweeps'][0]))
        sweep['lidar_points']['lidar_path'] = 'sweeps/LIDAR_TOP/a.pcd.bin'
        infos[1]['lidar_sweeps'].append(sweep)

    edit(root, 'train', name_a_sweep)
    check_files(runner_of(built(root, 'train', pipeline=with_sweeps(0))))
    with pytest.raises(
        FileMissingError,
        match='1 of the 2 sweeps that .*infos_train.pkl names for '
        'train are not there, the first is .*sweeps/LIDAR_TOP/a.pcd.bin',
    ):
        check_files(runner_of(built(root, 'train', pipeline=with_sweeps(2))))


def test_sweeps_that_no_entry_names_are_told(root, caplog):
    edit(root, 'train', lambda infos: [info.pop('lidar_sweeps', None) for info in infos])
    check_files(runner_of(built(root, 'train', pipeline=with_sweeps(2))))
    (record,) = caplog.records
    assert 'train is to add earlier scans' in record.getMessage()
    assert record.getMessage().endswith('nuscenes_infos_train.pkl names none')


def test_a_class_without_an_object_is_named_where_classes_are_balanced(root):
    data = built(root, 'train')
    names = data.metainfo['classes']
    with pytest.raises(
        UsageError,
        match='CBGSDataset balances the classes of .*infos_train.pkl, '
        'which has no object of bus.*: leave it out of metainfo.classes',
    ):
        edit(
            root,
            'train',
            lambda infos: [
                info.update(
                    instances=[thing for thing in info['instances'] if thing['bbox_label'] != 3]
                )
                for info in infos
            ],
        )
        DATASETS.build(
            dict(
                type='CBGSDataset',
                dataset=built(
                    root,
                    'train',
                    metainfo=dict(
                        classes=[name for name in names if name in ('car', 'bus', 'pedestrian')]
                    ),
                ),
            )
        )

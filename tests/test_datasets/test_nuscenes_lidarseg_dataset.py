"""nuScenes-lidarseg is read from every form of info file there is, and bad ones are refused."""

import shutil

import mmengine
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from toy import build, minkunet
from toy_nuscenes import CONFIG, RAW, write_infos, write_nuscenes

from projects.SRKD.datasets.nuscenes_lidarseg_dataset import NuScenesLidarSegDataset

# Written down from the challenge's table, not from the code.
CHALLENGE = dict(
    barrier=[9], bicycle=[14], bus=[15, 16], car=[17], construction_vehicle=[18], motorcycle=[21],
    pedestrian=[2, 3, 4, 6], traffic_cone=[12], trailer=[22], truck=[23], driveable_surface=[24],
    other_flat=[25], sidewalk=[26], terrain=[27], manmade=[28], vegetation=[30],
)  # fmt: skip
LABEL_STEPS = ('LoadAnnotations3D', 'PointSegClassMapping')
UNSCORED = [0, 1, 5, 7, 8, 10, 11, 13, 19, 20, 29, 31]


@pytest.fixture
def root(tmp_path):
    return write_nuscenes(tmp_path / 'nuscenes')


def dataset(root, split='train', **changes):
    cfg = Config.fromfile(CONFIG)[f'{"val" if split == "test" else split}_dataloader'].dataset
    cfg = cfg.to_dict() | dict(data_root=str(root)) | changes
    return NuScenesLidarSegDataset(**{key: cfg[key] for key in cfg if key != 'type'})


def unmixed():
    cfg = Config.fromfile(CONFIG)
    return [*cfg.load, cfg.train_pipeline[-1]]


def rewrite(root, change, split='train'):
    """Write the info file again after ``change(entry)``."""
    path = root / f'nuscenes_infos_{split}.pkl'
    infos = mmengine.load(path)['data_list']
    for info in infos:
        change(info)
    write_infos(path, infos)
    return path


def test_the_32_raw_ids_become_the_challenges_16_classes(root):
    data = dataset(root)
    expected = np.full(32, 16)
    for number, (name, ids) in enumerate(CHALLENGE.items()):
        assert data.metainfo['classes'][number] == data.metainfo['label2cat'][number] == name
        expected[ids] = number
    assert np.array_equal(data.seg_label_mapping, expected)
    assert np.flatnonzero(data.seg_label_mapping == 16).tolist() == UNSCORED
    assert data.metainfo['ignore_index'] == 16 and len(data.metainfo['palette']) == 16


def test_a_scan_is_read_with_its_labels(root):
    data = dataset(root, pipeline=Config.fromfile(CONFIG).test_pipeline[:-1])
    sample = data[1]
    cloud = np.fromfile(root / 'samples/LIDAR_TOP/train1__LIDAR_TOP.pcd.bin', np.float32)
    cloud = cloud.reshape(-1, 5)
    assert np.allclose(sample['points'].tensor, cloud[:, :4] / [1, 1, 1, 255], atol=1e-6)
    raw = np.round(cloud[:, 2] * 10).astype(int)
    assert set(raw) == set(RAW)
    assert np.array_equal(sample['pts_semantic_mask'], data.seg_label_mapping[raw])


@pytest.mark.parametrize(
    'before',
    [
        'lidarseg/v1.0-trainval/{}',
        './data/nuscenes/lidarseg/v1.0-trainval/{}',
        'elsewhere/nuscenes/lidarseg/v1.0-trainval/{}',
        '{root}/lidarseg/v1.0-trainval/{}',
    ],
)
def test_masks_are_found_however_their_path_is_written(root, before):
    expected = dataset(root).get_data_info(0)['pts_semantic_mask_path']

    def change(info):
        name = info['pts_semantic_mask_path']
        info['pts_semantic_mask_path'] = before.format(name, root=root)
        info['lidar_points']['lidar_path'] = (
            'samples/LIDAR_TOP/' + info['lidar_points']['lidar_path']
        )

    rewrite(root, change)
    data = dataset(root, pipeline=unmixed())
    assert data.get_data_info(0)['pts_semantic_mask_path'] == expected
    assert data[0]['data_samples'].gt_pts_seg.pts_semantic_mask.shape == (300,)


def test_the_mini_versions_folder_is_kept(root):
    (root / 'lidarseg/v1.0-mini').mkdir()

    def change(info):
        name = info['pts_semantic_mask_path']
        shutil.move(root / 'lidarseg/v1.0-trainval' / name, root / 'lidarseg/v1.0-mini')
        info['pts_semantic_mask_path'] = f'./data/nuscenes/lidarseg/v1.0-mini/{name}'

    rewrite(root, change)
    sample = dataset(root, pipeline=unmixed())[0]
    assert len(sample['data_samples'].gt_pts_seg.pts_semantic_mask) == 300


def test_an_info_file_without_masks_is_refused_with_its_cure(root):
    path = rewrite(root, lambda info: info.pop('pts_semantic_mask_path'))
    match = (
        rf'info file {path} names no pts_semantic_mask_path in 2 of 2 entries .*: unpack '
        rf'nuScenes-lidarseg into {root}, then write it with tools/.*/nuscenes_infos.py '
        rf'{root}, or set test_mode=True'
    )
    with pytest.raises(ValueError, match=match):
        dataset(root)


def test_a_test_split_needs_no_masks(root):
    rewrite(root, lambda info: info.pop('pts_semantic_mask_path'), 'val')
    with pytest.raises(ValueError, match='test_mode=True, load_eval_anns=False for a split with'):
        dataset(root, 'test')
    steps = Config.fromfile(CONFIG).test_pipeline
    pipeline = [step for step in steps if step['type'] not in LABEL_STEPS]
    data = dataset(root, 'test', load_eval_anns=False, pipeline=pipeline)
    assert data[0]['inputs']['points'].shape == (300, 4)
    assert data[0]['data_samples'].eval_ann_info is None


@pytest.mark.parametrize(
    'old',
    [lambda infos: infos, lambda infos: dict(infos=infos, metadata=dict(version='v1.0-mini'))],
)
def test_info_files_of_an_older_mmdet3d_are_refused(root, old):
    path = root / 'nuscenes_infos_train.pkl'
    entry = dict(lidar_path='./data/nuscenes/samples/LIDAR_TOP/x.pcd.bin', sweeps=[])
    mmengine.dump(old([entry]), path)
    match = (
        rf'info file {path} was written by mmdet3d below 1.0, expected the keys metainfo and '
        r'data_list: convert it with .*tools/dataset_converters/update_infos_to_v2.py --dataset '
        rf'NAME --pkl-path {path}'
    )
    with pytest.raises(ValueError, match=match):
        dataset(root)


def test_some_of_the_classes_may_be_left_out(root):
    data = dataset(root, metainfo=dict(classes=('pedestrian', 'car')), ignore_index=None)
    expected = np.full(32, 2)
    expected[[2, 3, 4, 6]], expected[17] = 0, 1
    assert np.array_equal(data.seg_label_mapping, expected)
    assert data.metainfo['palette'] == [[0, 0, 230], [255, 158, 0]]
    assert data.ignore_index == data.metainfo['ignore_index'] == 2


def test_a_class_that_is_none_of_the_16_is_refused(root):
    match = "NuScenesLidarSegDataset has no class 'vegetaton'; the nearest is 'vegetation'"
    with pytest.raises(ValueError, match=match):
        dataset(root, metainfo=dict(classes=('car', 'vegetaton')))


def test_a_label_map_of_ones_own_replaces_the_challenges(root):
    coarse = {raw: int(raw >= 24) for raw in range(32)}
    own = dict(classes=('barrier', 'manmade'), seg_label_mapping=coarse, max_label=31)
    data = dataset(root, metainfo=own, ignore_index=2)
    assert data.seg_label_mapping.tolist() == list(coarse.values())


def test_labels_beyond_the_ids_of_nuscenes_are_refused(root):
    path = root / 'lidarseg/v1.0-trainval/train0_lidarseg.bin'
    np.full(300, 32, np.uint8).tofile(path)
    with pytest.raises(ValueError, match=r'has label id 32 in point 0, expected ids 0 to 31'):
        dataset(root)[0]


def test_five_columns_read_as_four_are_refused(root):
    load = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=4, use_dim=4)
    match = r'train0__LIDAR_TOP.pcd.bin has 5 columns as its info file says .* load_dim=4'
    with pytest.raises(ValueError, match=match):
        dataset(root, pipeline=[load])[0]


def test_training_and_scoring_pipelines_feed_a_network(root):
    model = minkunet(num_classes=16, voxel_size=0.5)
    model['backbone']['in_channels'] = 4
    network = build(model)
    train, val = dataset(root), dataset(root, 'val')
    batch = pseudo_collate([train[0], train[1]])
    losses = network(**network.data_preprocessor(batch, True), mode='loss')
    assert all(torch.isfinite(loss).all() for loss in losses.values())
    network.eval()
    (predicted,) = network.test_step(pseudo_collate([val[0]]))
    assert predicted.pred_pts_seg.pts_semantic_mask.shape == (300,)
    assert predicted.eval_ann_info['pts_semantic_mask'].shape == (300,)


def test_real_nuscenes_key_frames_load(realdata, tmp_path):
    scans = sorted((realdata / 'nuscenes/samples/LIDAR_TOP').glob('*.bin'))
    entries = [dict(lidar_points=dict(num_pts_feats=5, lidar_path=scan.name)) for scan in scans]
    write_infos(tmp_path / 'nuscenes_infos_val.pkl', entries)
    (tmp_path / 'samples').symlink_to((realdata / 'nuscenes/samples').absolute())
    pipeline = [s for s in Config.fromfile(CONFIG).test_pipeline if s['type'] not in LABEL_STEPS]
    data = dataset(tmp_path, 'val', load_eval_anns=False, pipeline=pipeline)
    sizes = [len(data[i]['inputs']['points']) for i in range(3)]
    assert sizes == [34752, 34784, 34688]  # by file name
    intensity = data[0]['inputs']['points'][:, 3]
    assert intensity.min() == 0 and 0.9 < intensity.max() <= 1

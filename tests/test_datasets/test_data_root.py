"""A config whose data is not there is refused in one sentence that names the nearest thing."""

import pytest

from projects.SRKD.datasets.data_root import check_data_root


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ('points', 'semantic_mask', 'seg_info'):
        (tmp_path / 'data/mini_scannet' / folder).mkdir(parents=True)
    (tmp_path / 'data/mini_scannet/scannet_infos_train.pkl').touch()
    (tmp_path / 'data/mini_scannet/seg_info/train_resampled_scene_idxs.npy').touch()
    return 'data/mini_scannet/'


def config(root, **changes):
    dataset = dict(
        type='ScanNetSegDataset',
        data_root=root,
        ann_file='scannet_infos_train.pkl',
        data_prefix=dict(pts='points', pts_semantic_mask='semantic_mask', img='nowhere'),
        scene_idxs='seg_info/train_resampled_scene_idxs.npy',
    )
    return dict(train_dataloader=dict(dataset={**dataset, **changes}), val_dataloader=None)


def test_a_complete_root_passes(root):
    check_data_root(config(root))
    check_data_root({})
    check_data_root(config(root, scene_idxs=[0, 1]))


def test_a_misspelt_root_is_named_with_its_neighbor(root):
    match = (
        r'data_root data/mini_scanet/ of train_dataloader does not exist \(looked from .*\), '
        r'expected the folder of scannet_infos_train.pkl; '
        r'the nearest name there is .*data/mini_scannet$'
    )
    with pytest.raises(FileNotFoundError, match=match):
        check_data_root(config('data/mini_scanet/'))


def test_a_root_far_from_anything_tells_what_is_there(root):
    with pytest.raises(FileNotFoundError, match=r'has no kitti, it holds mini_scannet$'):
        check_data_root(config('data/kitti/training/'))


def test_a_file_is_no_root(root):
    with pytest.raises(FileNotFoundError, match='of train_dataloader is a file'):
        check_data_root(config(root + 'scannet_infos_train.pkl'))


@pytest.mark.parametrize('changes, match', [
    (dict(ann_file='scannet_infos_trian.pkl'),
     r'ann_file of train_dataloader .* the file data/mini_scannet/scannet_infos_trian.pkl .*'
     'nearest name there is .*scannet_infos_train.pkl'),
    (dict(data_prefix=dict(pts='point')),
     r'data_prefix.pts of train_dataloader .* the folder data/mini_scannet/point .*'
     'nearest name there is .*/points'),
    (dict(scene_idxs='seg_info/train_resampled_idxs.npy'),
     r'scene_idxs of train_dataloader .*nearest name .*train_resampled_scene_idxs.npy'),
])  # fmt: skip
def test_parts_of_a_root_are_looked_for(root, changes, match):
    with pytest.raises(FileNotFoundError, match=match):
        check_data_root(config(root, **changes))


@pytest.mark.parametrize('wrap', [
    lambda inner: dict(type='RepeatDataset', times=2, dataset=inner),
    lambda inner: dict(type='ConcatDataset', datasets=[config('data/mini_scannet/')[
        'train_dataloader']['dataset'], inner]),
])  # fmt: skip
def test_wrapped_data_sets_are_looked_at(root, wrap):
    wrong = config('data/mini_scanet/')['train_dataloader']['dataset']
    with pytest.raises(FileNotFoundError, match='data/mini_scanet/ of test_dataloader'):
        check_data_root(dict(test_dataloader=dict(dataset=wrap(wrong))))


def test_only_the_loaders_of_the_run_count(root):
    check_data_root(config('elsewhere'), splits=('test',))


def test_remote_storage_is_left_to_the_run(root):
    check_data_root(config('s3://bucket/scannet/'))
    check_data_root(config('bucket/scannet/', backend_args=dict(backend='petrel')))
    with pytest.raises(FileNotFoundError):
        check_data_root(config('bucket/scannet/', backend_args=dict(backend='local')))


def street(**changes):
    dataset = dict(
        type='NuScenesLidarSegDataset',
        data_root='nuscenes',
        data_prefix=dict(pts='samples/LIDAR_TOP', pts_semantic_mask='lidarseg/v1.0-trainval'),
    )
    return dict(test_dataloader=dict(dataset={**dataset, **changes}))


def test_a_nuscenes_root_without_lidarseg_is_told_what_to_unpack(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'nuscenes/samples/LIDAR_TOP').mkdir(parents=True)
    match = (
        r'data_prefix.pts_semantic_mask of test_dataloader does not exist: expected the folder '
        r'nuscenes/lidarseg/v1.0-trainval \(looked from .*\) \(nuScenes-lidarseg is an archive of '
        r'its own: unpack it into the data root\); .*nuscenes has no lidarseg, it holds samples'
    )
    with pytest.raises(FileNotFoundError, match=match):
        check_data_root(street(test_mode=True))
    check_data_root(street(test_mode=True, load_eval_anns=False))  # a split without labels
    with pytest.raises(FileNotFoundError, match='expected the folder nuscenes/lidarseg'):
        check_data_root(street(test_mode=False, load_eval_anns=False))


def test_a_folder_of_sweeps_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'nuscenes/samples/LIDAR_TOP').mkdir(parents=True)
    prefix = dict(pts='samples/LIDAR_TOP', sweeps='sweeps/LIDAR_TOP')
    with pytest.raises(FileNotFoundError, match='data_prefix.sweeps .* nuscenes/sweeps/LIDAR_TOP'):
        check_data_root(street(data_prefix=prefix))


def test_classes_that_do_not_fit_the_label_map_are_refused(root):
    fitting = dict(classes=('car', 'bus'), seg_label_mapping={0: 2, 10: 0, 13: 1}, max_label=20)
    check_data_root(config(root, metainfo=fitting, type='SemanticKittiDataset'))
    match = (
        'seg_label_mapping of SemanticKittiDataset in train_dataloader maps raw id 13 to class 1, '
        'expected 0 to 0 for its 1 classes or the ignored label 2'
    )
    with pytest.raises(ValueError, match=match):
        check_data_root(
            config(
                root,
                metainfo=fitting | dict(classes=('car',)),
                ignore_index=2,
                type='SemanticKittiDataset',
            )
        )


def test_a_class_that_kitti_lacks_is_refused_before_the_run(tmp_path):
    dataset = dict(
        type='KittiDataset', data_root=str(tmp_path), metainfo=dict(classes=['Car', 'Pedestrain'])
    )
    with pytest.raises(ValueError, match="'Pedestrain' in metainfo of train_dataloader is not"):
        check_data_root(dict(train_dataloader=dict(dataset=dataset)), ['train'])

"""Bad files are refused in one sentence; point identities survive every transform."""

import pickle
import warnings

import mmengine
import numpy as np
import pytest
import torch
from mmdet3d.datasets import ScanNetSegDataset
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import DepthPoints, LiDARPoints
from mmengine.dataset import Compose

from projects.SRKD.datasets.loading import LoadPointsChecked, LoadSegAnnotationsChecked
from projects.SRKD.datasets.point_steps import AddPointIdentity, DivideIntensity

LOAD_POINTS = dict(
    type='LoadPointsFromFile', coord_type='DEPTH', use_color=True, load_dim=6, use_dim=6
)
LOAD_MASKS = dict(
    type='LoadAnnotations3D',
    with_bbox_3d=False,
    with_label_3d=False,
    with_seg_3d=True,
    with_mask_3d=True,
)
LABELS = np.array([1, 2, 5, 0, 39, 40, 1], np.int64)


@pytest.fixture
def root(tmp_path):
    """A ScanNet root of two scans of seven points; the second has no valid label."""
    for folder in ('points', 'semantic_mask', 'instance_mask'):
        (tmp_path / folder).mkdir()
    entries = []
    for i, label in enumerate((LABELS, np.full(7, 40))):
        name = f'scene000{i}_00.bin'
        cloud = np.arange(42, dtype=np.float32).reshape(7, 6)
        cloud.tofile(tmp_path / 'points' / name)
        label.astype(np.int64).tofile(tmp_path / 'semantic_mask' / name)
        np.arange(7, dtype=np.int64).tofile(tmp_path / 'instance_mask' / name)
        entries.append(
            dict(
                lidar_points=dict(num_pts_feats=6, lidar_path=name),
                pts_semantic_mask_path=name,
                pts_instance_mask_path=name,
            )
        )
    mmengine.dump(dict(metainfo={}, data_list=entries), tmp_path / 'infos.pkl')
    return tmp_path


def dataset(root, *transforms, **kwargs):
    pipeline = transforms or (LOAD_POINTS, LOAD_MASKS)
    kwargs = dict(scene_idxs=[0, 1], **kwargs)
    return ScanNetSegDataset(
        data_root=str(root),
        ann_file='infos.pkl',
        pipeline=list(pipeline),
        metainfo=dict(classes=ScanNetSegDataset.METAINFO['classes']),
        data_prefix=dict(
            pts='points', pts_semantic_mask='semantic_mask', pts_instance_mask='instance_mask'
        ),
        **kwargs,
    )


def test_good_files_load_like_mmdet3ds_own(root):
    checked = dataset(root)[0]
    own = dict(LOAD_POINTS, type='LoadPointsFromFile'), dict(LOAD_MASKS, type='LoadAnnotations3D')
    plain = dataset(root, *own)[0]
    assert torch.equal(checked['points'].tensor, plain['points'].tensor)
    assert checked['points'].attribute_dims == dict(color=[3, 4, 5])
    assert np.array_equal(checked['pts_semantic_mask'], LABELS)
    assert np.array_equal(checked['pts_instance_mask'], plain['pts_instance_mask'])


@pytest.mark.parametrize('cut', [1, 4, 23])
def test_truncated_points_are_refused(root, cut):
    path = root / 'points/scene0000_00.bin'
    path.write_bytes(path.read_bytes()[:-cut])
    match = (
        rf'points file .*scene0000_00.bin is truncated or of another layout: {168 - cut} bytes, '
        r'expected a multiple of 24 \(points of 6 float32 values, 24 bytes each\)'
    )
    with pytest.raises(ValueError, match=match):
        dataset(root)[0]


@pytest.mark.parametrize('columns', [4, 5])
def test_the_widths_that_fit_a_file_are_named(root, columns):
    np.zeros((11, columns), np.float32).tofile(root / 'points/scene0000_00.bin')
    load = dict(LOAD_POINTS, load_dim=7, use_dim=3, use_color=False)
    info = mmengine.load(root / 'infos.pkl')
    info['data_list'][0]['lidar_points'].pop('num_pts_feats')
    mmengine.dump(info, root / 'infos.pkl')
    match = rf'multiple of 28 .*, 28 bytes each\); {columns} columns would fit'
    with pytest.raises(ValueError, match=match):
        dataset(root, load)[0]


def test_another_number_of_columns_than_the_info_file_tells_is_refused(root):
    match = (
        r'points file .*scene0000_00.bin has 6 columns as its info file says \(num_pts_feats\), '
        'LoadPointsFromFile reads load_dim=3: expected equal numbers'
    )
    with pytest.raises(ValueError, match=match):  # 168 bytes are whole points of 3 columns, too
        dataset(root, dict(LOAD_POINTS, load_dim=3, use_dim=3, use_color=False))[0]


def test_an_empty_points_file_is_refused(root):
    (root / 'points/scene0000_00.bin').write_bytes(b'')
    with pytest.raises(ValueError, match=r'points file .*scene0000_00.bin is empty'):
        dataset(root)[0]


@pytest.mark.parametrize('folder, kind', [
    ('points', 'points'), ('semantic_mask', 'mask'), ('instance_mask', 'mask')
])  # fmt: skip
def test_a_missing_file_is_named_with_its_neighbor(root, folder, kind):
    (root / folder / 'scene0000_00.bin').rename(root / folder / 'scene0000_00_.bin')
    match = (
        rf'{kind} file .*{folder}/scene0000_00.bin does not exist; '
        rf'the nearest name there is .*{folder}/scene0000_00_.bin'
    )
    with pytest.raises(FileNotFoundError, match=match):
        dataset(root)[0]


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('column, what', [(1, 'coordinates'), (4, 'features')])
def test_points_that_are_not_finite_are_counted(root, value, column, what):
    cloud = np.zeros((7, 6), np.float32)
    cloud[[2, 5], column] = value
    cloud.tofile(root / 'points/scene0000_00.bin')
    match = (
        rf'points file .*scene0000_00.bin has NaN or infinite {what} in 2 of 7 points, '
        'the first is point 2'
    )
    with pytest.raises(ValueError, match=match):
        dataset(root)[0]


def test_columns_that_are_not_used_may_hold_anything(root):
    cloud = np.zeros((7, 6), np.float32)
    cloud[:, 5] = np.nan
    cloud.tofile(root / 'points/scene0000_00.bin')
    loading = dict(LOAD_POINTS, use_dim=[0, 1, 2, 3], use_color=False)
    assert dataset(root, loading)[0]['points'].tensor.shape == (7, 4)


@pytest.mark.parametrize('folder, kind', [
    ('semantic_mask', 'semantic'), ('instance_mask', 'instance')
])  # fmt: skip
def test_a_mask_of_another_length_is_refused(root, folder, kind):
    np.ones(6, np.int64).tofile(root / folder / 'scene0000_00.bin')
    match = (
        rf'{kind} mask .*{folder}/scene0000_00.bin has 6 labels, expected 7: '
        'one per point of .*points/scene0000_00.bin'
    )
    with pytest.raises(ValueError, match=match):
        dataset(root)[0]


def test_a_truncated_mask_is_refused(root):
    path = root / 'semantic_mask/scene0000_00.bin'
    path.write_bytes(path.read_bytes()[:-3])
    match = r'mask file .* 53 bytes, expected a multiple of 8 \(one int64 label per point'
    with pytest.raises(ValueError, match=match):
        dataset(root)[0]


@pytest.mark.parametrize('label', [-1, 42, 255])
def test_label_ids_the_mapping_does_not_know_are_refused(root, label):
    np.array([1, 2, 3, label, 5, 6, 7], np.int64).tofile(root / 'semantic_mask/scene0000_00.bin')
    match = (
        rf'semantic mask .* has label id {label} in point 3, expected ids 0 to 41 as the label '
        'mapping of ScanNetSegDataset knows them'
    )
    with pytest.raises(ValueError, match=match):
        dataset(root)[0]


def test_an_id_within_the_mapping_that_no_class_has_is_refused(root):
    np.array([1, 2, 3, 13, 5, 13, 7], np.int64).tofile(root / 'semantic_mask/scene0000_00.bin')
    assert len(dataset(root)[0]['pts_semantic_mask']) == 7  # 13 is within the mapping array
    match = (
        r'semantic mask .*scene0000_00.bin has label id 13 in 2 of 7 points, the first is point 3; '
        'the label map does not know it, the nearest ids it knows are 12, 14, 11'
    )
    known = [i for i in range(41) if i != 13]
    with pytest.raises(ValueError, match=match):
        dataset(root, LOAD_POINTS, dict(LOAD_MASKS, known_ids=known))[0]
    dataset(root, LOAD_POINTS, dict(LOAD_MASKS, known_ids=range(41)))[0]


def test_an_info_file_that_names_no_mask_is_refused(root):
    infos = mmengine.load(root / 'infos.pkl')
    infos['data_list'] = [
        {key: value for key, value in entry.items() if key != 'pts_semantic_mask_path'}
        for entry in infos['data_list']
    ]
    load = LoadSegAnnotationsChecked(with_bbox_3d=False, with_label_3d=False, with_seg_3d=True)
    match = 'the info file names no pts_semantic_mask_path for here.bin, expected the mask that'
    with pytest.raises(ValueError, match=match):
        load(dict(infos['data_list'][0], lidar_path='here.bin'))


def test_a_scan_without_valid_labels_is_warned_of_once(root):
    data = dataset(root)
    match = (
        r'semantic mask .*scene0001_00.bin has no valid label: all 7 points map to the '
        'ignored label 20'
    )
    with pytest.warns(UserWarning, match=match):
        data[1]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        data[1]
        data[0]
        dataset(root, test_mode=True)[1]  # nothing is learned from a test scan


def test_the_steps_old_names_do_the_same_and_say_what_they_are_called():
    for old, new in ((LoadPointsChecked, 'PointsFromFile'), (LoadSegAnnotationsChecked, 'Annot')):
        words = f'{old.__name__} is called Load{new}.* now; the old name goes with 0.3'
        given = ['DEPTH'] if 'Points' in new else []
        with pytest.warns(FutureWarning, match=words):
            step = TRANSFORMS.get(old.__name__)(*given)
        assert isinstance(step, old.__mro__[1]) and pickle.loads(pickle.dumps(step))


def test_backends_are_kept(root):
    points = LoadPointsChecked('DEPTH', backend_args=dict(backend='local'))
    masks = LoadSegAnnotationsChecked(backend_args=dict(backend='local'))
    assert points.backend_args == masks.backend_args == dict(backend='local')
    loading = dict(LOAD_POINTS, backend_args=dict(backend='local'))
    assert len(dataset(root, loading)[0]['points']) == 7


def test_intensities_are_divided_and_nothing_else():
    tensor = torch.tensor([[1.0, 2, 3, 255, 31], [4, 5, 6, 51, 7]])
    points = LiDARPoints(tensor.clone(), points_dim=5)
    moved = DivideIntensity(255)(dict(points=points))['points'].tensor
    torch.testing.assert_close(moved, tensor / torch.tensor([1.0, 1, 1, 255, 1]))
    with pytest.raises(ValueError, match='must have at least 4 columns .* got 3'):
        DivideIntensity()(dict(points=LiDARPoints(tensor[:, :3], points_dim=3)))
    with pytest.raises(ValueError, match='divisor of DivideIntensity must be positive, but got 0'):
        DivideIntensity(0)


AUGMENT = [
    dict(type='RandomFlip3D', sync_2d=False, flip_ratio_bev_horizontal=1.0),
    dict(type='GlobalRotScaleTrans', rot_range=[1, 2], scale_ratio_range=[0.5, 0.6],
         translation_std=[1, 1, 1]),
    dict(type='RandomJitterPoints', jitter_std=[0.1] * 3, clip_range=[-0.2, 0.2]),
    dict(type='NormalizePointsColor', color_mean=[1, 2, 3]),
    dict(type='PointShuffle'),
    dict(type='PointSample', num_points=5),
    dict(type='PointsRangeFilter', point_cloud_range=[-30, -30, -30, 30, 30, 30]),
]  # fmt: skip


@pytest.mark.parametrize('transform', AUGMENT, ids=lambda t: t['type'])
def test_identities_survive(root, transform):
    torch.manual_seed(0)
    np.random.seed(0)
    results = dataset(root, LOAD_POINTS, dict(type='AddPointIdentity'))[1]
    file = results['points'].tensor.clone()
    moved = TRANSFORMS.build(transform)(results)['points']
    row, slot = moved.tensor[:, -2].long(), moved.tensor[:, -1]
    assert slot.eq(1).all() and moved.points_dim == 8
    if len(row) < 7:
        assert len(row.unique()) == len(row) > 0
    else:
        assert row.sort().values.tolist() == list(range(7))
    if transform['type'] in ('PointShuffle', 'PointSample', 'PointsRangeFilter'):
        assert torch.equal(moved.tensor, file[row])
    else:
        assert not torch.equal(moved.tensor, file)
    if transform['type'] == 'NormalizePointsColor':
        expected = (file[row, 3:6] - torch.tensor([1.0, 2.0, 3.0])) / 255
        torch.testing.assert_close(moved.tensor[:, 3:6], expected)


def test_identities_tell_mixed_scans_apart(root):
    pre = [LOAD_POINTS, LOAD_MASKS, dict(type='AddPointIdentity')]
    mix = dict(type='LaserMix', num_areas=[3], pitch_angles=[-90, 90], prob=1.0, pre_transform=pre)
    rng = np.random.default_rng(0)
    for i in range(2):
        cloud = rng.standard_normal((200, 6)).astype(np.float32)
        cloud.tofile(root / f'points/scene000{i}_00.bin')
        np.ones(200, np.int64).tofile(root / f'semantic_mask/scene000{i}_00.bin')
        np.ones(200, np.int64).tofile(root / f'instance_mask/scene000{i}_00.bin')
    data, met = dataset(root, *pre, mix), set()
    for seed in range(6):  # the partner is drawn, now and then it is the scan itself
        np.random.seed(seed)
        mixed = data[0]['points'].tensor  # (n, 8)
        met |= set(mixed[:, -1].tolist())
        for scan in mixed[:, -1].unique().long().tolist():
            here = mixed[mixed[:, -1] == scan]
            file = np.fromfile(root / f'points/scene000{scan}_00.bin', np.float32).reshape(-1, 6)
            assert np.array_equal(here[:, :6], file[here[:, -2].long()])
    assert met == {0, 1}


def test_identities_are_exact_up_to_2_to_the_24th():
    points = DepthPoints(torch.zeros(3, 3), points_dim=3)
    results = AddPointIdentity()(dict(points=points, sample_idx=2**24))
    assert results['points'].tensor[:, -1].tolist() == [2**24] * 3
    assert results['points'].tensor[:, -2].tolist() == [0, 1, 2]
    match = (
        r'numbers at most 2\^24 = 16777216 scans exactly in float32, but got 16777217 in here.bin'
    )
    with pytest.raises(ValueError, match=match):
        AddPointIdentity()(dict(points=points, sample_idx=2**24 + 1, lidar_path='here.bin'))
    many = DepthPoints(torch.zeros(1, 3).expand(2**24 + 1, 3), points_dim=3)
    with pytest.raises(ValueError, match=r'2\^24 = 16777216 points exactly in float32'):
        AddPointIdentity()(dict(points=many, sample_idx=0))


def test_the_transforms_stand_in_a_pipeline_by_name(root):
    data = dataset(root, LOAD_POINTS, LOAD_MASKS, dict(type='AddPointIdentity'))
    assert isinstance(data.pipeline, Compose) and 'AddPointIdentity()' in repr(data.pipeline)

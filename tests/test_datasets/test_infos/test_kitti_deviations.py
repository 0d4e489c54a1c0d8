"""Roots in KITTI's layout that differ from a good one in one thing: taken rightly, or named.

Whatever is refused is refused before the first file is written.
"""

import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from mmdet3d.datasets import KittiDataset
from PIL import Image
from toy_kitti import copy_frame, small_streets

from projects.SRKD.base import UsageError
from projects.SRKD.datasets.infos.kitti import write_kitti_infos
from projects.SRKD.datasets.infos.kitti_files import read_labels

REDUCED, FULL = 'training/velodyne_reduced', 'training/velodyne'
LABEL, CLOUD = 'training/label_2/000001.txt', f'{REDUCED}/000001.bin'
SIZES, TRAIN = 'image_sizes.csv', 'ImageSets/train.txt'
PLANE, IMAGE = 'training/planes/000001.txt', 'training/image_2/000001.png'


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    return small_streets(tmp_path_factory.mktemp('kitti') / 'streets', 2, 2, azimuth_steps=360)


@pytest.fixture
def root(streets, tmp_path):
    """Frame 000001 trains, 000000 validates."""
    root = copy_frame(streets, tmp_path / 'kitti')
    for folder, tail in (('calib', 'txt'), ('label_2', 'txt'), ('velodyne_reduced', 'bin')):
        shutil.copy(streets / f'training/{folder}/000000.{tail}', root / 'training' / folder)
    (root / 'ImageSets/val.txt').write_text('000000\n')
    return root


def text(old, new):
    def change(path):
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new))

    return change


def points(function):
    return lambda path: function(np.fromfile(path, np.float32).reshape(-1, 4)).tofile(path)


def written(content):
    def change(path):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    return change


def files(root):
    return {path: path.read_bytes() for path in root.rglob('*') if path.is_file()}


REFUSED = {
    'a class of somebody else': (LABEL, text('Car', 'Forklift'), "class 'Forklift' in line 1 of "),
    'a size of zero': (LABEL, lambda path: path.write_text(
        'Car 0 0 0 500 150 560 180 0 0 0 2 1.6 20 0\n'), 'line 1 of .*000001.txt has a box of he'),
    'a box outside of the image': (LABEL, lambda path: path.write_text(
        'Car 0 0 0 1500 150 1560 180 2 2 4 2 1.6 20 0\n'), r'000001.txt has a Car around pixel '
        r'\(1530, 165\), outside of the image of 1242 x 375 pixels \(width x height\)$'),
    'swapped sizes': (SIZES, text('1242,375', '375,1242'), 'has a .* outside of the image of 375 x '
        '1242 pixels .*; with width and height swapped it lies inside'),
    'sizes of other columns': (SIZES, text('frame,width,height', 'name,w,h'),
        "image_sizes.csv starts with 'name,w,h', expected the columns frame,width,height"),
    'sizes without a header': (SIZES, text('frame,width,height\n', ''),
        "image_sizes.csv starts with '000000,1242,375', expected the columns"),
    'sizes that are none': (SIZES, text('000001,1242,375', '000001,1242,0'),
        "line 3 of .*image_sizes.csv is '000001,1242,0', expected frame, width and height"),
    'a size too few': (SIZES, text('000001,1242,375', '000001,1242'),
        "line 3 of .*image_sizes.csv is '000001,1242', expected frame, width and height"),
    'sizes of other frames': (SIZES, text('000001,', '000071,'), 'image size of frame 000001 is '
        'unknown: expected a row of .*image_sizes.csv .* or the image .*000001.png; the nearest'),
    'float64': (CLOUD, points(lambda p: p.astype(np.float64)),
        '000001.bin has .*, expected float32 x, y, z .*; read as float64 it would be right'),
    'big-endian': (CLOUD, points(lambda p: p.astype('>f4')),
        '000001.bin has .*; read as big-endian float32 it would be right'),
    'three columns': (CLOUD, points(lambda p: p[: len(p) // 4 * 4, :3].copy()),
        '000001.bin has reflectances from .*; read as three columns it would be right'),
    'five columns': (CLOUD, points(lambda p: np.c_[p, p[:, 3]][: len(p) // 4 * 4].astype('f4')),
        '000001.bin has .*; read as five columns it would be right'),
    'half a point': (CLOUD, points(lambda p: p.ravel()[:-2]), 'holds .* bytes, no multiple of 16'),
    'points that are NaN': (CLOUD, points(lambda p: np.where(p == p.max(), np.float32('nan'), p)),
        '000001.bin has NaN or infinity in 1 of .* points, the first is point '),
    'millimeters': (CLOUD, points(lambda p: p * np.float32([1e3, 1e3, 1e3, 1])),
        r'000001.bin has a coordinate of \S+ m, expected'),
    'no points': (CLOUD, written(b''), '000001.bin is empty, expected float32 x, y, z'),
    'points behind': (CLOUD, points(lambda p: p * np.float32([-1, 1, 1, 1])),
        'none of the .* points of .*000001.bin lies before the camera and inside of the image'),
    'a plane of no line': (PLANE, written(b'#\nW\n'), '000001.txt has 0 numbers in line 4, exp'),
    'a plane of words': (PLANE, written(b'#\nW\nH\na b c d\n'), "has 'a' for a number of the"),
    'a plane of three': (PLANE, written(b'#\nW\nH\n0 -1 1.65\n'), 'has 3 numbers in line 4, exp'),
    'a plane of no normal': (PLANE, written(b'#\nW\nH\n0 -7 0 1\n'), 'a normal of length 7,'),
    'a frame by file name': (TRAIN, text('000001', '000001.txt'), "line 1 of .*names the frame '"
        "000001.txt', expected a number such as 000123, the frame alone is 000001"),
    'a frame that is not there': (TRAIN, text('000001', '000001\n000011'), 'train.txt names frame '
        '000011, of which .*training holds nothing; the nearest name there is .*00000[01].txt'),
}  # fmt: skip


@pytest.mark.parametrize('path, change, said', REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_is_named_and_nothing_is_written(root, path, change, said):
    change(root / path)
    before = files(root)
    with pytest.raises(UsageError, match=said):
        write_kitti_infos(root)
    assert files(root) == before


@pytest.mark.parametrize('content, said', [
    (b'', r'000001.png is empty, expected a PNG, whose head tells its size: convert it'),
    (b'\xff\xd8\xff\xe0\x00\x10JFIF' + bytes(50), '000001.png is a JPEG, expected a PNG'),
    (b'GIF89a' + bytes(50), '000001.png is no PNG, expected a PNG'),
])  # fmt: skip
def test_an_image_that_is_no_png_leaves_no_cloud_cut_to_a_size_it_does_not_have(
        root, content, said):  # fmt: skip
    (root / SIZES).unlink()
    for name in ('000000', '000001'):
        written(content)(root / f'training/image_2/{name}.png')
    (root / REDUCED).rename(root / FULL)
    before = files(root)
    with pytest.raises(UsageError, match=said.replace('000001', '00000.')):
        write_kitti_infos(root)
    assert files(root) == before


def test_a_cut_cloud_that_an_earlier_run_left_is_named(root):
    """Its image was said to be half as wide then."""
    shutil.copytree(root / REDUCED, root / FULL)
    shutil.rmtree(root / REDUCED)
    sizes = (root / SIZES).read_text()
    labels = {path: path.read_text() for path in (root / 'training/label_2').iterdir()}
    (root / SIZES).write_text(sizes.replace('1242', '621'))
    for path in labels:
        path.write_text('')
    write_kitti_infos(root)
    (root / SIZES).write_text(sizes)
    for path, content in labels.items():
        path.write_text(content)
    with pytest.raises(
        UsageError,
        match='holds .* points where .*velodyne/00000..bin, cut to the '
        'image of 1242 x 375 pixels, gives .*: an earlier run .* remove ',
    ):
        write_kitti_infos(root)
    shutil.rmtree(root / REDUCED)
    assert write_kitti_infos(root) == dict(train=1, val=1)


def infos(root, split='train'):
    return pickle.loads((root / f'kitti_infos_{split}.pkl').read_bytes())['data_list']


@pytest.mark.parametrize('path, change', [
    (SIZES, text('\n00000', '\n')),
    (LABEL, lambda path: path.write_bytes(
        b'\xef\xbb\xbf' + path.read_bytes().replace(b'\n', b'\r\n'))),
    (LABEL, lambda path: path.write_text(
        ''.join(f'{row} 0.0\n' for row in path.read_text().splitlines()))),
    ('ImageSets/val.txt', text('\n', '\r\n\r\n')),
], ids=['sizes without leading zeros', 'labels of Windows', 'labels with a score', 'empty lines'],
)  # fmt: skip
def test_what_means_the_same_gives_the_same(root, path, change):
    write_kitti_infos(root)
    before = infos(root), infos(root, 'val')
    change(root / path)
    write_kitti_infos(root)
    assert (infos(root), infos(root, 'val')) == before


@pytest.mark.parametrize('unknown', ['-1.00', '0.00'])
def test_unknown_2d_boxes_are_those_of_the_3d_boxes(root, unknown):
    write_kitti_infos(root)
    before = infos(root)[0]['instances']
    rows = [row.split() for row in (root / LABEL).read_text().splitlines()]
    rows = [row[:4] + [unknown] * 4 + row[8:] for row in rows if row[0] != 'DontCare']
    (root / LABEL).write_text('\n'.join(map(' '.join, rows)))
    with pytest.warns(
        UserWarning,
        match=f'{len(rows)} objects have no 2D box, the first in frame '
        '000001: theirs are computed from the 3D boxes',
    ):
        write_kitti_infos(root)
    after = infos(root)[0]['instances']
    before = [thing for thing in before if thing['bbox_label'] >= 0]
    assert len(after) == len(before) > 3
    for new, old in zip(after, before):
        assert new['bbox'] == pytest.approx(old['bbox'], abs=0.02)  # labels have two decimals
        assert new['difficulty'] == old['difficulty']


def test_an_object_that_the_image_does_not_see_keeps_an_unknown_2d_box(root):
    (root / LABEL).write_text('Car 0 0 0 -1 -1 -1 -1 1.5 1.6 3.9 0 1.6 -20 0\n')
    with pytest.warns(UserWarning, match='1 objects have no 2D box'):
        write_kitti_infos(root)
    (thing,) = infos(root)[0]['instances']
    assert thing['bbox'] == [-1.0] * 4 and thing['difficulty'] == -1


def test_frames_named_twice_and_by_both_splits_are_counted_and_named(root):
    (root / TRAIN).write_text('000001\n000001\n')
    (root / 'ImageSets/val.txt').write_text('000000\n000001\n')
    with pytest.warns(UserWarning) as said:
        assert write_kitti_infos(root) == dict(train=2, val=2)
    said = [str(one.message) for one in said]
    assert 'train names 1 of its 1 frames more than once, the first is 000001' in said
    assert (
        '1 of the 2 frames of val are trained on, the first is 000001: scores on them say '
        'nothing of new frames'
    ) in said
    data = KittiDataset(data_root=f'{root}/', ann_file='kitti_infos_train.pkl',
                        data_prefix=dict(pts=REDUCED))  # fmt: skip
    assert [Path(data.get_data_info(i)['lidar_path']).is_file() for i in (0, 1)] == [True, True]
    database = pickle.loads((root / 'kitti_dbinfos_train.pkl').read_bytes())
    paths = [entry['path'] for entries in database.values() for entry in entries]
    assert len(paths) == len(set(paths)) == len(list((root / 'kitti_gt_database').iterdir()))


@pytest.mark.parametrize('path, change, said', [
    (PLANE, written(b'#\nW\nH\n0 -1 0 1.65\n'), 'planes lacks 1 of 2 frames, the first is 000000: '
        'no config with use_ground_plane=True can train on them'),
    (CLOUD, points(lambda p: np.r_[p, p * np.float32([-1, 1, 1, 1])]), '1 of 2 clouds in '
        'training/velodyne_reduced reach outside of their image, .* the first is 000001 with 50%'),
    (LABEL, lambda path: path.write_text(path.read_text().splitlines()[0] + '\n' +
                                         path.read_text()), '1 objects are labeled twice, the fi'),
], ids=['planes', 'clouds', 'objects'])  # fmt: skip
def test_what_is_worth_a_word_is_told(root, path, change, said):
    change(root / path)
    with pytest.warns(UserWarning, match=said):
        write_kitti_infos(root)


def test_a_good_root_is_taken_without_a_word(root):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert write_kitti_infos(root) == dict(train=1, val=1)
    assert not list(root.rglob('*.part'))


def test_objects_of_an_earlier_run_do_not_stay(root):
    old = root / 'kitti_gt_database/7_Car_0.bin'
    written(b'')(old)
    write_kitti_infos(root)
    assert not old.exists() and list(old.parent.iterdir())


def test_a_root_that_cannot_be_written_to_is_named_first(root, monkeypatch):
    monkeypatch.setattr('os.access', lambda path, mode: Path(path) != root)
    with pytest.raises(UsageError, match=f'^{root} receives the info files and cannot be written'):
        write_kitti_infos(root)


def test_labels_of_regions_are_those_of_the_object_benchmark_in_the_infos(root):
    (root / LABEL).write_text('DontCare -1 -1 -10 500 150 560 180 -1000 -1000 -1000 -10 -1 -1 -1\n')
    write_kitti_infos(root)
    (thing,) = infos(root)[0]['instances']
    assert thing['bbox_3d'] == [-1000, -1000, -1000, -1, -1, -1, -10]
    assert thing['num_lidar_pts'] == -1 and read_labels(root / LABEL)[0].size == (-1, -1, -1)


def test_a_size_that_the_image_contradicts_is_refused(root):
    (root / 'training/image_2').mkdir()
    Image.new('1', (1242, 375)).save(root / IMAGE)
    write_kitti_infos(root)
    Image.new('1', (1224, 370)).save(root / IMAGE)
    with pytest.raises(
        UsageError,
        match='image_sizes.csv says that the image of frame 000001 has '
        r'1242 x 375 pixels \(width x height\), .*000001.png has 1224 x 370$',
    ):
        write_kitti_infos(root)


def test_sizes_come_from_the_heads_of_images(root):
    (root / SIZES).unlink()
    (root / 'training/image_2').mkdir()
    for name in ('000000', '000001'):
        Image.new('1', (1242, 375)).save(root / f'training/image_2/{name}.png')
    write_kitti_infos(root)
    assert infos(root)[0]['images']['CAM2']['width'] == 1242

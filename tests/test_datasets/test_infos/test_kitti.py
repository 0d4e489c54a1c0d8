"""Info files of KITTI's layout: those of MMDetection3D's converter, real frames, bad input."""

import pickle
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from mmdet3d.datasets import KittiDataset
from mmdet3d.structures.ops import box_np_ops
from PIL import Image
from toy_kitti import converter, copy_frame, count_valid, small_streets

from projects.SRKD.datasets.infos.kitti import write_kitti_infos
from projects.SRKD.datasets.infos.kitti_files import CLASSES
from projects.SRKD.datasets.infos.kitti_splits import read_frames

REDUCED = 'training/velodyne_reduced'
TOOL = Path(__file__).parents[3] / 'tools/dataset_converters/kitti_infos.py'


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    return small_streets(tmp_path_factory.mktemp('kitti') / 'streets')


@pytest.fixture
def frame(streets, tmp_path):
    """A root of one frame that a test may damage."""
    return copy_frame(streets, tmp_path / 'kitti')


@pytest.fixture(scope='module')
def real(realdata, tmp_path_factory):
    """The real frames with their infos."""
    root = shutil.copytree(realdata / 'kitti', tmp_path_factory.mktemp('real') / 'kitti')
    assert write_kitti_infos(root) == dict(train=72, val=12)
    return root


def infos(root, split):
    return pickle.loads((root / f'kitti_infos_{split}.pkl').read_bytes())


def dataset(root, split, **more):
    pipeline = [
        dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=4, use_dim=4),
        dict(type='LoadAnnotations3D', with_bbox_3d=True, with_label_3d=True),
    ]
    return KittiDataset(
        data_root=str(root),
        ann_file=f'kitti_infos_{split}.pkl',
        data_prefix=dict(pts=REDUCED),
        **{'pipeline': pipeline, **more},
    )


def reference(root, frames, out):
    """What mmdet3d's own converter writes for some frames, black images made for it."""
    (out / 'training/image_2').mkdir(parents=True)
    for name, source in (('calib', 'calib'), ('label_2', 'label_2'), ('velodyne', REDUCED[9:])):
        (out / 'training' / name).symlink_to((root / 'training' / source).absolute())
    sizes = dict(row.split(',', 1) for row in (root / 'image_sizes.csv').read_text().split())
    for name in frames:
        width, height = map(int, sizes[name].split(','))
        Image.new('1', (width, height)).save(out / f'training/image_2/{name}.png')
    numbers = [int(name) for name in frames]
    old = converter('kitti_data_utils').get_kitti_image_info(
        str(out), velodyne=True, calib=True, image_ids=numbers, num_worker=1
    )
    for info in old:  # _calculate_num_points_in_gt, whose module cannot be loaded by itself
        annos, calib = info['annos'], info['calib']
        some = annos['name'] != 'DontCare'
        camera = np.c_[annos['location'], annos['dimensions'], annos['rotation_y']][some]
        boxes = box_np_ops.box_camera_to_lidar(camera, calib['R0_rect'], calib['Tr_velo_to_cam'])
        points = np.fromfile(out / info['point_cloud']['velodyne_path'], np.float32).reshape(-1, 4)
        counts = np.full(len(some), -1)
        counts[some] = box_np_ops.points_in_rbbox(points[:, :3], boxes).sum(0)
        annos['num_points_in_gt'] = counts
    (out / 'old').mkdir()
    (out / 'new').mkdir()
    (out / 'old/infos.pkl').write_bytes(pickle.dumps(old))
    converter('update_infos_to_v2').update_kitti_infos(str(out / 'old/infos.pkl'), str(out / 'new'))
    return pickle.loads((out / 'new/infos.pkl').read_bytes())


def compare(ours, theirs, path=''):
    if isinstance(theirs, dict):
        assert set(ours) == set(theirs) - {'cam_instances'}, path
        for key in ours:
            compare(ours[key], theirs[key], f'{path}.{key}')
    elif isinstance(theirs, list) and theirs and isinstance(theirs[0], dict):
        assert len(ours) == len(theirs), path
        for i, pair in enumerate(zip(ours, theirs)):
            compare(*pair, f'{path}[{i}]')
    elif isinstance(theirs, str):
        assert ours == theirs, path
    else:  # theirs rounds matrices to float32
        assert np.array(ours) == pytest.approx(np.array(theirs), rel=1e-5, abs=2e-4), path


def test_infos_are_those_of_mmdet3ds_converter(streets, tmp_path):
    theirs = reference(streets, ['000000', '000001', '000003'], tmp_path / 'ref')
    ours = {info['sample_idx']: info for info in infos(streets, 'train')['data_list']}
    for info in theirs['data_list']:
        compare(ours[info['sample_idx']], info, str(info['sample_idx']))
    assert infos(streets, 'train')['metainfo'] == {**theirs['metainfo'], 'categories': {
        **{name: i for i, name in enumerate(CLASSES)}, 'DontCare': -1}}  # fmt: skip


def test_real_infos_are_those_of_mmdet3ds_converter(real, tmp_path):
    theirs = reference(real, ['000001', '000310', '006025'], tmp_path / 'ref')
    ours = {info['sample_idx']: info for info in infos(real, 'trainval')['data_list']}
    for info in theirs['data_list']:
        compare(ours[info['sample_idx']], info, str(info['sample_idx']))


def test_kitti_dataset_reads_them_and_boxes_hold_points(streets):
    data = dataset(streets, 'train', metainfo=dict(classes=['Pedestrian', 'Cyclist', 'Car']))
    assert len(data) == 5
    for k in range(5):
        sample, listed = data.pipeline(data.get_data_info(k)), data.get_data_info(k)
        points, boxes = sample['points'].numpy(), sample['gt_bboxes_3d'].numpy()
        inside = box_np_ops.points_in_rbbox(points, boxes).sum(0)
        told = [thing['num_lidar_pts'] for thing in listed['instances'] if
                thing['bbox_label'] in (0, 1, 2)]  # fmt: skip
        assert inside == pytest.approx(np.array(told), abs=1)
        assert (inside >= 3).all() and len(points) > 1000


def test_boxes_of_real_frames_hold_points(real):
    held = []
    for split in ('train', 'val'):
        data = dataset(real, split, metainfo=dict(classes=['Car']))
        for k in range(0, len(data), 3):
            sample = data.pipeline(data.get_data_info(k))
            boxes = sample['gt_bboxes_3d'][sample['gt_labels_3d'] == 0]
            inside = box_np_ops.points_in_rbbox(sample['points'].numpy(), boxes.numpy())
            held += (inside.sum(0) > 5).tolist()
    assert len(held) > 50 and np.mean(held) > 0.9


def test_real_val_holds_the_objects_its_readme_counts(real):
    labels = [thing['bbox_label'] for info in infos(real, 'val')['data_list']
              for thing in info['instances']]  # fmt: skip
    assert [labels.count(CLASSES.index(name)) for name in ('Car', 'Pedestrian', 'Cyclist')] == [
        35, 3, 3]  # fmt: skip
    valid = count_valid(infos(real, 'val')['data_list'])
    assert [valid[name][1] for name in ('Car', 'Pedestrian', 'Cyclist')] == [21, 2, 1]


def test_splits_can_be_swapped_beside_each_other(frame, streets):
    names = [path.stem for path in sorted((streets / REDUCED).glob('*.bin'))]
    shutil.copytree(streets / 'training', frame / 'training', dirs_exist_ok=True)
    for file, some in (('a', names[:3]), ('b', names[3:])):
        (frame / f'{file}.txt').write_text('\n'.join(some))
    for prefix, order in (('kitti', 'ab'), ('swapped', 'ba')):
        train, val = (frame / f'{file}.txt' for file in order)
        counts = write_kitti_infos(frame, train, val, prefix)
        assert counts == {'a': dict(train=3, val=6), 'b': dict(train=6, val=3)}[order[0]]
    forth, back = infos(frame, 'train'), pickle.loads(
        (frame / 'swapped_infos_val.pkl').read_bytes())  # fmt: skip
    assert forth == back
    assert len(pickle.loads((frame / 'swapped_infos_trainval.pkl').read_bytes())['data_list']) == 9


def test_points_are_cut_to_the_image_where_only_whole_scans_are_there(frame):
    reduced = np.fromfile(frame / REDUCED / '000001.bin', np.float32).reshape(-1, 4)
    behind = reduced * np.float32([-1, 1, 1, 1])
    shutil.rmtree(frame / REDUCED)
    (frame / 'training/velodyne').mkdir()
    np.concatenate([reduced, behind]).tofile(frame / 'training/velodyne/000001.bin')
    write_kitti_infos(frame)
    assert np.array_equal(np.fromfile(frame / REDUCED / '000001.bin', np.float32), reduced.ravel())


def test_image_sizes_come_from_png_heads_too(frame):
    (frame / 'image_sizes.csv').unlink()
    (frame / 'training/image_2').mkdir()
    Image.new('1', (1224, 370)).save(frame / 'training/image_2/000001.png')
    write_kitti_infos(frame)
    camera = infos(frame, 'train')['data_list'][0]['images']['CAM2']
    assert (camera['height'], camera['width']) == (370, 1224)


def test_ground_planes_are_taken_along(frame):
    (frame / 'training/planes').mkdir()
    text = '# Matrix\nWIDTH 4\nHEIGHT 1\n0.0 -1.0 0.01 1.65\n'
    (frame / 'training/planes/000001.txt').write_text(text)
    write_kitti_infos(frame)
    x, y, z, away = dataset(frame, 'train').get_data_info(0)['plane']
    assert [x, y, z, away] == pytest.approx([0, 0, 1, 1.71], abs=0.1)  # LiDAR frame: z is up


def test_the_tool_writes_them_and_names_what_is_wrong(frame, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['kitti_infos.py', '--root', str(frame), '--prefix', 'some'])
    runpy.run_path(str(TOOL), run_name='__main__')
    assert f'1 + 1 frames in {frame}' in capsys.readouterr().out
    assert (frame / 'some_infos_trainval.pkl').is_file()
    (frame / 'training/calib/000001.txt').unlink()
    with pytest.raises(SystemExit, match='^2$'):
        runpy.run_path(str(TOOL), run_name='__main__')
    said = capsys.readouterr().err
    assert 'kitti_infos.py: the calibration ' in said and 'does not exist' in said


def test_valid_objects_are_counted_cumulatively():
    levels = [(2, 0), (2, 1), (2, 1), (2, 2), (2, -1), (0, 2), (-1, -1)]
    things = [dict(bbox_label=label, difficulty=level) for label, level in levels]
    counts = count_valid([dict(instances=things[:3]), dict(instances=things[3:])])
    assert counts['Car'] == [1, 3, 4] and counts['Pedestrian'] == [0, 0, 1]


@pytest.mark.parametrize('path, said', [
    ('training/calib/000001.txt', 'the calibration .*calib/000001.txt does not exist; .*is empty'),
    ('training/label_2/000001.txt', 'the label file .*label_2/000001.txt does not exist'),
    (f'{REDUCED}/000001.bin', 'the points .*velodyne_reduced/000001.bin do not exist, nor do '
                              '.*velodyne/000001.bin; '),
    ('ImageSets/val.txt', 'the split .*ImageSets/val.txt does not exist; the nearest name there '
                          'is .*train.txt'),
])  # fmt: skip
def test_a_missing_file_of_a_frame_is_named(frame, path, said):
    (frame / path).unlink()
    with pytest.raises(FileNotFoundError, match=said):
        write_kitti_infos(frame)


def test_a_split_that_names_no_frame_of_the_root_is_refused(frame):
    (frame / 'ImageSets/val.txt').write_text('000001\n000011\n')
    with pytest.raises(FileNotFoundError, match='val.txt names frame 000011, of which .*training '
                       'holds nothing; the nearest name there is .*000001.txt'):  # fmt: skip
        write_kitti_infos(frame)


@pytest.mark.parametrize('text, said', [
    ('', 'train.txt is empty, expected a number such as 000123'),
    ('000001\nval', "line 2 of .*train.txt names the frame 'val', expected a number"),
    ('000001.txt', "names the frame '000001.txt', .* such as 000123, the frame alone is 000001"),
])  # fmt: skip
def test_a_split_of_something_else_is_refused(tmp_path, text, said):
    (tmp_path / 'train.txt').write_text(text)
    with pytest.raises(ValueError, match=said):
        read_frames(tmp_path / 'train.txt')

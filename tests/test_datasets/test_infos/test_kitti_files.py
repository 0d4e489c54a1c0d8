"""KITTI's text files: geometry against MMDetection3D's, and every mistake named."""

import numpy as np
import pytest
import torch
from mmdet3d.structures import CameraInstance3DBoxes, LiDARInstance3DBoxes, points_cam2img
from toy_kitti import converter

from projects.MiniScenes.streets.kitti_writer import HEIGHT, WIDTH, calibration
from projects.SRKD.base import UsageError
from projects.SRKD.datasets.infos.kitti_files import (
    Label,
    check_classes,
    read_calibration,
    read_labels,
)

CAR = 'Car 0.10 1 -1.57 599.41 156.40 629.75 209.25 1.50 1.63 4.34 2.47 1.49 19.44 -1.45'


def random_labels(count: int) -> list[Label]:
    rng = np.random.default_rng(0)
    return [Label('Car', 0.0, 0, 0.0, (0, 0, 1, 1), tuple(rng.uniform(0.5, 5, 3)),
                  tuple(rng.uniform((-20, -1, 2), (20, 3, 60))), rng.uniform(-3.1, 3.1))
            for _ in range(count)]  # fmt: skip


def test_labels_become_the_lidar_boxes_of_mmdet3d():
    camera, labels = calibration(), random_labels(200)
    boxes = CameraInstance3DBoxes(torch.tensor([label.camera_box for label in labels]))
    matrix = torch.tensor(np.linalg.inv(camera.lidar_to_camera), dtype=torch.float32)
    theirs = boxes.convert_to(0, matrix)
    assert isinstance(theirs, LiDARInstance3DBoxes)
    ours = camera.to_lidar(labels)
    assert np.allclose(ours[:, :3], theirs.gravity_center.numpy(), atol=1e-4)
    assert np.allclose(ours[:, 3:6], theirs.dims.numpy(), atol=1e-5)
    assert np.allclose(np.exp(1j * (ours[:, 6] - theirs.yaw.numpy())), 1, atol=1e-5)


def test_the_view_is_what_mmdet3d_projects_into_the_image():
    camera, rng = calibration(), np.random.default_rng(1)
    points = rng.uniform((-5, -30, -3, 0), (60, 30, 3, 1), (4000, 4))
    in_camera = np.c_[points[:, :3], np.ones(4000)] @ camera.lidar_to_camera.T
    u, v, depth = points_cam2img(in_camera[:, :3], camera.matrices['P2'], with_depth=True).T
    seen = (depth > 0) & (u >= 0) & (u < WIDTH) & (v >= 0) & (v < HEIGHT)
    assert 500 < seen.sum() < 3500
    assert np.array_equal(camera.in_view(points, HEIGHT, WIDTH), seen)


def test_difficulties_are_those_of_mmdet3d():
    labels = [Label('Car', truncated, occluded, 0, (0, 100.0, 5, 100 + height), (1, 1, 1),
                    (0, 0, 9), 0) for truncated in (0, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)
              for occluded in (0, 1, 2, 3) for height in (10, 25, 25.1, 40, 40.1, 90)]  # fmt: skip
    annos = dict(
        dimensions=np.ones((len(labels), 3)),
        bbox=np.array([label.bbox for label in labels]),
        occluded=np.array([label.occluded for label in labels]),
        truncated=np.array([label.truncated for label in labels]),
    )
    theirs = converter('kitti_data_utils').add_difficulty_to_annos(dict(annos=annos))
    assert [label.difficulty for label in labels] == theirs
    assert {-1, 0, 1, 2} == set(theirs)


def test_a_label_is_read_as_it_is_written(tmp_path):
    (tmp_path / 'a.txt').write_text(f'{CAR}\n{CAR} 0.5\n')
    first, second = read_labels(tmp_path / 'a.txt')
    assert str(first) == CAR and second.score == 0.5
    assert first.size == (1.5, 1.63, 4.34) and first.location == (2.47, 1.49, 19.44)
    assert first.camera_box == [2.47, 1.49, 19.44, 4.34, 1.5, 1.63, -1.45]
    assert first.difficulty == 1


@pytest.mark.parametrize('line, said', [
    (CAR.rsplit(' ', 2)[0], r'line 2 of \S+000007.txt has 13 fields, expected the type, truncated'),
    (f'{CAR} 0.5 1', r'line 2 of \S+ has 17 fields, expected .* and at most a score$'),
    (f'0 7 {CAR}', r'has 17 fields, .* a score; frame and track of a tracking label are left out'),
    (CAR.replace('Car', 'Cra'), r"class 'Cra' in line 2 of \S+000007.txt is not one of KITTI's; "
                                'the nearest is Car'),
    (CAR.replace('Car', 'Zzzz'), "class 'Zzzz' in line 2 .* one of KITTI's; expected one of "
                                   'Pedestrian, Cyclist, Car, Van'),
    (CAR.replace('1.49', 'x'), r"line 2 of \S+000007.txt has 'x' for y, expected a finite number"),
    (CAR.replace('19.44', 'nan'), "line 2 of .* has 'nan' for z, expected a finite number"),
    (CAR.replace('4.34', 'inf'), "line 2 of .* has 'inf' for length, expected a finite number"),
    (CAR.replace(' 1.50 ', ' -1.50 '), 'has a box of height -1.5, expected meters above 0 and at'),
    (CAR.replace(' 1.63 ', ' 0.00 '), 'has a box of width 0, expected meters above 0 and at most'),
    (CAR.replace('4.34', '4340'), 'has a box of length 4340, expected meters .* at most 100'),
    (CAR.replace('19.44', '19440'), 'has z 19440, expected meters from -1000 to 1000'),
    (CAR.replace('-1.45', '-83'), 'has rotation_y -83, expected radians from -10 to 10'),
    (CAR.replace('0.10 1', '0.10 0.7'), r'has occluded 0.7, expected 0 \(fully visible\), 1'),
    (CAR.replace('0.10 1', '10 1'), 'has truncated 10, expected the share outside the image, 0'),
    (CAR.replace('599.41', '699.41'), 'has the 2D box 699.41 156.4 629.75 209.25, expected left'),
])  # fmt: skip
def test_a_broken_label_line_is_named(tmp_path, line, said):
    (tmp_path / '000007.txt').write_text(f'{CAR}\n{line}\n')
    with pytest.raises(ValueError, match=said):
        read_labels(tmp_path / '000007.txt')


def test_a_missing_label_file_is_named(tmp_path):
    (tmp_path / '000007.txt').touch()
    with pytest.raises(FileNotFoundError, match='000008.txt does not exist; .*000007.txt'):
        read_labels(tmp_path / '000008.txt')
    assert read_labels(tmp_path / '000007.txt') == []


def test_a_region_nobody_cares_for_has_the_box_that_the_object_benchmark_gives_it(tmp_path):
    forms = ('-1 -1 -1 -1000 -1000 -1000 -10', '-1000 -1000 -1000 -10 -1 -1 -1',
             'nan 0 0 0 0 0 0')  # fmt: skip
    (tmp_path / 'a.txt').write_text(
        ''.join(f'DontCare -1 -1 -10 500 150 560 180 {form}\n' for form in forms)
    )
    first, second, third = read_labels(tmp_path / 'a.txt')
    assert first == second == third
    assert first.camera_box == [-1000, -1000, -1000, -1, -1, -1, -10]
    assert first.bbox == (500, 150, 560, 180)


def test_text_of_other_systems_is_read_and_what_is_no_text_is_named(tmp_path):
    (tmp_path / 'a.txt').write_bytes(b'\xef\xbb\xbf' + f'{CAR}\r\n'.encode())
    assert [str(label) for label in read_labels(tmp_path / 'a.txt')] == [CAR]
    (tmp_path / 'a.txt').write_bytes(b'Car \xff\xfe 1')
    with pytest.raises(UsageError, match='label file .*a.txt is no text: byte 4 is no UTF-8'):
        read_labels(tmp_path / 'a.txt')


def test_classes_of_a_config_are_checked():
    check_classes(['Car', 'Pedestrian', 'Cyclist'], 'train_dataloader')
    with pytest.raises(ValueError, match="class 'car' in train_dataloader .* nearest is Car"):
        check_classes(['Pedestrian', 'car'], 'train_dataloader')


CALIB = (
    'P0: 700 0 600 0 0 700 180 0 0 0 1 0\nP2: 700 0 600 45 0 700 180 1 0 0 1 0\n'
    'P3: 700 0 600 -3 0 700 180 0 0 0 1 0\nR0_rect: 0 1 0 0 0 1 1 0 0\n'
    'Tr_velo_to_cam: 0 -1 0 0.1 0 0 -1 -0.08 1 0 0 -0.27\n'
)


def test_a_calibration_is_extended_to_four_by_four(tmp_path):
    (tmp_path / 'a.txt').write_text(CALIB + '\n')
    matrices = read_calibration(tmp_path / 'a.txt').matrices
    assert list(matrices) == ['P0', 'P2', 'P3', 'R0_rect', 'Tr_velo_to_cam']
    assert matrices['P2'].tolist() == [
        [700, 0, 600, 45],
        [0, 700, 180, 1],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
    ]
    assert matrices['R0_rect'].tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize('old, new, said', [
    ('Tr_velo_to_cam', 'Tr_velo_cam', 'a.txt has no matrix Tr_velo_to_cam; the nearest is '
                                      'Tr_velo_cam'),
    ('P2:', 'Q:', 'a.txt has no matrix P2; the nearest is P3'),
    ('R0_rect: 0 ', 'R0_rect: ', 'R0_rect of .*a.txt has 8 values, expected 9'),
    ('R0_rect:', 'R_rect', 'a.txt has no matrix R0_rect; the nearest is R_rect'),
    ('P2: 700', 'P2: seven', "P2 of .*a.txt has 'seven' for a value, expected a finite number"),
    ('P2: 700', 'P2: nan', "P2 of .*a.txt has 'nan' for a value, expected a finite number"),
    ('P2: 700', 'P2: 0', 'P2 of .*a.txt projects nothing: its diagonal is 0, 700, 1, expected'),
    ('R0_rect: 0 1', 'R0_rect: 0 2', r'R0_rect of .*a.txt is no rotation: its rows are \[\[0'),
    ('0 -1 0 0.1', '0 1 0 0.1', 'Tr_velo_to_cam of .*a.txt is no rotation: .* a right-handed set'),
])  # fmt: skip
def test_a_calibration_that_cannot_be_is_refused(tmp_path, old, new, said):
    (tmp_path / 'a.txt').write_text(CALIB.replace(old, new))
    with pytest.raises(ValueError, match=said):
        read_calibration(tmp_path / 'a.txt')

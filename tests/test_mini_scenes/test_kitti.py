"""Procedural streets in KITTI's layout: labels fit image and points, mmdet3d trains and scores."""

import filecmp
import pickle
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.datasets.transforms import data_augment_utils
from mmdet3d.evaluation.functional.kitti_utils import eval as kitti_eval
from mmdet3d.evaluation.metrics import KittiMetric
from mmdet3d.registry import DATASETS
from mmdet3d.structures import CameraInstance3DBoxes, points_cam2img
from mmengine.config import Config
from toy_kitti import count_valid, interpret, small_streets

import projects.SRKD.datasets  # noqa: F401 - registers its loaders
from projects.MiniScenes.streets.boxes import StreetObject
from projects.MiniScenes.streets.kitti_writer import (
    HEIGHT,
    WIDTH,
    calibration,
    frame_labels,
    visible_share,
    write_kitti,
)
from projects.SRKD import compat
from projects.SRKD.datasets.infos.kitti_files import CLASSES, read_calibration, read_labels

ROOT = Path(__file__).parents[2]
CONFIG, TOOL = ROOT / 'configs/_base_/datasets/mini-kitti-3d.py', ROOT / 'tools/make_mini_data.py'
NAMES = ['Pedestrian', 'Cyclist', 'Car']


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    return small_streets(tmp_path_factory.mktemp('kitti') / 'streets', 6, 6)


def open_config(root, split):
    """The data set of the mini config at another place."""
    compat.apply()
    text = CONFIG.read_text().replace('data/mini_kitti/', f'{root}/')
    return Config.fromstring(text, '.py')[f'{split}_dataloader'].dataset


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob('*') if path.is_file())


def test_2d_boxes_and_angles_are_those_of_the_3d_boxes(streets):
    checked = 0
    for path in sorted((streets / 'training/label_2').glob('*.txt')):
        camera = read_calibration(streets / f'training/calib/{path.name}')
        for label in read_labels(path):
            x, _, z = label.location
            if label.name == 'DontCare':
                assert label.size == (-1,) * 3 and label.truncated == -1
                continue
            corners = CameraInstance3DBoxes(torch.tensor([label.camera_box])).corners
            matrix = torch.tensor(camera.matrices['P2']).float()
            pixel = points_cam2img(corners, matrix).numpy()[0]
            low, high = pixel.min(0), pixel.max(0)
            ends = np.r_[low, high].clip(0, [WIDTH - 1, HEIGHT - 1] * 2)
            if z > 5:  # else part of it may be behind the camera
                assert np.abs(ends - label.bbox).max() < 0.02
                area = np.prod(ends[2:] - ends[:2]) / np.prod(high - low)
                assert label.truncated == pytest.approx(1 - area, abs=0.02)
                checked += 1
            turn = label.alpha - (label.rotation_y - np.arctan2(x, z))
            assert np.exp(1j * turn) == pytest.approx(1, abs=0.02)
    assert checked > 40


def test_points_are_in_view_and_every_object_has_some(streets):
    for path in sorted((streets / 'training/label_2').glob('*.txt')):
        camera = read_calibration(streets / f'training/calib/{path.name}')
        points = np.fromfile(streets / f'training/velodyne_reduced/{path.stem}.bin', np.float32)
        points = points.reshape(-1, 4)
        assert camera.in_view(points, HEIGHT, WIDTH).all() and len(points) > 1500
        assert points[:, 3].min() >= 0 and points[:, 3].max() < 1
        labels = [label for label in read_labels(path) if label.name != 'DontCare']
        for x, y, z, length, width, height, yaw in camera.to_lidar(labels):
            own = (points[:, 0] - x + 1j * (points[:, 1] - y)) * np.exp(-1j * yaw)
            inside = (2 * abs(own.real) <= length) & (2 * abs(own.imag) <= width)
            assert (inside & (2 * abs(points[:, 2] - z) <= height)).sum() >= 2


def test_val_holds_enough_valid_objects(tmp_path):
    """The first 16 of the default's 72; all need sixty of each class and difficulty."""
    root = write_kitti(tmp_path / 'streets', 1, 16)
    valid = count_valid(pickle.loads((root / 'kitti_infos_val.pkl').read_bytes())['data_list'])
    for name in NAMES:
        assert min(valid[name]) >= 60 * 16 / 72, valid


def test_equal_seeds_give_equal_bytes_whatever_the_counts(tmp_path):
    one, other = (small_streets(tmp_path / name, 2, 1) for name in 'ab')
    assert files(one) == files(other) and len(files(one)) > 20
    assert filecmp.cmpfiles(one, other, files(one), shallow=False)[1:] == ([], [])
    more = small_streets(tmp_path / 'c', 1, 2)
    frames = [name for name in files(more) if 'training' in name and '500001' not in name]
    assert filecmp.cmpfiles(one, more, frames, shallow=False)[1:] == ([], []) and len(frames) == 6
    changed = small_streets(tmp_path / 'd', 1, 1, seed=1) / 'training/label_2/000000.txt'
    assert changed.read_text() != (one / 'training/label_2/000000.txt').read_text()


def wall(distance: float, left: float, right: float) -> np.ndarray:
    """Echoes of a wall across x at a distance, from y = left down to right."""
    y, z = np.meshgrid(np.arange(right, left, 0.05), np.arange(-1.6, 1, 0.1))
    return np.stack([np.full(y.size, distance), y.ravel(), z.ravel()], 1)


def test_the_visible_share_of_a_box_is_what_reaches_it():
    box = np.array([20.0, 0, -1, 4, 2, 1.5, np.pi / 2])  # across: y from -2 to 2, x from 19 on
    face = wall(19.2, 2, -2)
    assert visible_share(box, face) == 1
    assert visible_share(box, np.concatenate([face, wall(30, 5, -5)])) == 1  # rays that miss it
    half = np.where(face[:, 1:2] < 0, 0.5, 1.0) * face  # the same rays, half of them end earlier
    assert visible_share(box, half) == pytest.approx(0.5, abs=0.02)
    assert visible_share(box, wall(10, 5, -5)) == 0
    assert visible_share(box, -face) == 0  # behind the scanner


def thing(kind: str, box: list[float]) -> StreetObject:
    return StreetObject(kind, 1, False, np.array(box), np.zeros(3), np.array(box), 100)


@pytest.mark.parametrize('kind, height, name', [
    ('car', 1.5, 'Car'), ('car', 2.2, 'Van'), ('child', 1.2, 'Pedestrian'),
    ('bicyclist', 1.7, 'Cyclist'), ('bendy_bus', 3.0, 'Misc'),
])  # fmt: skip
def test_kinds_become_kittis_classes(kind, height, name):
    labels = frame_labels([thing(kind, [20, 0, -1, 4, 2, height, 1.57])], wall(19.2, 2, -2),
                          calibration())  # fmt: skip
    assert [label.name for label in labels] == [name]
    assert labels[0].occluded == 0 and labels[0].truncated == 0


@pytest.mark.parametrize('change, names', [
    (dict(kind='bicycle'), []), (dict(at=-20), []), (dict(aside=40), []),
    (dict(at=70), ['DontCare']), (dict(), ['Car']),
])  # fmt: skip
def test_what_is_not_seen_is_not_labeled(change, names):
    kind, at, aside = ({**dict(kind='car', at=20, aside=0), **change}[key]
                       for key in ('kind', 'at', 'aside'))  # fmt: skip
    cloud = wall(at - 0.8, aside + 2, aside - 2)
    labels = frame_labels([thing(kind, [at, aside, -1, 4, 2, 1.5, 1.57])], cloud, calibration())
    assert [label.name for label in labels] == names


def test_the_config_trains_on_it(streets, monkeypatch):
    interpret(monkeypatch, data_augment_utils)
    data = DATASETS.build(open_config(streets, 'train'))
    np.random.seed(0)
    low, high = np.array(Config.fromfile(CONFIG).point_cloud_range).reshape(2, 3)
    found = set()
    for k in range(len(data)):
        sample = data[k]
        points, truth = sample['inputs']['points'], sample['data_samples'].gt_instances_3d
        assert ((points[:, :3].numpy() >= low) & (points[:, :3].numpy() <= high)).all()
        found |= set(truth.labels_3d.tolist())
        assert len(truth.bboxes_3d) >= 3
    assert found == {0, 1, 2}


def test_ground_truth_scores_what_its_count_allows(streets, monkeypatch):
    """AP40 of the ground truth as prediction is 100 from 41 objects on, else (n - 1) / 40."""
    interpret(monkeypatch, kitti_eval)
    data = DATASETS.build(open_config(streets, 'val'))
    metric = KittiMetric(str(streets / 'kitti_infos_val.pkl'))
    metric.dataset_meta = data.metainfo
    for k in range(len(data)):
        info = data.get_data_info(k)
        truth = info['eval_ann_info']
        boxes, labels = truth['gt_bboxes_3d'], torch.tensor(truth['gt_labels_3d'])
        scores = torch.linspace(0.9, 0.3, len(labels))
        found = dict(bboxes_3d=boxes, labels_3d=labels, scores_3d=scores)
        metric.process({}, [dict(pred_instances_3d=found, pred_instances={}, sample_idx=k)])
    scores = metric.compute_metrics(metric.results)
    valid = count_valid(data.get_data_info(k) for k in range(len(data)))
    for name in NAMES:
        for level, count in zip(('easy', 'moderate', 'hard'), valid[name]):
            best = 100 * min(max(count - 1, 0), 40) / 40
            for kind in ('3D', 'BEV'):
                key = f'pred_instances_3d/KITTI/{name}_{kind}_AP40_{level}_strict'
                assert scores[key] == pytest.approx(best, abs=0.01), (key, valid)


@pytest.mark.parametrize('name, value, limits', [
    ('frames', 0, '1 and 20000'), ('val_frames', 0, '1 and 20000'), ('beams', 65, '2 and 64'),
    ('azimuth_steps', 4, '16 and 10000'),
])  # fmt: skip
def test_impossible_values_are_refused(tmp_path, name, value, limits):
    with pytest.raises(ValueError, match=f'{name} must lie between {limits}, but got {value}'):
        write_kitti(tmp_path / 'streets', **{name: value})


def test_the_tool_writes_it(tmp_path, monkeypatch, capsys, misuse):
    out = tmp_path / 'streets'
    small = ['--frames', '1', '--val-frames', '2', '--beams', '24', '--azimuth-steps', '300']
    monkeypatch.setattr(sys, 'argv', ['make_mini_data.py', 'kitti', '--out', str(out), *small])
    runpy.run_path(str(TOOL), run_name='__main__')
    assert f'1 + 2 frames in {out}' in capsys.readouterr().out
    assert (out / 'ImageSets/val.txt').read_text() == '500000\n500001\n'
    with misuse('^make_mini_data.py: .* is not an empty folder'):
        runpy.run_path(str(TOOL), run_name='__main__')


def test_a_folder_with_data_is_kept(streets):
    with pytest.raises(FileExistsError, match='exists and is not an empty folder; --force'):
        write_kitti(streets, 1, 1)
    assert len(CLASSES) == 8 and (streets / 'kitti_infos_val.pkl').is_file()

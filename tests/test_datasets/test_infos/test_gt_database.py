"""The object database: equal to MMDetection3D's own, and pasted by its ``ObjectSample``."""

import pickle

import numpy as np
import pytest
from mmdet3d.datasets.transforms import data_augment_utils
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import LiDARInstance3DBoxes
from mmdet3d.structures.ops.box_np_ops import points_in_rbbox
from mmdet3d.structures.points import LiDARPoints
from toy_kitti import converter, interpret, small_streets

from projects.SRKD import compat
from projects.SRKD.datasets.infos import gt_database


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    return small_streets(tmp_path_factory.mktemp('kitti') / 'streets', val_frames=1)


def test_a_killed_run_does_not_leave_objects_beside_files_of_others(tmp_path, monkeypatch):
    def killed(path, content):
        raise KeyboardInterrupt

    objects = tmp_path / 'kitti_dbinfos_train.pkl'
    gt_database.write_gt_database(tmp_path, [], 'kitti')
    assert objects.exists()
    monkeypatch.setattr(gt_database, 'dump_infos', killed)
    with pytest.raises(KeyboardInterrupt):
        gt_database.write_gt_database(tmp_path, [], 'kitti')
    assert not objects.exists() and (tmp_path / 'kitti_gt_database').is_dir()


def test_it_is_that_of_mmdet3ds_converter(streets, tmp_path):
    converter('create_gt_database').create_groundtruth_database(
        'KittiDataset', str(streets), 'kitti', 'kitti_infos_train.pkl',
        database_save_path=str(tmp_path / 'kitti_gt_database'),
        db_info_save_path=str(tmp_path / 'infos.pkl'))  # fmt: skip
    theirs = pickle.loads((tmp_path / 'infos.pkl').read_bytes())
    ours = pickle.loads((streets / 'kitti_dbinfos_train.pkl').read_bytes())
    assert set(ours) == set(theirs) >= {'Car', 'Pedestrian', 'Cyclist'}
    points = [0, 0]
    for name, entries in theirs.items():
        assert len(ours[name]) == len(entries)
        for one, other in zip(ours[name], entries):
            assert set(one) == set(other)
            assert one['difficulty'] == other['difficulty']
            box, same = one['box3d_lidar'], other['box3d_lidar']
            assert np.allclose(box[:6], same[:6], atol=1e-4)
            assert np.exp(1j * (box[6] - same[6])) == pytest.approx(1, abs=1e-5)
            cut = [np.fromfile(root / entry['path'], np.float32).reshape(-1, 4)
                   for root, entry in ((streets, one), (tmp_path, other))]  # fmt: skip
            assert abs(len(cut[0]) - len(cut[1])) <= 2  # on a face
            assert len(cut[0]) == one['num_points_in_gt']
            assert np.allclose(cut[0].mean(0), cut[1].mean(0), atol=0.1)
            points = [total + len(some) for total, some in zip(points, cut)]
    assert points[0] == pytest.approx(points[1], rel=1e-3) and points[0] > 1000


def test_object_sample_pastes_objects_with_their_points(streets, monkeypatch):
    compat.apply()
    interpret(monkeypatch, data_augment_utils)
    load = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=4, use_dim=4)
    sampler = dict(
        data_root=f'{streets}/',
        info_path=f'{streets}/kitti_dbinfos_train.pkl',
        rate=1.0,
        prepare=dict(filter_by_difficulty=[-1], filter_by_min_points=dict(Car=5)),
        classes=['Pedestrian', 'Cyclist', 'Car'],
        sample_groups=dict(Car=4, Pedestrian=4),
        points_loader=load,
    )
    np.random.seed(0)
    out = TRANSFORMS.build(dict(type='ObjectSample', db_sampler=sampler))(dict(
        points=LiDARPoints(np.zeros((1, 4), np.float32), points_dim=4),
        gt_bboxes_3d=LiDARInstance3DBoxes(np.zeros((0, 7), np.float32)),
        gt_labels_3d=np.zeros(0, np.int64),
    ))  # fmt: skip
    assert {0, 2} == set(out['gt_labels_3d'].tolist())
    boxes = out['gt_bboxes_3d'].tensor.numpy()
    inside = points_in_rbbox(out['points'].tensor.numpy(), boxes)
    assert (inside.sum(0) >= 3).all() and inside.any(1).mean() > 0.97

"""No info file, however broken, ends in the words of another library."""

import copy
import json
import pickle

import numpy as np
import pytest
from mmdet3d.datasets import KittiDataset, SemanticKittiDataset

import projects.SRKD  # noqa: F401 - applies the cure
from projects.SRKD.base import UsageError

BOX = [9.0, 2.0, -1.0, 3.9, 1.6, 1.5, 0.1]
INSTANCE = dict(
    bbox=[0, 0, 9, 9], bbox_label=2, bbox_3d=BOX, bbox_label_3d=2, depth=9.0, center_2d=[1, 2],
    num_lidar_pts=9, difficulty=0, truncated=0.0, occluded=0, alpha=0.0, score=0.0, index=0,
    group_id=0)  # fmt: skip
ENTRIES = {
    SemanticKittiDataset: dict(
        sample_id='0', lidar_points=dict(lidar_path='a.bin', num_pts_feats=4),
        pts_semantic_mask_path='a.label'),
    KittiDataset: dict(
        sample_idx=0, lidar_points=dict(lidar_path='0.bin', num_pts_feats=4),
        images=dict(R0_rect=np.eye(4), CAM2=dict(
            img_path='0.png', height=9, width=9, cam2img=np.eye(4), lidar2img=np.eye(4),
            lidar2cam=np.eye(4).tolist())),
        instances=[INSTANCE]),
}  # fmt: skip
METAINFO = {SemanticKittiDataset: dict(classes=('car',), seg_label_mapping={0: 0}, max_label=0)}
CATEGORIES = dict(Pedestrian=0, Cyclist=1, Car=2)


@pytest.fixture(params=ENTRIES)
def read(request, tmp_path):
    """Write the content of an info file and have its data set read it."""
    path = tmp_path / 'infos.pkl'

    def read(content):
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
        return request.param(
            data_root='', ann_file=str(path), pipeline=[], serialize_data=False,
            metainfo=METAINFO.get(request.param))  # fmt: skip

    read.good = dict(
        metainfo=dict(dataset='x', categories=CATEGORIES),
        data_list=[copy.deepcopy(ENTRIES[request.param]) for _ in range(2)],
    )
    read.path = path
    return read


def test_a_good_file_is_read(read):
    assert len(read(read.good)) == 2


@pytest.mark.parametrize('damage', [
    lambda c: b'', lambda c: b'no pickle at all', lambda c: b'\x80', lambda c: c[: len(c) // 2],
    lambda c: c[:-1], lambda c: c[1:], lambda c: json.dumps([1]).encode(),
    lambda c: b'cmodule_that_is_not_there\nname\n.', lambda c: bytes(100),
])  # fmt: skip
def test_bytes_that_are_no_pickle_name_the_file(read, damage):
    with pytest.raises(UsageError, match=f'info file {read.path} '):
        read(damage(pickle.dumps(read.good)))


@pytest.mark.parametrize('damage, message', [
    (lambda c: c['data_list'], 'written by mmdet3d below 1.0'),
    (lambda c: dict(infos=c['data_list'], metadata={}), 'written by mmdet3d below 1.0'),
    (lambda c: 'text', 'holds a str'),
    (lambda c: None, 'holds a NoneType'),
    (lambda c: {}, 'has nothing as metainfo'),
    (lambda c: dict(c, metainfo=[1]), 'has list as metainfo'),
    (lambda c: dict(metainfo=c['metainfo']), 'has nothing as data_list'),
    (lambda c: dict(c, data_list={}), 'has dict as data_list'),
    (lambda c: dict(c, data_list=[]), 'empty data_list'),
])  # fmt: skip
def test_another_layout_names_the_file_and_what_it_has(read, damage, message):
    with pytest.raises(UsageError, match=f'info file {read.path} .*{message}'):
        read(damage(read.good))


@pytest.mark.parametrize('damage, message', [
    (lambda e: 'text', 'is a str, expected a dict'),
    (lambda e: None, 'is a NoneType'),
    (lambda e: {}, 'has no lidar_points.lidar_path'),
    (lambda e: dict(e, lidar_points=None), 'has no lidar_points.lidar_path'),
    (lambda e: dict(e, lidar_points=dict(lidar_path=3)), 'has no lidar_points.lidar_path'),
])  # fmt: skip
def test_an_entry_without_points_is_named(read, damage, message):
    read.good['data_list'][1] = damage(read.good['data_list'][1])
    with pytest.raises(UsageError, match=f'entry 1 of info file {read.path} .*{message}'):
        read(read.good)


@pytest.mark.parametrize('read', [KittiDataset], indirect=True)
@pytest.mark.parametrize('path, value, message', [
    ('images', None, 'entry 1 .*0.bin'),
    ('images.CAM2', {}, "lacks the key 'lidar2cam'"),
    ('instances', None, 'has no list of instances'),
    ('instances.0.bbox_3d', [1, 2], 'entry 1 .*0.bin'),
    ('instances.0.bbox_3d', 'a box', 'entry 1 .*0.bin'),
    ('instances.0.bbox_3d', [9, 2, -1, 0, 0, 0, 0], 'sides must be positive'),
    ('instances.0.bbox_3d', [9, 2, -1, 3.9, -1.6, 1.5, 0], 'sides must be positive'),
    ('instances.0.bbox_3d', [9, np.nan, -1, 3.9, 1.6, 1.5, 0], 'finite'),
    ('instances.0.bbox_3d', [9, 2, -1, 3.9, 1.6, 1e9, 0], 'sides must be positive'),
    ('instances.0.bbox_label_3d', 77, 'entry 1 .*0.bin'),
])  # fmt: skip
def test_what_an_entry_of_kitti_lacks_is_named(read, path, value, message):
    *where, last = path.split('.')
    node = read.good['data_list'][1]
    for key in where:
        node = node[int(key) if key.isdigit() else key]
    node[last] = value
    with pytest.raises(UsageError, match=message):
        read(read.good)


@pytest.mark.parametrize('read', [KittiDataset], indirect=True)
@pytest.mark.parametrize('plane', [[0.0, -1.0, 1.65], [0, -1, 0, float('nan')], 'abcd', None])
def test_a_ground_plane_that_is_none_is_named_with_its_entry(read, plane):
    content = copy.deepcopy(read.good)
    content['data_list'][1]['plane'] = [0.0, -1.0, 0.0, 1.65]
    planes = [read(content).get_data_info(entry)['plane'] for entry in (0, 1)]
    assert planes[0] is None and len(planes[1]) == 4
    content['data_list'][1]['plane'] = plane
    with pytest.raises(
        UsageError,
        match=r'entry 1 of info file .*infos.pkl \(0.bin\) has the '
        'ground plane .*, expected 4 finite numbers',
    ):
        read(content)


@pytest.mark.parametrize('path', ['/etc/shadow', '../../a.bin'])
def test_a_path_out_of_the_data_root_is_refused_unless_there_is_none(read, tmp_path, path):
    read.good['data_list'][1]['lidar_points']['lidar_path'] = path
    read(read.good)  # data_root='' takes any
    kind = KittiDataset if 'images' in read.good['data_list'][0] else SemanticKittiDataset

    def rooted(root, prefix=None):
        return kind(
            data_root=str(root), ann_file=str(read.path), pipeline=[], serialize_data=False,
            metainfo=METAINFO.get(kind), data_prefix=dict(pts=prefix or ''))  # fmt: skip

    with pytest.raises(UsageError, match='entry 1 .*lidar_path the path .*leads out of data_root='):
        rooted(tmp_path / 'root')
    read.good['data_list'][1]['lidar_points']['lidar_path'] = '../there/a.bin'
    read(read.good)
    assert len(rooted(tmp_path / 'root', prefix='here')) == 2


def test_objects_in_an_info_file_are_refused_and_not_made(read, tmp_path):
    read.good['data_list'][0]['more'] = Touches(tmp_path / 'ran')
    with pytest.raises(UsageError, match=f'info file {read.path} .*the pickle names .*touch'):
        read(read.good)
    assert not (tmp_path / 'ran').exists()


class Touches:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)

"""Names, numbers and bytes of the files that benchmarks' servers take."""

import json

import mmengine
import numpy as np
import pytest

from projects.SRKD.base import FileMissingError, UsageError

pytest.importorskip('mmdet3d')
from projects.SRKD.evaluation import SUBMISSION_FORMATS  # noqa: E402

META = dict(classes=('car', 'road'), seg_label_mapping={0: 2, 1: 0, 2: 0, 3: 1})


def opened(folder, kind, meta=META, **kwargs):
    """A format that is ready for scans."""
    made = SUBMISSION_FORMATS.build(dict(type=kind, **kwargs))
    made.open(folder, meta)
    return made


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def test_scannet_gets_a_raw_id_per_line(tmp_path):
    meta = dict(META, seg_label_mapping={0: 2, 2: 0, 4: 1})  # the one raw id of each class
    made = opened(tmp_path, 'ScanNetSubmission', meta)
    made.write('data/scannet/points/scene0707_00.bin', np.array([1, 0, 0]))
    assert (tmp_path / 'scene0707_00.txt').read_text() == '4\n2\n2\n'
    assert files(tmp_path) == ['scene0707_00.txt']


def test_semantickitti_gets_raw_ids_of_32_bits_below_the_sequence(tmp_path):
    made = opened(tmp_path, 'SemanticKittiSubmission', ids=[2, 3])
    made.write('data/kitti/sequences/11/velodyne/000007.bin', np.array([1, 0]))
    assert files(tmp_path) == ['sequences/11/predictions/000007.label']
    content = np.fromfile(tmp_path / files(tmp_path)[0], np.uint32)
    np.testing.assert_array_equal(content, [3, 2])


def test_a_scan_outside_a_sequence_is_refused(tmp_path):
    made = opened(tmp_path, 'SemanticKittiSubmission', ids=[2, 3])
    with pytest.raises(UsageError, match=r'scan a/000007.bin lies in no sequence, expected .*/11/'):
        made.write('a/000007.bin', np.array([1, 0]))


def nuscenes_tables(root):
    rows = [
        dict(token='abc', filename='samples/LIDAR_TOP/one__1.pcd.bin'),
        dict(token='xyz', filename='samples/CAM_FRONT/one__1.jpg'),
    ]
    (root / 'v1.0-test').mkdir(parents=True)
    mmengine.dump(rows, root / 'v1.0-test/sample_data.json')


def test_nuscenes_gets_a_byte_per_point_below_the_token_and_a_file_about_the_method(tmp_path):
    nuscenes_tables(tmp_path / 'nus')
    meta = dict(classes=('car',) * 16, seg_label_mapping={1: 0}, version='v1.0-test')
    made = opened(tmp_path / 'out', 'NuScenesLidarSegSubmission', meta)
    made.write(str(tmp_path / 'nus/samples/LIDAR_TOP/one__1.pcd.bin'), np.array([15, 0]))
    assert files(tmp_path / 'out') == ['lidarseg/test/abc_lidarseg.bin', 'test/submission.json']
    content = (tmp_path / 'out/lidarseg/test/abc_lidarseg.bin').read_bytes()
    assert list(content) == [16, 1]
    about = json.loads((tmp_path / 'out/test/submission.json').read_text())
    assert about['meta']['use_lidar'] is True and about['meta']['use_camera'] is False
    with pytest.raises(UsageError, match=r'two__1.pcd.bin is in no table .* nearest .* one__1.pcd'):
        made.write(str(tmp_path / 'nus/samples/LIDAR_TOP/two__1.pcd.bin'), np.array([0]))


def test_nuscenes_without_its_tables_is_refused(tmp_path):
    meta = dict(classes=('car',) * 16, version='v1.0-test')
    made = opened(tmp_path, 'NuScenesLidarSegSubmission', meta)
    with pytest.raises(FileMissingError, match=r'table .*/sample_data.json does not exist'):
        made.write(str(tmp_path / 'samples/LIDAR_TOP/one.pcd.bin'), np.array([0]))


def test_a_class_of_several_raw_ids_needs_to_be_told_one(tmp_path):
    with pytest.raises(UsageError, match=r"2 raw label ids map to class 0, 'car' \(\[1, 2\]\)"):
        opened(tmp_path, 'ScanNetSubmission')
    with pytest.raises(UsageError, match=r"writes 3 for class 0, 'car', but .* for 1"):
        opened(tmp_path, 'ScanNetSubmission', ids=[3, 1])
    with pytest.raises(UsageError, match='ids of the metric has 3 numbers, expected 2'):
        opened(tmp_path, 'ScanNetSubmission', ids=[1, 2, 3])
    with pytest.raises(UsageError, match='names no label map, expected submission.ids'):
        opened(tmp_path, 'ScanNetSubmission', dict(classes=('car', 'road')))


def test_scans_of_one_name_do_not_overwrite_each_other(tmp_path):
    made = opened(tmp_path, 'ScanNetSubmission', ids=[1, 3])
    made.write('a/room.bin', np.array([0]))
    made.write('a/room.bin', np.array([0]))  # a distributed sampler repeats scans
    with pytest.raises(UsageError, match='scans a/room.bin and b/room.bin would both be written'):
        made.write('b/room.bin', np.array([1]))
    assert (tmp_path / 'room.txt').read_text() == '1\n'

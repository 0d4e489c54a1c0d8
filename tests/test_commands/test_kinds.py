import pytest
from toy import write_scannet
from toy_roots import raw_pandaset, raw_semantickitti

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.commands.kinds import KINDS, bare_entries, loading


def test_every_kind_has_a_base_file_with_info_files():
    for kind in KINDS.values():
        train, val = kind.info_files()
        assert 'train' in train and 'val' in val
        assert loading(kind.config())[0]['load_dim'] in (4, 5, 6)


def test_a_root_with_info_files_needs_none(tmp_path):
    root = write_scannet(tmp_path / 'data')
    assert bare_entries(root, 'scannet') is None and bare_entries(root, 'mini-scannet') is None


def test_bare_scans_are_listed(tmp_path):
    drives = bare_entries(raw_pandaset(tmp_path / 'pandaset'), 'pandaset')
    assert {split: len(found) for split, found in drives.items()} == dict(train=3, val=1)
    streets = raw_semantickitti(tmp_path / 'semantickitti')
    with pytest.warns(UserWarning, match='left out'):
        drives = bare_entries(streets, 'semantickitti')
    assert {split: len(found) for split, found in drives.items()} == dict(train=2, val=1)
    for root in ('pandaset', 'semantickitti'):
        assert not list((tmp_path / root).glob('*.pkl'))  # nothing is written there


def test_files_of_another_kind_are_told(tmp_path):
    drives = raw_pandaset(tmp_path / 'pandaset')
    with pytest.raises(
        FileMissingError,
        match=r'must hold scannet_infos_train.pkl and scannet_infos_val.pkl, or train/\*.bin and '
        r'val/\*.bin, for --like scannet, but got 002: it looks like --like pandaset',
    ):
        bare_entries(drives, 'scannet')
    (tmp_path / 'kitti/training/label_2').mkdir(parents=True)
    with pytest.raises(FileMissingError, match='got training: it looks like --like kitti'):
        bare_entries(tmp_path / 'kitti', 'semantickitti')
    with pytest.raises(FileMissingError, match='got training: write them with .*kitti_infos.py'):
        bare_entries(tmp_path / 'kitti', 'mini-kitti')
    (tmp_path / 'none').mkdir()
    with pytest.raises(FileMissingError, match='but got nothing: it looks like none of scannet, '):
        bare_entries(tmp_path / 'none', 'nuscenes')


def test_scans_of_another_width_are_told(tmp_path):
    for split in ('train', 'val'):
        (tmp_path / split).mkdir()
        (tmp_path / split / '0.bin').write_bytes(b'0' * 80)
        (tmp_path / split / '0.label').write_bytes(b'0' * 20)
    assert len(bare_entries(tmp_path, 'pandaset')['train']) == 1
    with pytest.raises(UsageError, match='must hold 6 numbers of float32 a point, but got 80'):
        bare_entries(tmp_path, 'scannet')

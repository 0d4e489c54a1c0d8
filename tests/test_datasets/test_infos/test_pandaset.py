"""Info files of PandaSet, and the real drive read through its config."""

import pickle
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from toy import build, minkunet

from projects.SRKD.datasets.infos.pandaset import write_pandaset_infos
from projects.SRKD.datasets.label_map_dataset import LabelMapSegDataset

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / 'configs/_base_/datasets/pandaset.py'
TOOL = ROOT / 'tools/dataset_converters/pandaset_infos.py'


def write_drive(root, name='002', frames=(0, 4, 8, 12)):
    for folder, end, width in (('velodyne', 'bin', 16), ('labels', 'label', 4)):
        (root / name / folder).mkdir(parents=True)
        for frame in frames:
            (root / name / folder / f'{frame:06d}.{end}').write_bytes(bytes(3 * width))
    return root


def entries(root, split):
    content = pickle.loads((root / f'pandaset_infos_{split}.pkl').read_bytes())
    return [entry['lidar_points']['lidar_path'] for entry in content['data_list']]


def test_every_drive_is_split_by_time(tmp_path):
    root = write_drive(write_drive(tmp_path), '011', range(8))
    assert write_pandaset_infos(root) == dict(train=9, val=3)
    assert entries(root, 'val') == [
        '002/velodyne/000012.bin',
        '011/velodyne/000006.bin',
        '011/velodyne/000007.bin',
    ]
    assert entries(root, 'train')[:3] == [f'002/velodyne/{i:06d}.bin' for i in (0, 4, 8)]
    assert write_pandaset_infos(root, ['002'], train_share=0.5) == dict(train=2, val=2)


def test_a_root_without_drives_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'holds no sequence, expected folders \*/velodyne'):
        write_pandaset_infos(tmp_path)


def test_a_scan_without_labels_is_refused(tmp_path):
    (write_drive(tmp_path) / '002/labels/000004.label').unlink()
    with pytest.raises(FileNotFoundError, match='002/labels/000004.label does not exist; the nea'):
        write_pandaset_infos(tmp_path)


def test_an_empty_split_is_refused(tmp_path):
    match = r'002 has 1 scans, of which 1 would be for training \(train_share 0.75\)'
    with pytest.raises(ValueError, match=match):
        write_pandaset_infos(write_drive(tmp_path, frames=(0,)))


def test_the_tool_writes_the_files_or_ends_in_one_sentence(tmp_path, monkeypatch, capsys):
    write_drive(tmp_path)
    monkeypatch.setattr(sys, 'argv', [str(TOOL), str(tmp_path), '--train-share', '0.5'])
    runpy.run_path(str(TOOL), run_name='__main__')
    assert capsys.readouterr().out == f'2 + 2 scans in {tmp_path}\n'
    assert len(entries(tmp_path, 'train')) == 2
    monkeypatch.setattr(sys, 'argv', [str(TOOL), str(tmp_path), '--sequences', '011'])
    with pytest.raises(SystemExit, match='^2$'):
        runpy.run_path(str(TOOL), run_name='__main__')
    assert re.search(r'pandaset_infos.py: sequence .*011 has 0 scans', capsys.readouterr().err)


@pytest.fixture
def drive(realdata, tmp_path):
    root = tmp_path / 'pandaset'
    root.mkdir()
    (root / '002').symlink_to((realdata / 'pandaset/002').absolute(), target_is_directory=True)
    assert write_pandaset_infos(root) == dict(train=9, val=3)
    return root


def dataset(root, split):
    cfg = Config.fromfile(CONFIG)[f'{split}_dataloader'].dataset.to_dict()
    cfg |= dict(data_root=str(root))
    cfg.pop('type')
    return LabelMapSegDataset(**cfg)


def test_the_real_drive_has_every_merged_class_in_both_splits(drive):
    for split in ('train', 'val'):
        data = dataset(drive, split)
        share = np.zeros(13)
        for i in range(len(data)):
            sample = data[i]['data_samples']
            label = sample.gt_pts_seg if split == 'train' else sample.eval_ann_info
            label = np.asarray(label['pts_semantic_mask'])
            assert 100_000 < len(label) < 112_000
            share += np.bincount(label, minlength=13) / len(label) / len(data)
        assert (share[:12] > 0).all()
        names = dict(zip((*data.metainfo['classes'], 'no label'), share))
        assert names['no label'] < 0.01 and 0.15 < names['car'] < 0.2
        assert 0.1 < names['road'] < 0.2 and 0.3 < names['building'] < 0.4


def test_merging_keeps_the_meaning_of_the_real_labels(drive):
    raw = np.fromfile(drive / '002/labels/000000.label', np.uint32)
    points = np.fromfile(drive / '002/velodyne/000000.bin', np.float32).reshape(-1, 4)
    data = dataset(drive, 'train')
    label = data.seg_label_mapping[raw]
    names = data.metainfo['classes']
    assert {i for i in np.unique(raw) if names[label[raw == i][0] % 12] == 'road'} == {7, 8, 10}
    height = {name: np.median(points[label == i, 2]) for i, name in enumerate(names)}
    assert height['road'] < height['car'] < height['building']


def test_a_network_learns_the_real_drive(drive):
    model = minkunet(num_classes=12, voxel_size=0.4)
    model['backbone']['in_channels'] = 4
    torch.manual_seed(0)
    network = build(model)
    batch = pseudo_collate([dataset(drive, 'train')[0]])
    batch = network.data_preprocessor(batch, True)
    optimizer = torch.optim.AdamW(network.parameters(), 0.02)
    losses = []
    for _ in range(10):
        loss = network.parse_losses(network(**batch, mode='loss'))[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]

"""Safetensors files are read wherever a checkpoint is."""

import sys

import pytest
import torch
from mmengine.runner import load_checkpoint
from torch import nn

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.compat.safetensors_file import read_safetensors, write_safetensors
from projects.SRKD.models.weights import load_strictly, read_checkpoint


@pytest.fixture
def file(tmp_path):
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    weights = {
        key: value.half() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    path = tmp_path / 'teacher.safetensors'
    write_safetensors(path, weights, dict(dataset_meta=dict(classes=['wall', 'floor'])))
    return path, weights


def test_weights_and_meta_come_back(file):
    path, weights = file
    found, meta = read_checkpoint(str(path))
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[key], weights[key]) for key in weights)
    assert meta['dataset_meta']['classes'] == ['wall', 'floor']


def test_half_weights_fill_a_whole_network(file):
    path, weights = file
    for load in (load_strictly, lambda net, name: load_checkpoint(net, name, strict=True)):
        network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        load(network, str(path))
        assert network[0].weight.dtype == torch.float32
        assert torch.equal(network[0].weight, weights['0.weight'].float())


def test_a_damaged_file_is_told(file):
    path, _ = file
    whole = path.read_bytes()
    for damaged in (b'', whole[:20], whole[:-3], b'PK' + whole[2:]):
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match='teacher.safetensors .*damaged'):
            read_safetensors(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileMissingError, match='does not exist'):
        read_checkpoint(str(tmp_path / 'x.safetensors'))


def test_a_missing_package_is_told(file, monkeypatch):
    monkeypatch.setitem(sys.modules, 'safetensors', None)
    with pytest.raises(UsageError, match='pip install safetensors'):
        read_safetensors(file[0])


def test_another_ending_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match='must end in .safetensors'):
        write_safetensors(tmp_path / 'x.pth', {'a': torch.zeros(1)}, {})
    assert not list(tmp_path.iterdir())


def test_every_flipped_bit_of_a_file_of_ours_is_found(file):
    path, _ = file
    whole = path.read_bytes()
    for at in range(len(whole)):
        raw = bytearray(whole)
        raw[at] ^= 1 << at % 8
        path.write_bytes(raw)
        try:
            found = read_safetensors(path)
        except UsageError:
            continue
        path.write_bytes(whole)  # harmless: a space of the header, say
        same = read_safetensors(path)
        assert found['meta'] == same['meta']
        assert all(torch.equal(found['state_dict'][key], same['state_dict'][key])
                   for key in same['state_dict'])  # fmt: skip


def test_a_file_without_a_checksum_is_read(file, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / 'theirs.safetensors'
    save_file({'a': torch.ones(2), 'none': torch.zeros(0)}, str(path))
    assert read_safetensors(path, 'cpu')['state_dict']['a'].tolist() == [1, 1]


def test_meta_that_is_no_dict_is_told(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / 'x.safetensors'
    for text in ('[1]', '[' * 100_000, '{'):
        save_file({'a': torch.ones(2)}, str(path), metadata={'meta': text})
        with pytest.raises(UsageError, match='x.safetensors is damaged or no safetensors'):
            read_safetensors(path)

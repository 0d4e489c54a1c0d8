"""What is published holds the weights and nothing of the run."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

from projects.SRKD.base.lock import place_held
from projects.SRKD.models.weights import read_checkpoint

TOOL = Path(__file__).parents[2] / 'tools/model_converters/publish_model.py'


@pytest.fixture
def publish(monkeypatch):
    spec = spec_from_file_location('publish_model', TOOL)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)

    def publish(*args):
        monkeypatch.setattr(sys, 'argv', ['publish_model.py', *map(str, args)])
        module.main()

    return publish


@pytest.fixture
def checkpoint(tmp_path):
    meta = dict(epoch=3, cfg='import os', dataset_meta=dict(classes=('wall', 'floor')), time='now')
    content = dict(state_dict={'module.a': torch.ones(2)}, meta=meta, optimizer=dict(state=[1]))
    torch.save(content, tmp_path / 'epoch_3.pth')
    return tmp_path / 'epoch_3.pth'


@pytest.mark.parametrize('name', ['net.pth', 'net.safetensors'])
def test_weights_and_classes_are_left(publish, checkpoint, tmp_path, capsys, name):
    out = tmp_path / name
    publish(checkpoint, out)
    assert f'{name}: 1 weights, {out.stat().st_size:,} bytes, sha256 ' in capsys.readouterr().out
    weights, meta = read_checkpoint(str(out))
    assert list(weights) == ['a'] and weights['a'].tolist() == [1, 1]
    assert set(meta) == {'epoch', 'dataset_meta'}
    assert list(meta['dataset_meta']['classes']) == ['wall', 'floor']


def test_a_second_one_is_refused(publish, checkpoint, tmp_path, misuse):
    with place_held(tmp_path / 'net.pth', 'x'), misuse('net.pth must be written by one process'):
        publish(checkpoint, tmp_path / 'net.pth')
    assert not (tmp_path / 'net.pth').exists()


def test_mistakes_are_told(publish, checkpoint, tmp_path, misuse):
    with misuse('publish_model.py: .*epoch_3.pth exists'):
        publish(checkpoint, checkpoint)
    with misuse('net.bin must end in'):
        publish(checkpoint, tmp_path / 'net.bin')
    with misuse('none.pth does not exist|none.pth can not be found'):
        publish(tmp_path / 'none.pth', tmp_path / 'net.pth')

import numpy as np
import pytest
import torch

from projects.SRKD.base import UsageError
from projects.SRKD.compat.weight_files import SUFFIXES, plain, write_weights
from projects.SRKD.models.weights import read_checkpoint


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_each_form_comes_back(tmp_path, suffix):
    path = tmp_path / f'a{suffix}'
    weights = dict(a=torch.arange(6.0).reshape(2, 3).t(), b=torch.tensor(3))
    write_weights(path, weights, dict(epoch=3, classes=['wall']))
    found, meta = read_checkpoint(str(path))
    assert found.keys() == weights.keys() and meta == dict(epoch=3, classes=['wall'])
    assert all(torch.equal(found[key], weights[key]) for key in weights)


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UsageError, match='must end in .pth, .pt, .safetensors, but ends in'):
        write_weights(tmp_path / 'a.bin', {}, {})
    assert not list(tmp_path.iterdir())


def test_what_json_cannot_hold_becomes_text_and_numbers():
    value = {1: (np.float64(0.5), np.arange(2), None, True), 'b': {'c'}, 'd': torch.int8}
    assert plain(value) == {'1': [0.5, [0, 1], None, True], 'b': ['c'], 'd': 'torch.int8'}

"""A packed teacher is the trained one in half precision, and says where it comes from."""

from hashlib import sha256

import pytest
import torch

from projects.SRKD.analysis.networks import build_network, read_plain
from projects.SRKD.base import UsageError
from projects.SRKD.models.weights import load_strictly, read_checkpoint
from studies.pack_teacher import pack_teacher
from studies.runs import ROOT

MINI = ROOT / 'configs' / 'mini'
SMALL = MINI / 'ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
LARGE = MINI / 'ptv3-mini-t_1xb4-20e_mini-scannet-seg.py'


@pytest.fixture
def trained(tmp_path):
    def write(config, change=lambda weights: None):
        weights = build_network(read_plain(config)).state_dict()
        change(weights)
        meta = dict(epoch=60, dataset_meta=dict(classes=('wall', 'floor')))
        torch.save(dict(state_dict=weights, meta=meta), tmp_path / 'epoch_60.pth')
        return tmp_path / 'epoch_60.pth', weights

    return write


def test_the_packed_file_fills_the_network_of_its_config(trained, tmp_path):
    checkpoint, weights = trained(SMALL)
    out = tmp_path / 'teacher.safetensors'
    told = pack_teacher(SMALL, checkpoint, out, seed=7)
    assert sha256(out.read_bytes()).hexdigest() in told
    _, meta = read_checkpoint(str(out))
    assert (meta['config'], meta['seed'], meta['epoch']) == (SMALL.stem, 7, 60)
    assert meta['dataset_meta']['classes'] == ['wall', 'floor']
    network = build_network(read_plain(SMALL))
    load_strictly(network, str(out))
    for name, value in network.state_dict().items():
        assert torch.equal(value, weights[name].half().to(value.dtype)), name


def test_what_half_precision_cannot_hold_is_refused(trained, tmp_path):
    checkpoint, _ = trained(SMALL, lambda w: w['decode_head.conv_seg.bias'].fill_(1e6))
    out = tmp_path / 'teacher.safetensors'
    with pytest.raises(UsageError, match='decode_head.conv_seg.bias must fit half precision'):
        pack_teacher(SMALL, checkpoint, out, seed=0)
    assert not out.exists()


def test_a_teacher_too_large_to_commit_is_refused(trained, tmp_path):
    checkpoint, _ = trained(LARGE)
    with pytest.raises(UsageError, match='must have at most 5,000,000 bytes, but would have 8,'):
        pack_teacher(LARGE, checkpoint, tmp_path / 'teacher.safetensors', seed=0)

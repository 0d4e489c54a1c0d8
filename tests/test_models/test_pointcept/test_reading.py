"""What is no checkpoint of a network that can be converted is told in one sentence."""

import pytest
import torch
from pointcept_files import ptv3, save

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.models.pointcept import read_released


@pytest.mark.parametrize('wrapper', ['state_dict', 'model_state_dict', 'model', None])
@pytest.mark.parametrize('prefix', ['', 'module.', 'module._orig_mod.'])
def test_wrappers_and_prefixes_are_taken_off(tmp_path, wrapper, prefix):
    _, weights = ptv3()
    content = {prefix + key: value for key, value in weights.items()}
    torch.save(content if wrapper is None else {wrapper: content, 'epoch': 3}, tmp_path / 'a.pth')
    assert read_released(str(tmp_path / 'a.pth')).keys() == weights.keys()


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (dict(optimizer=dict(state={}), epoch=1), r'state of a training alone \(optimizer\)'),
        (dict(epoch=1), 'holds no weights, with the keys'),
        ([torch.ones(1)], 'holds a list: expected weights by name'),
        ({'bbox_head.conv_cls.weight': torch.ones(1)}, 'is a detector'),
        ({'backbone.embedding.mask_token': torch.ones(1)}, 'is PT-v3m2 or m3'),
        ({'backbone.conv_input.0.weight': torch.ones(1)}, 'is SpUNet, whose stem is one conv'),
        ({'backbone.conv0p1s1.kernel': torch.ones(1)}, "is Pointcept's MinkUNet, whose stem"),
        ({'cls_head.0.weight': torch.ones(1)}, 'is a classifier of whole clouds'),
        ({'decode_head.conv_seg.bias': torch.ones(1)}, 'already has the names of this project'),
    ],
)
def test_other_files_are_named(tmp_path, content, message):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(UsageError, match=message):
        read_released(str(tmp_path / 'a.pth'))


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / 'a.pth'
    save(ptv3()[1], path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UsageError, match='a.pth'):
        read_released(str(path))


def test_a_file_of_absurdly_many_entries_is_refused(tmp_path):
    torch.save(dict.fromkeys(map(str, range(20_001)), torch.ones(1)), tmp_path / 'a.pth')
    with pytest.raises(UsageError, match='has 20,001 entries, expected at most 20,000'):
        read_released(str(tmp_path / 'a.pth'))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileMissingError, match='checkpoint .*none.pth does not exist'):
        read_released(str(tmp_path / 'none.pth'))

"""Tensors come back as they were, within what their file stores."""

import io
import zipfile
from collections import OrderedDict

import pytest
import torch
from torch import nn

from projects.SRKD.base.safe_reading import (
    WEIGHT_NAMES,
    UnreadableError,
    read_archive,
    read_legacy,
    tensors,
)

WHOLE = torch.arange(24.0).reshape(4, 6)
TENSORS = dict(
    whole=WHOLE,
    turned=WHOLE.t(),
    part=WHOLE[1:3, ::2],
    one=WHOLE[2, 3],
    none=torch.zeros(0, 5),
    repeated=torch.ones(1).expand(100),
    half=WHOLE.half(),
    brain=WHOLE.bfloat16(),
    eighth=WHOLE.to(torch.float8_e4m3fn),
    unsigned=torch.tensor([1, 2], dtype=torch.uint16),
    flags=WHOLE > 3,
    number=torch.tensor(7),
    complex=torch.tensor([1 + 2j]),
    turned_complex=torch.tensor([1 + 2j]).conj(),
    learned=nn.Parameter(torch.ones(2)),
    size=WHOLE.shape,
    device=torch.device('cpu'),
    kind=torch.bfloat16,
)


def restored(storage, location):
    return storage


@pytest.mark.parametrize('zipped', [True, False])
def test_tensors_come_back(tmp_path, zipped):
    path = tmp_path / 'a.pth'
    kept = {key: value for key, value in TENSORS.items()
            if zipped or key not in ('eighth', 'unsigned')}  # fmt: skip
    torch.save(kept, path, _use_new_zipfile_serialization=zipped)
    found = (read_archive if zipped else read_legacy)(path, WEIGHT_NAMES, restored)
    assert list(found) == list(kept)
    for key, value in kept.items():
        if not isinstance(value, torch.Tensor):
            assert found[key] == value
            continue
        assert type(found[key]) is type(value) and found[key].dtype == value.dtype
        assert found[key].stride() == value.stride() or not value.numel()
        assert found[key].requires_grad == value.requires_grad
        assert torch.equal(found[key].to(torch.complex64), value.to(torch.complex64)), key
    assert found['whole'].data_ptr() == found['turned'].data_ptr()  # one storage, as before


def test_versions_beside_weights_are_kept_and_other_attributes_are_not(tmp_path):
    weights = nn.Sequential(nn.BatchNorm1d(2)).state_dict()
    weights.also = 'something'
    torch.save(weights, tmp_path / 'a.pth')
    found = read_archive(tmp_path / 'a.pth', WEIGHT_NAMES, restored)
    assert found._metadata == weights._metadata and not hasattr(found, 'also')
    assert type(found) is OrderedDict


class Crafted:
    """A tensor on four stored floats, with sizes of its own."""

    def __init__(self, offset, size, stride, build=torch._utils._rebuild_tensor_v2):
        self.args, self.build = (offset, size, stride), build

    def __reduce__(self):
        stored = torch.arange(4.0).storage()
        return self.build, (stored, *self.args, False, OrderedDict())


@pytest.mark.parametrize(
    ('offset', 'size', 'stride'),
    [
        (0, (5,), (1,)),
        (1, (4,), (1,)),
        (0, (2, 2), (4, 1)),
        (2**61, (1,), (1,)),
        (-1, (2,), (1,)),
        (3, (2,), (-1,)),
        (0, (2**40,), (0,)),
        (0, (2**62, 2**62), (0, 0)),
        (0, (4,), (1, 1)),
        (0, (1,) * 65, (1,) * 65),
        (0.5, (1,), (1,)),
        (0, 'ab', (1, 1)),
    ],
)
@pytest.mark.parametrize('zipped', [True, False])
def test_a_tensor_beyond_its_storage_is_refused(tmp_path, offset, size, stride, zipped):
    path = tmp_path / 'a.pth'
    torch.save(Crafted(offset, size, stride), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnreadableError, match='a tensor|given as a str'):
        (read_archive if zipped else read_legacy)(path, WEIGHT_NAMES, restored)


def test_a_tensor_takes_no_state(tmp_path):
    source = io.BytesIO()
    torch.save(torch.arange(4.0), source)
    path = tmp_path / 'a.pth'
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, 'w') as new:
        for name in old.namelist():
            raw = old.read(name)
            if name.endswith('data.pkl'):  # torch's Tensor.__setstate__ would set the storage
                raw = raw[:-1] + b'(NK\x00K\x09\x85K\x01\x85tb.'
            new.writestr(name, raw)
    with pytest.raises(UnreadableError, match='gives a state to a Tensor'):
        read_archive(path, WEIGHT_NAMES, restored)


@pytest.mark.parametrize(
    'pid',
    [
        'text',
        ('storage',),
        ('other', tensors.StorageType(torch.int8), '0', 'cpu', 1),
        ('storage', int, '0', 'cpu', 1),
        ('storage', tensors.StorageType(torch.int8), None, 'cpu', 1),
        ('storage', tensors.StorageType(torch.int8), '0', 'cpu', -1),
        ('storage', tensors.StorageType(torch.int8), '0', 'cpu', 2, ('1', 1, 2)),
        ('storage', tensors.StorageType(torch.int8), '0', 'cpu', 2, 7),
    ],
)
def test_ids_that_are_no_storages_are_refused(pid):
    with pytest.raises(UnreadableError, match='storage'):
        tensors.stored_id(pid)


def test_a_part_of_another_storage_is_read():
    kind = tensors.StorageType(torch.int16)
    dtype, key, where, count, part = tensors.stored_id(('storage', kind, 3, 'cpu', 9, ('v', 4, 5)))
    assert (dtype, key, where, count, part) == (torch.int16, '3', 'cpu', 9, (4, 5))
    numbers = torch.arange(9, dtype=torch.int16)
    stored = tensors.Stored(numbers.untyped_storage(), dtype, part)
    assert tensors.tensor(None, stored, 1, (2,), (2,)).tolist() == [5, 7]
    with pytest.raises(UnreadableError, match='beyond 5 stored'):
        tensors.tensor(None, stored, 1, (5,), (1,))

"""The form of before torch 1.6: what can be checked is its lengths."""

import pickle

import pytest
import torch

from projects.SRKD.base.safe_reading import WEIGHT_NAMES, Foreign, UnreadableError, read_legacy


def read(path):
    return read_legacy(path, WEIGHT_NAMES, lambda storage, location: storage)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'a.pth'
    content = dict(weights=torch.randn(2000), ids=torch.arange(9), name='x')
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def test_every_cut_and_every_byte_behind_the_end_are_found(path):
    whole = path.read_bytes()
    for raw in (b'', *(whole[:size] for size in range(1, len(whole), 61)), whole + b'x'):
        path.write_bytes(raw)
        with pytest.raises(UnreadableError):
            read(path)
    path.write_bytes(whole)
    assert read(path)['ids'].tolist() == list(range(9))


def test_lengths_that_are_told_twice_must_agree(path):
    whole = path.read_bytes()
    at = whole.index(torch.arange(9).numpy().tobytes()) - 8  # the number in front of the storage
    for count in (8, 10, 2**62):
        path.write_bytes(whole[:at] + count.to_bytes(8, 'little') + whole[at + 8 :])
        with pytest.raises(UnreadableError, match='size that is told'):
            read(path)


def test_a_storage_larger_than_the_file_reserves_nothing(path):
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'M\xd0\x07', b'J\xff\xff\xff\x7f', 1))
    with pytest.raises(UnreadableError, match='larger than the file'):
        read(path)


@pytest.mark.parametrize('head', [(1, 1001), (0x1950A86A20F9469CFC6C, 7)])
def test_other_pickles_are_refused(path, head):
    path.write_bytes(b''.join(pickle.dumps(part, 2) for part in head))
    with pytest.raises(UnreadableError, match='does not begin as a checkpoint'):
        read(path)


def test_the_other_byte_order_is_refused(path):
    head = (0x1950A86A20F9469CFC6C, 1001, dict(little_endian=False))
    path.write_bytes(b''.join(pickle.dumps(part, 2) for part in head))
    with pytest.raises(UnreadableError, match='byte order'):
        read(path)


@pytest.mark.filterwarnings('ignore')
def test_a_whole_module_is_foreign(path):
    torch.save([torch.nn.Linear(2, 2), 3], path, _use_new_zipfile_serialization=False)
    found = read(path)
    assert isinstance(found[0], Foreign) and found[1] == 3

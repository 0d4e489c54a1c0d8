"""Values that would hang or crash whoever walks through them are refused."""

import pickle

import pytest

from projects.SRKD.base.safe_reading import DATA_NAMES, PickleMachine, UnreadableError, run
from projects.SRKD.base.safe_reading.limits import check_extent, check_key


def read(raw):
    return run(PickleMachine(raw, DATA_NAMES))


def test_what_unfolds_without_end_is_refused():
    nest = ['x']
    for _ in range(40):
        nest = [nest, nest]  # 120 bytes, 2 ** 40 values
    with pytest.raises(UnreadableError, match='unfolds to'):
        read(pickle.dumps(nest))


def test_depth_is_bounded_however_it_is_written():
    for depth, fits in ((90, True), (101, False), (100_000, False)):
        raw = b']' * depth + b'a' * (depth - 1) + b'.'
        by_name = b']q\x00' + b'](h\x00eq\x00' * (depth - 1) + b'.'
        for content in (raw, by_name):
            if fits:
                assert read(content)
            else:
                with pytest.raises(UnreadableError, match='nest|depth'):
                    read(content)


def test_what_contains_itself_is_refused():
    circle = []
    circle.append(dict(back=circle))
    with pytest.raises(UnreadableError, match='contains itself'):
        read(pickle.dumps(circle))


def test_a_nest_of_tuples_is_no_key():
    raw = b'}' + b')' + b'\x85' * 200_000 + b'Ns.'  # Python's hash of it would end the process
    with pytest.raises(UnreadableError, match='a key is a nest of tuples'):
        read(raw)
    check_key((1, ('a', (None, 2.0))))


def test_shared_values_count_as_often_as_they_are_named():
    once = [1, 2, 3]
    assert check_extent([once, once], 8) == [once, once]
    with pytest.raises(UnreadableError, match='unfolds to 8 values'):
        check_extent([once, once], 7)


def test_keys_of_one_hash_are_refused():
    content = {i * (2**61 - 1): i for i in range(3000)}  # a search through all for each
    with pytest.raises(UnreadableError, match='a key is an integer of 61 bits'):
        read(pickle.dumps(content))
    assert read(pickle.dumps({2**60: 1, -5: 2})) == {2**60: 1, -5: 2}

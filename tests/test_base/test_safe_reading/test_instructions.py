"""Every protocol gives what Python's own unpickler gives, and damage gives one kind of error."""

import gc
import pickle
import random
from collections import OrderedDict, defaultdict

import pytest

from projects.SRKD.base.safe_reading import DATA_NAMES, PickleMachine, UnreadableError, run

SHARED = ['once']
DATA = dict(
    numbers=[0, 1, 255, 256, 65535, -1, 2**31 - 1, -(2**31), 2**63, -(2**120), 1.5, -0.0, 1e300],
    texts=['', 'a', 'é\n', 'x' * 300, '\ud800'],
    raw=[b'', b'\x00\xff', b'y' * 300],
    flags=(True, False, None),
    tuples=((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    groups=[{1, 'b'}, set(), frozenset({2, (3, 4)})],
    tables=[{}, {1: 2, (1, 'x'): [3]}, OrderedDict(a=1), defaultdict(list, b=[2])],
    others=[bytearray(b'ab'), 1 + 2j, slice(1, 2), range(3), int],
    shared=[SHARED, SHARED],
    many={str(key): [key] * 3 for key in range(300)},
)


def read(raw):
    return run(PickleMachine(raw, DATA_NAMES))


@pytest.mark.parametrize('protocol', range(6))
def test_each_protocol_gives_what_pythons_unpickler_gives(protocol):
    found = read(pickle.dumps(DATA, protocol))
    assert found == DATA and list(found['many']) == list(DATA['many'])
    assert found['shared'][0] is found['shared'][1]
    assert [type(table) for table in found['tables']] == [type(t) for t in DATA['tables']]
    assert found['tables'][3].default_factory is list


def test_text_and_objects_of_python_2_are_read():
    assert read(b"S'a\\nb'\n.") == 'a\nb' and read(b'U\x02\xffx.') == b'\xffx'
    assert read(b'(lp1\nI1\naI01\na.') == [1, True]
    assert repr(read(b'(ios\nsystem\n.')) == '<foreign object os.system>'
    assert repr(read(b'(cos\nsystem\no.')) == '<foreign object os.system>'


@pytest.mark.parametrize(
    ('raw', 'said'),
    [
        (b'', 'ends too early'),
        (b'N', 'ends too early'),
        (b'\x8e' + b'\xff' * 8 + b'x.', 'ends too early'),
        (b'\x96' + b'\xff' * 7 + b'\x00x.', 'ends too early'),  # would reserve what it says
        (b'\x82\x01.', "'.x82' at byte 0"),  # an extension
        (b'\x97.', "'.x97' at byte 0"),  # a buffer beside the file
        (b'Nbq\x00.', 'takes what is not there'),
        (b']K\x01K\x02s.', 'puts entries into a list'),
        (b'}K\x01a.', 'appends to a dict'),
        (b'\x8b\x40\x00\x00\x00' + b'\x01' * 64 + b'.', 'an integer of 64 bytes'),
        (b'I' + b'9' * 5000 + b'\n.', 'an integer of 5000 digits'),
        (b'}]K\x01s.', 'a key is a list'),
        (b'X\x01\x00\x00\x00\xff.', 'UnicodeDecodeError'),
        (b'h\x05.', 'KeyError'),
        (b'Q.', 'takes what is not there'),
        (b'NQ.', 'data outside of itself'),
    ],
)
def test_what_is_no_pickle_of_data_is_refused(raw, said):
    with pytest.raises(UnreadableError, match=said):
        read(raw)


def test_a_memo_of_a_large_number_reserves_nothing():
    assert read(b'Nr\xff\xff\xff\xff0j\xff\xff\xff\xff.') is None  # Python's would reserve 64 GB


def test_every_cut_of_a_file_is_refused():
    whole = pickle.dumps(DATA, 2)
    for size in random.Random(0).sample(range(len(whole)), 200):
        with pytest.raises(UnreadableError):
            read(whole[:size])


@pytest.mark.parametrize('enabled', [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled):
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        run(PickleMachine(pickle.dumps([1, 2]), DATA_NAMES))
        assert gc.isenabled() is enabled
        with pytest.raises(UnreadableError):
            run(PickleMachine(pickle.dumps([1, 2])[:-1], DATA_NAMES))
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()

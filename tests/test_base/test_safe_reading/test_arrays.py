"""Arrays come back as they were, and no address, type or length of a file's choice is taken."""

import pickle

import numpy as np
import pytest

from projects.SRKD.base.safe_reading import (
    DATA_NAMES,
    Foreign,
    PickleMachine,
    UnreadableError,
    run,
)

ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.zeros((0, 4), np.float32),
    np.array(3, np.int8),
    np.array([True, False]),
    np.arange(3, dtype='>u4'),
    np.array(['a', 'bcd', '']),
    np.array([b'x', b'yz']),
    np.array([1j, 2], np.complex64),
    np.array([1, 'a', None], object),
    np.float64(2.5),
    np.int16(-3),
    np.str_('word'),
    np.dtype('<f4'),
]


def read(raw):
    return run(PickleMachine(raw, DATA_NAMES))


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize('array', ARRAYS, ids=repr)
def test_arrays_come_back(array, protocol):
    found = read(pickle.dumps([array, array], protocol))
    assert found[0] is found[1]
    if isinstance(array, np.dtype):
        assert found[0] == array
        return
    assert type(found[0]) is type(array) and found[0].dtype == array.dtype
    np.testing.assert_array_equal(found[0], array)
    if isinstance(array, np.ndarray):
        assert found[0].flags.writeable and found[0].strides == array.strides
        assert pickle.dumps(found[0]) == pickle.dumps(array)


class Asks:
    def __init__(self, function, args, state=None):
        self.reduced = (function, args, state)

    def __reduce__(self):
        return self.reduced


MAKE = np.core.multiarray._reconstruct
SCALAR = np.core.multiarray.scalar
F4 = np.dtype('f4')


def shaped(shape, kind, content, order=False):
    return Asks(MAKE, (np.ndarray, (0,), b'b'), (1, shape, kind, order, content))


@pytest.mark.parametrize(
    'content',
    [
        shaped((2**40,), F4, b'abcd'),
        shaped((-1,), F4, b'abcd'),
        shaped((2**62, 2**62), F4, b'abcd'),
        shaped((1.0,), F4, b'abcd'),
        shaped([1], F4, b'abcd'),
        shaped((1,) * 40, F4, b'abcd'),
        shaped((1,), 'f4', b'abcd'),
        shaped((2,), np.dtype('O'), b'abcdabcdabcdabcd'),  # addresses of objects
        shaped((2,), np.dtype('O'), [1]),
        shaped((1,), F4, [1]),
        shaped((1,), np.dtype('U1'), b'\xff\xff\xff\xff'),
        Asks(MAKE, (np.ndarray, (0,), b'b'), (1,)),
        Asks(np.ndarray, ((4,), F4, b'abcd', 2**40)),
        Asks(SCALAR, (np.dtype('O'), b'abcdefgh')),
        Asks(SCALAR, (F4, b'abc')),
        Asks(np.dtype, ('f4', False, True), (3, '<', None, ('a',), {'a': (F4, 99)}, 99, 1, 0)),
        Asks(np.dtype, ('U1', False, True), (3, '<', None, None, None, 2**40, 4, 8)),
    ],
)
def test_what_does_not_fit_its_bytes_is_refused(content):
    with pytest.raises(UnreadableError):
        read(pickle.dumps(content))


@pytest.mark.parametrize('kind', ['M8[ns]', 'V8', [('a', 'f4'), ('b', 'O')]])
def test_dates_and_records_are_foreign(kind):
    found = read(pickle.dumps(dict(kept=1, array=np.zeros(2, kind))))
    assert found['kept'] == 1 and isinstance(found['array'], Foreign)


def test_bytes_named_again_and_again_are_refused():
    one = pickle.dumps(np.zeros(4000), 2)
    whole = pickle.dumps([np.zeros(4000)] + [0], 2)
    assert len(read(whole)[0]) == 4000
    arrays = [shaped((500,), np.dtype('f8'), bytes(4000))]
    arrays += [shaped((500,), np.dtype('f8'), arrays[0].reduced[2][4]) for _ in range(5000)]
    assert len(one) > 30_000
    with pytest.raises(UnreadableError, match='copies more'):
        read(pickle.dumps(arrays, 2))

"""Names, calls and states: what a file may reach."""

import os
import pickle

import numpy as np
import pytest

from projects.SRKD.base.safe_reading import (
    DATA_NAMES,
    Foreign,
    Names,
    PickleMachine,
    UnreadableError,
    run,
)


class Asks:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def read(content, protocol=2):
    machine = PickleMachine(pickle.dumps(content, protocol), DATA_NAMES)
    return run(machine), machine


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize('function', [os.system, eval, exec, getattr, __import__, np.load])
def test_functions_are_never_called(tmp_path, function, protocol):
    found, machine = read([Asks(function, (f'touch {tmp_path}/ran',))], protocol)
    assert isinstance(found[0], Foreign) and list(machine.foreign)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('kind', [str, list, tuple, dict, memoryview])
def test_types_are_named_and_not_called(kind):
    if kind is not memoryview:
        assert read(kind)[0] is kind
        with pytest.raises(UnreadableError, match=f'it calls {kind.__name__}'):
            read(Asks(kind, ([1],)))
    else:
        assert isinstance(read(Asks(kind, (b'a',)))[0], Foreign)


@pytest.mark.parametrize('amount', [2**40, -1, [1, 2]])
def test_bytes_are_not_made_by_a_number(amount):
    for kind in (bytes, bytearray):
        with pytest.raises(UnreadableError, match='made of'):
            read(Asks(kind, (amount,)))


@pytest.mark.parametrize('thing', [int, len, 1.5, 'text', np.float32(1), np.dtype('f4')])
def test_a_state_is_taken_by_what_expects_one_alone(thing):
    raw = pickle.dumps(thing, 2)[:-1] + b'}X\x01\x00\x00\x00aNsb.'
    with pytest.raises(UnreadableError, match='gives a state to'):
        run(PickleMachine(raw, DATA_NAMES))


def test_one_thing_copied_again_and_again_is_refused():
    content = pickle.dumps(list(range(3000)), 2)[2:-1]
    raw = b'c__builtin__\nset\nq\xff0' + content + b'q\xfe0' + b'h\xffh\xfe\x85R0' * 9000 + b'N.'
    with pytest.raises(UnreadableError, match='copies more data than it holds'):
        run(PickleMachine(raw, DATA_NAMES))


def test_names_beside_each_other_are_all_known():
    both = DATA_NAMES | Names({('a', 'b'): 7}, {}, {})
    assert run(PickleMachine(b'ca\nb\n.', both)) == 7
    assert issubclass(run(PickleMachine(b'ca\nb\n.', DATA_NAMES)), Foreign)

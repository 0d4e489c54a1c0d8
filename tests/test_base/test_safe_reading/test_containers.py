"""Containers that a file's calls make hold what the file holds."""

import pickle
from collections import OrderedDict, defaultdict

import pytest

from projects.SRKD.base.safe_reading import DATA_NAMES, PickleMachine, UnreadableError, run


def read(raw):
    return run(PickleMachine(raw, DATA_NAMES))


class Asks:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def test_pairs_of_python_2_make_an_ordered_dict():
    assert read(pickle.dumps(Asks(OrderedDict, ([['b', 1], ('a', 2)],)))) == OrderedDict(b=1, a=2)


def test_an_ordered_dict_keeps_versions_alone():
    about = OrderedDict({'': dict(version=1)})
    found = read(pickle.dumps(Asks(OrderedDict, (), dict(_metadata=about, items=3))))
    assert found._metadata == about and 'items' not in vars(found)
    found = read(pickle.dumps(Asks(OrderedDict, (), dict(_metadata=dict(a=7)))))
    assert not hasattr(found, '_metadata')


@pytest.mark.parametrize('factory', [None, list, int, defaultdict])
def test_a_defaultdict_makes_plain_values_alone(factory):
    found = read(pickle.dumps(Asks(defaultdict, (factory,))))
    assert found.default_factory is (None if factory is defaultdict else factory)


@pytest.mark.parametrize(
    ('kind', 'args'),
    [
        (OrderedDict, ('text',)),
        (OrderedDict, ([[[1], 2]],)),
        (set, ('text',)),
        (frozenset, ([[1]],)),
        (bytes, ([1, 2],)),
        (int, ('9',)),
        (complex, ('1j',)),
        (slice, ([],)),
        (range, ([],)),
    ],
)
def test_what_they_are_not_made_of_is_refused(kind, args):
    with pytest.raises(UnreadableError, match='made of|a key is'):
        read(pickle.dumps(Asks(kind, args)))

"""Python's own containers and types, as the names in a file stand for them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import Any

from .limits import UnreadableError
from .machine import Names, PickleMachine, checked_keys

_TYPES = (
    bool, int, float, complex, str, bytes, bytearray, slice, range, list, tuple, dict, set,
    frozenset,
)  # fmt: skip
_FACTORIES = (None, list, dict, set, int, float, str, tuple, OrderedDict)


def _ordered(machine: PickleMachine, items: Any = ()) -> OrderedDict:
    """Entries follow one by one; Python 2 gave them as a list of pairs."""
    if type(items) not in (list, tuple):
        raise UnreadableError('an OrderedDict is made of a list of pairs')
    machine.charge(len(items))
    pairs = [tuple(pair) for pair in items]
    checked_keys([key for key, _ in pairs])
    return OrderedDict(pairs)


def _ordered_state(machine: PickleMachine, found: OrderedDict, state: Any) -> OrderedDict:
    """Of the attributes, the versions that torch keeps beside weights."""
    about = state.get('_metadata') if type(state) is dict else None
    if isinstance(about, dict) and all(type(entry) is dict for entry in about.values()):
        found._metadata = about
    return found


def _default(machine: PickleMachine, factory: Any = None) -> defaultdict:
    return defaultdict(factory if any(factory is known for known in _FACTORIES) else None)


def _set(machine: PickleMachine, items: Any = ()) -> set:
    if type(items) not in (list, tuple):
        raise UnreadableError('a set is made of a list')
    machine.charge(len(items))
    return set(checked_keys(items))


def _bytes(machine: PickleMachine, *args: Any) -> bytes:
    if args:
        raise UnreadableError('bytes are made of a text in latin1')
    return b''


def _bytearray(machine: PickleMachine, content: Any = b'', encoding: Any = 'latin-1') -> bytearray:
    if isinstance(content, str) and encoding in ('latin-1', 'latin1'):
        content = content.encode('latin1')
    if not isinstance(content, bytes):
        raise UnreadableError('a bytearray is made of bytes')
    machine.charge(len(content))
    return bytearray(content)


def _latin1(machine: PickleMachine, text: Any, encoding: Any) -> bytes:
    """Bytes under protocol 2."""
    if encoding not in ('latin1', 'latin-1') or not isinstance(text, str):
        raise UnreadableError(f'bytes are encoded as latin1, this one says {encoding!r}'[:80])
    machine.charge(len(text))
    return text.encode('latin1')


def _numbers(kind: type) -> Any:
    def build(machine: PickleMachine, *args: Any) -> Any:
        if not all(arg is None or type(arg) in (int, float, bool) for arg in args):
            raise UnreadableError(f'a {kind.__name__} is made of numbers')
        return kind(*args)

    return build


def _names() -> Names:
    values: dict[tuple[str, str], Any] = {
        ('collections', 'OrderedDict'): OrderedDict,
        ('collections', 'defaultdict'): defaultdict,
        ('_codecs', 'encode'): _latin1,
    }
    for module in ('builtins', '__builtin__'):  # the latter by protocol 2
        values.update({(module, kind.__name__): kind for kind in _TYPES})
    python2 = dict(xrange=range, long=int, unicode=str)
    values.update({('__builtin__', name): kind for name, kind in python2.items()})
    calls = {
        OrderedDict: _ordered,
        defaultdict: _default,
        _latin1: _latin1,
        set: _set,
        frozenset: lambda machine, items=(): frozenset(_set(machine, items)),
        bytes: _bytes,
        bytearray: _bytearray,
    }
    calls |= {kind: _numbers(kind) for kind in (complex, slice, range, int, float, bool)}
    return Names(values, calls, {OrderedDict: _ordered_state})


NAMES = _names()

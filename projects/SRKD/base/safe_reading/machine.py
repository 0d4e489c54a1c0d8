"""A pickle read as data: its instructions build plain values, and no name in it is imported.

Python's own unpickler calls what a file names with arguments of the file's choice, hands objects
the file's state, and reserves memory by a number of the file. This one knows the instructions
alone. A name is looked up in one table, what may be called in another, and what is built may not be
larger than the file has reason to be.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from .foreign import Foreign
from .limits import UnreadableError, check_key

_BUDGET = 8  # bytes or elements that may be copied for each byte of the file
_SPARE = 1 << 20
_RECENT = 4096  # names between a thing and its state
_DICTS = (dict, OrderedDict, defaultdict)


class Names:
    """What the names in a file stand for.

    Args:
        values: (module, name) -> the value that stands for it; it is never called.
        calls: Such a value -> what builds data; gets the machine, then the file's arguments.
        states: Type of a built thing -> what returns it with a state, of machine, thing and state.
    """

    def __init__(
        self,
        values: Mapping[tuple[str, str], Any],
        calls: Mapping[Any, Callable],
        states: Mapping[type, Callable],
    ) -> None:
        self.values, self.calls, self.states = dict(values), dict(calls), dict(states)

    def __or__(self, other: Names) -> Names:
        """Both tables together; where they differ the other one's entry holds."""
        return Names(
            self.values | other.values, self.calls | other.calls, self.states | other.states
        )


class PickleMachine:
    """The state of reading one pickle, and what its instructions do to it.

    Args:
        raw: Bytes that hold it.
        names: What may be named.
        stored: Returns what lies outside of the pickle, of machine and id; None: nothing may.
        at: Where in ``raw`` it begins; afterwards, where it ended.

    Attributes:
        foreign: Names met that stand for nothing, in order.
        most: Bytes or elements that may be copied in all.
    """

    def __init__(
        self,
        raw: bytes,
        names: Names,
        stored: Callable[[PickleMachine, Any], Any] | None = None,
        at: int = 0,
    ) -> None:
        self.raw, self.at, self.names, self.stored = raw, at, names, stored
        self.foreign: dict[str, type[Foreign]] = {}
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self._left = self.most = _BUDGET * len(raw) + _SPARE

    def charge(self, elements: int) -> None:
        """Count what is copied: a file may not grow without bound by naming one thing often.

        Raises:
            UnreadableError: If it does.
        """
        self._left -= elements
        if self._left < 0:
            raise UnreadableError('it copies more data than it holds')

    # Reading -------------------------------------------------------------------------------------

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self.raw) - self.at:
            raise UnreadableError('it ends too early')
        self.at += count
        return self.raw[self.at - count : self.at]

    def number(self, width: int) -> int:
        """The next integer of ``width`` bytes."""
        return int.from_bytes(self.take(width), 'little')

    def sized(self, width: int) -> bytes:
        """The next bytes, behind their number."""
        return self.take(self.number(width))

    def text(self, width: int) -> str:
        """The next text, behind its number of bytes."""
        return str(self.sized(width), 'utf-8', 'surrogatepass')

    def line(self) -> bytes:
        """The rest of a line."""
        end = self.raw.find(b'\n', self.at)
        if end < 0:
            raise UnreadableError('it ends too early')
        line, self.at = self.raw[self.at : end], end + 1
        return line

    # The stack -----------------------------------------------------------------------------------

    def since_mark(self) -> list[Any]:
        """Take off what was pushed since the last mark, and the mark."""
        items, self.stack = self.stack, self.marked.pop()
        return items

    def last(self, count: int) -> list[Any]:
        """Take off the topmost values."""
        if len(self.stack) < count:
            raise UnreadableError('it takes what is not there')
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def extend(self, items: list[Any]) -> None:
        """Append to the topmost list."""
        whole = self.stack[-1]
        if type(whole) is list:
            whole.extend(items)
        elif not isinstance(whole, Foreign):
            raise UnreadableError(f'it appends to a {type(whole).__name__}')

    def add(self, items: list[Any]) -> None:
        """Add to the topmost set."""
        whole = self.stack[-1]
        if type(whole) is set:
            whole.update(checked_keys(items))
        elif not isinstance(whole, Foreign):
            raise UnreadableError(f'it adds to a {type(whole).__name__}')

    def set_items(self, items: list[Any]) -> None:
        """Put keys and values, in turn, into the topmost dict."""
        table = self.stack[-1]
        if isinstance(table, Foreign):
            return
        if type(table) not in _DICTS or len(items) % 2:
            raise UnreadableError(f'it puts entries into a {type(table).__name__}')
        for key, value in zip(items[::2], items[1::2]):
            if type(key) is not str:
                check_key(key)
            table[key] = value

    # Names, calls and states ---------------------------------------------------------------------

    def named(self, module: Any, name: Any) -> Any:
        """What a name stands for."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise UnreadableError('a name must be text')
        if (module, name) in self.names.values:
            return self.names.values[module, name]
        origin = f'{module}.{name}'
        if origin not in self.foreign:
            self.foreign[origin] = Foreign.of(origin)
        return self.foreign[origin]

    def called(self, function: Any, args: Any) -> Any:
        """What calling a value builds."""
        if isinstance(function, type) and issubclass(function, Foreign):
            return function()
        if isinstance(function, Foreign):
            return function
        check_key(function)
        build = self.names.calls.get(function)
        if build is None or type(args) is not tuple:
            raise UnreadableError(f'it calls {getattr(function, "__name__", "what is no name")}')
        return build(self, *args)

    def stated(self) -> None:
        """Give the topmost but one the topmost as its state."""
        thing, state = self.last(2)
        self.stack.append(thing)
        if isinstance(thing, Foreign):
            return
        fitting = (give for kind, give in self.names.states.items() if isinstance(thing, kind))
        give = next(fitting, None)
        if give is None:
            raise UnreadableError(f'it gives a state to a {type(thing).__name__}')
        full = give(self, thing, state)
        if full is not thing:
            self.stack[-1] = full
            for _, key in zip(range(_RECENT), reversed(self.memo)):
                if self.memo[key] is thing:
                    self.memo[key] = full
                    break

    def outside(self, pid: Any) -> Any:
        """What lies outside of the pickle."""
        if self.stored is None:
            raise UnreadableError('it refers to data outside of itself')
        return self.stored(self, pid)


def checked_keys(items: list[Any]) -> list[Any]:
    """The items, each of which may be a member of a set."""
    for item in items:
        check_key(item)
    return items

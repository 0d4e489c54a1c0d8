"""What each instruction of a pickle does: protocols 0 to 5, as Python's ``pickletools`` tells them.

Left out are those that reach outside of the file: registered extensions and buffers beside it.
"""

from __future__ import annotations

import codecs
import gc
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .foreign import Foreign
from .limits import UnreadableError, check_extent
from .machine import PickleMachine, checked_keys

_WIDEST = 32  # bytes of an integer: the state of a random number generator has 16
_INT, _FLOAT = struct.Struct('<i'), struct.Struct('>d')


def run(machine: PickleMachine) -> Any:
    """Read the pickle that a machine stands before.

    Raises:
        UnreadableError: If it is no pickle, cut, or not of data.
    """
    try:
        with _no_collection():
            return check_extent(_run(machine), 8 * machine.most)
    except (struct.error, IndexError):
        raise UnreadableError('it ends too early') from None
    except RecursionError:
        raise UnreadableError('it nests too deep') from None
    except UnreadableError:
        raise
    except (
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
        MemoryError,
        RuntimeError,
        ValueError,
    ) as error:
        raise UnreadableError(f'{type(error).__name__}: {error}') from None


@contextmanager
def _no_collection() -> Iterator[None]:
    """Millions of containers are built, none is garbage: looking for some takes half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _run(machine: PickleMachine) -> Any:
    raw, memo, steps, float_at = machine.raw, machine.memo, INSTRUCTIONS, _FLOAT.unpack_from
    while True:
        code = raw[machine.at]
        machine.at += 1
        # Those of which an info file consists stand here: a call would take as long again.
        if code == 0x47:  # 'G', BINFLOAT
            machine.stack.append(float_at(raw, machine.at)[0])
            machine.at += 8
        elif code == 0x68:  # 'h', BINGET
            machine.stack.append(memo[raw[machine.at]])
            machine.at += 1
        elif code == 0x94:  # MEMOIZE
            memo[len(memo)] = machine.stack[-1]
        elif code == 0x8C:  # SHORT_BINUNICODE
            machine.stack.append(machine.text(1))
        elif code == 0x2E:  # '.', STOP
            return machine.last(1)[0]
        else:
            step = steps[code]
            if step is None:
                raise UnreadableError(f'{bytes([code])!r} at byte {machine.at - 1:,}')
            step(machine)


def _integer(raw: bytes) -> int:
    if len(raw) > _WIDEST:
        raise UnreadableError(f'an integer of {len(raw)} bytes')
    return int.from_bytes(raw, 'little', signed=True)


def _integer_line(machine: PickleMachine) -> int | bool:
    line = machine.line()
    if line in (b'00', b'01'):
        return line == b'01'
    if len(line) > 3 * _WIDEST:
        raise UnreadableError(f'an integer of {len(line)} digits')
    return int(line.rstrip(b'L'))


def _ascii(raw: bytes) -> str | bytes:
    """Python 2's text; bytes where it is none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _quoted(machine: PickleMachine) -> str | bytes:
    line = machine.line().strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b'"', b"'"):
        raise UnreadableError('text without quotes')
    return _ascii(codecs.escape_decode(line[1:-1])[0])


def _signed(machine: PickleMachine) -> int:
    return _INT.unpack(machine.take(4))[0]


def _dict(machine: PickleMachine) -> dict:
    items = machine.since_mark()
    return dict(zip(checked_keys(items[::2]), items[1::2]))


def _mark(machine: PickleMachine) -> None:
    machine.marked.append(machine.stack)
    machine.stack = []


def _pop(machine: PickleMachine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.since_mark()


def _put(machine: PickleMachine, key: int) -> None:
    machine.memo[key] = machine.stack[-1]


def _instance(machine: PickleMachine) -> Any:
    named = machine.named(machine.line().decode(), machine.line().decode())
    return machine.called(named, tuple(machine.since_mark()))


def _object(machine: PickleMachine) -> Any:
    kind, *args = machine.since_mark()
    return machine.called(kind, tuple(args))


def _keyworded(machine: PickleMachine) -> Any:
    kind, args, keywords = machine.last(3)
    if keywords:  # nothing of ours takes any
        return Foreign.of(getattr(kind, '__name__', 'unknown'))()
    return machine.called(kind, args)


def _pushes(value: Callable[[PickleMachine], Any]) -> Callable[[PickleMachine], None]:
    def step(machine: PickleMachine) -> None:
        built = value(machine)  # first: it may change the stack
        machine.stack.append(built)

    return step


_VALUES: dict[bytes, Callable[[PickleMachine], Any]] = {
    b'N': lambda m: None,
    b'\x88': lambda m: True,
    b'\x89': lambda m: False,
    b'I': _integer_line,
    b'L': _integer_line,
    b'J': _signed,
    b'K': lambda m: m.number(1),
    b'M': lambda m: m.number(2),
    b'\x8a': lambda m: _integer(m.sized(1)),
    b'\x8b': lambda m: _integer(m.sized(4)),
    b'F': lambda m: float(m.line()),
    b'S': _quoted,
    b'T': lambda m: _ascii(m.sized(4)),
    b'U': lambda m: _ascii(m.sized(1)),
    b'V': lambda m: str(m.line(), 'raw-unicode-escape'),
    b'X': lambda m: m.text(4),
    b'\x8d': lambda m: m.text(8),
    b'B': lambda m: m.sized(4),
    b'C': lambda m: m.sized(1),
    b'\x8e': lambda m: m.sized(8),
    b'\x96': lambda m: bytearray(m.sized(8)),
    b')': lambda m: (),
    b'\x85': lambda m: tuple(m.last(1)),
    b'\x86': lambda m: tuple(m.last(2)),
    b'\x87': lambda m: tuple(m.last(3)),
    b't': lambda m: tuple(m.since_mark()),
    b']': lambda m: [],
    b'l': lambda m: m.since_mark(),
    b'}': lambda m: {},
    b'd': _dict,
    b'\x8f': lambda m: set(),
    b'\x91': lambda m: frozenset(checked_keys(m.since_mark())),
    b'2': lambda m: m.stack[-1],
    b'g': lambda m: m.memo[_integer_line(m)],
    b'j': lambda m: m.memo[m.number(4)],
    b'c': lambda m: m.named(m.line().decode(), m.line().decode()),
    b'\x93': lambda m: m.named(*m.last(2)),
    b'R': lambda m: m.called(*m.last(2)),
    b'\x81': lambda m: m.called(*m.last(2)),
    b'\x92': _keyworded,
    b'i': _instance,
    b'o': _object,
    b'Q': lambda m: m.outside(m.last(1)[0]),
    b'P': lambda m: m.outside(m.line().decode()),
}
_STEPS: dict[bytes, Callable[[PickleMachine], Any]] = {
    b'\x80': lambda m: m.take(1),  # PROTO
    b'\x95': lambda m: m.take(8),  # FRAME
    b'(': _mark,
    b'0': _pop,
    b'1': lambda m: m.since_mark(),
    b'a': lambda m: m.extend(m.last(1)),
    b'e': lambda m: m.extend(m.since_mark()),
    b's': lambda m: m.set_items(m.last(2)),
    b'u': lambda m: m.set_items(m.since_mark()),
    b'\x90': lambda m: m.add(m.since_mark()),
    b'p': lambda m: _put(m, _integer_line(m)),
    b'q': lambda m: _put(m, m.number(1)),
    b'r': lambda m: _put(m, m.number(4)),
    b'b': lambda m: m.stated(),
}
_BY_CODE = {code[0]: _pushes(value) for code, value in _VALUES.items()}
_BY_CODE |= {code[0]: step for code, step in _STEPS.items()}
INSTRUCTIONS = [_BY_CODE.get(code) for code in range(256)]

"""Checkpoints of torch below 1.6: five pickles, then the storages as they lie in memory.

The form has no checksums. What can be checked is: each storage has the length that is told of it
twice, and the file ends behind the last one.
"""

from __future__ import annotations

from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import torch

from .archive import Restore
from .instructions import run
from .limits import UnreadableError
from .machine import Names, PickleMachine
from .tensors import Stored, stored_id

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001


def read_legacy(path: Path, names: Names, restore: Restore) -> Any:
    """Read a checkpoint, see :func:`.read_archive`.

    Raises:
        UnreadableError: If it is cut, too long, or no checkpoint.
    """
    if not path.stat().st_size:
        raise UnreadableError('it is empty')
    with path.open('rb') as file, mmap(file.fileno(), 0, access=ACCESS_READ) as raw:
        return _Reader(raw, names, restore).read()


def read_legacy_bytes(raw: bytes, names: Names, restore: Restore) -> Any:
    """Read a checkpoint that lies in memory, see :func:`read_legacy`."""
    return _Reader(raw, names, restore).read()


class _Reader:
    def __init__(self, raw: mmap | bytes, names: Names, restore: Restore) -> None:
        self.raw, self.names, self.restore, self.at = raw, names, restore, 0
        self.told: dict[str, tuple[torch.dtype, str, int]] = {}
        self.known: dict[str, torch.UntypedStorage] = {}

    def read(self) -> Any:
        if self._next() != _MAGIC or self._next() != _VERSION:
            raise UnreadableError('it does not begin as a checkpoint')
        about = self._next()
        if not isinstance(about, dict) or about.get('little_endian') is not True:
            raise UnreadableError('it was written by a machine of the other byte order')
        begin = self.at
        self._next(self._told)  # the storages come behind their use: once to learn of them
        keys = self._next()
        if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(self.told):
            raise UnreadableError('it lists other storages than it uses')
        for key in map(str, keys):
            self.known[key] = self._numbers(key)
        if self.at != len(self.raw):
            raise UnreadableError(f'{len(self.raw) - self.at:,} bytes lie behind its end')
        self.at = begin
        return self._next(self._stored)

    def _next(self, stored: Any = None) -> Any:
        machine = PickleMachine(self.raw, self.names, stored, self.at)
        content = run(machine)
        self.at = machine.at
        return content

    def _told(self, machine: PickleMachine, pid: Any) -> Any:
        if type(pid) is tuple and len(pid) == 4 and pid[0] == 'module':  # its source beside it
            return pid[1]
        dtype, key, location, count, part = stored_id(pid)
        if self.told.setdefault(key, (dtype, location, count)) != (dtype, location, count):
            raise UnreadableError(f'storage {key[:20]} has two sizes')
        if count * dtype.itemsize > len(self.raw):
            raise UnreadableError(f'storage {key[:20]} is larger than the file')
        storage = torch.UntypedStorage(count * dtype.itemsize, device='meta')
        return Stored(storage, dtype, part)

    def _stored(self, machine: PickleMachine, pid: Any) -> Any:
        if type(pid) is tuple and len(pid) == 4 and pid[0] == 'module':
            return pid[1]
        dtype, key, _, _, part = stored_id(pid)
        return Stored(self.known[key], dtype, part)

    def _numbers(self, key: str) -> torch.UntypedStorage:
        dtype, location, count = self.told[key]
        width = count * dtype.itemsize
        begin = self.at + 8
        if int.from_bytes(self.raw[self.at : begin], 'little') != count:
            raise UnreadableError(f'storage {key[:20]} has not the size that is told of it')
        if begin + width > len(self.raw):
            raise UnreadableError('it ends too early')
        self.at = begin + width
        storage = torch.UntypedStorage(width)
        if width:
            view = memoryview(torch.empty(0, dtype=torch.uint8).set_(storage).numpy())
            view[:] = memoryview(self.raw)[begin : begin + width]
        return self.restore(storage, location)

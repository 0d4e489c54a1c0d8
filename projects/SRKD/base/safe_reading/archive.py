"""Checkpoints of torch 1.6 and later: a zip archive of a pickle and one member per storage.

One parser, Python's ``zipfile``, judges the archive and reads it, and each member is compared with
its checksum; torch's own reader compares none, and hands programs to ``torch.jit.load``.
"""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .instructions import run
from .limits import UnreadableError
from .machine import Names, PickleMachine
from .tensors import Stored, stored_id

_PIECE = 1 << 20  # bytes
_PICKLE = 'data.pkl'
Restore = Callable[[torch.UntypedStorage, str], torch.UntypedStorage]


def read_archive(path: Path, names: Names, restore: Restore) -> Any:
    """Read a checkpoint.

    Args:
        path: A zip archive.
        names: What its pickle may name.
        restore: Puts a storage on its device; gets the storage and the name of its device.

    Raises:
        UnreadableError: If it is damaged, a TorchScript program, or no checkpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path.stat().st_size)
            return _Reader(archive, members, names, restore).read()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UnreadableError(str(error) or type(error).__name__) from None


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Members by their name behind that of the archive, which stands before each."""
    infos = archive.infolist()
    roots = {info.filename.partition('/')[0] for info in infos}
    members = {info.filename.partition('/')[2]: info for info in infos}
    if 'constants.pkl' in members or any(name.startswith('code/') for name in members):
        raise UnreadableError('it is a TorchScript program; expected one written by torch.save')
    if len(roots) != 1 or len(members) != len(infos) or _PICKLE not in members:
        raise UnreadableError('it is a zip archive without one data.pkl')
    if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in infos):
        raise UnreadableError('its members are compressed or encrypted, expected them as they are')
    if sum(info.file_size for info in infos) > size:
        raise UnreadableError('its members lie over each other')
    if all(info.CRC == 0 for info in infos if info.file_size):
        warnings.warn(
            f'{archive.filename} was saved without checksums: damage to it cannot be seen',
            stacklevel=4,
        )
        for info in infos:
            info.CRC = None  # zipfile then compares none
    return members


class _Reader:
    def __init__(
        self,
        archive: zipfile.ZipFile,
        members: dict[str, zipfile.ZipInfo],
        names: Names,
        restore: Restore,
    ) -> None:
        self.archive, self.members, self.names, self.restore = archive, members, names, restore
        self.known: dict[str, torch.UntypedStorage] = {}

    def read(self) -> Any:
        others = [name for name in self.members if not name.startswith('data/')]
        texts = {name: self.archive.read(self.members[name]) for name in others}
        if texts.get('byteorder', b'little') != b'little':
            raise UnreadableError('it was written by a machine of the other byte order')
        return run(PickleMachine(texts[_PICKLE], self.names, self._stored))

    def _stored(self, machine: PickleMachine, pid: Any) -> Stored:
        dtype, key, location, count, part = stored_id(pid)
        if key not in self.known:
            member = self.members.get(f'data/{key}')
            if member is None or member.file_size != count * dtype.itemsize:
                raise UnreadableError(f'storage {key[:20]} has not the size that is told of it')
            self.known[key] = self.restore(self._numbers(member), location)
        elif self.known[key].nbytes() < count * dtype.itemsize:
            raise UnreadableError(f'storage {key[:20]} has two sizes')
        return Stored(self.known[key], dtype, part)

    def _numbers(self, member: zipfile.ZipInfo) -> torch.UntypedStorage:
        storage = torch.UntypedStorage(member.file_size)
        if member.file_size == 0:
            return storage
        view = memoryview(torch.empty(0, dtype=torch.uint8).set_(storage).numpy())
        with self.archive.open(member) as file:
            for start in range(0, member.file_size, _PIECE):
                piece = view[start : start + _PIECE]
                if file.readinto(piece) != len(piece):  # the last one compares the checksum
                    raise UnreadableError('it ends too early')
        return storage

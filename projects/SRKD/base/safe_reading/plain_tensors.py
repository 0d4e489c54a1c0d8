"""Tensors as Python's pickle writes them: each storage is a checkpoint in the old form."""

from __future__ import annotations

from typing import Any

import torch

from .legacy import read_legacy_bytes
from .limits import UnreadableError
from .machine import Names, PickleMachine
from .tensors import NAMES as TENSORS
from .tensors import Stored


def _stored(machine: PickleMachine, content: Any = None) -> Stored:
    if type(content) is not bytes:
        raise UnreadableError('a storage is made of bytes')
    machine.charge(len(content))
    found = read_legacy_bytes(content, TENSORS, _on_cpu)  # which name no further storages
    if not isinstance(found, Stored):
        raise UnreadableError('a storage is made of a checkpoint that holds something else')
    return found


def _on_cpu(storage: torch.UntypedStorage, location: str) -> torch.UntypedStorage:
    return storage


NAMES = TENSORS | Names({('torch.storage', '_load_from_bytes'): _stored}, {_stored: _stored}, {})

"""Files of strangers, read as data: nothing in them is run, and damage is told.

``machine``, ``instructions`` and ``limits`` read a pickle; ``containers``, ``arrays``, ``tensors``
and ``plain_tensors`` are what its names may stand for; ``archive`` and ``legacy`` are torch's two
forms.
"""

from . import arrays, containers, plain_tensors, tensors
from .archive import Restore, read_archive
from .foreign import Foreign
from .instructions import run
from .legacy import read_legacy
from .limits import UnreadableError
from .machine import Names, PickleMachine

__all__ = [
    'DATA_NAMES', 'DUMPED_NAMES', 'Foreign', 'Names', 'PickleMachine', 'Restore', 'UnreadableError',
    'WEIGHT_NAMES', 'read_archive', 'read_legacy', 'run',
]  # fmt: skip

DATA_NAMES = containers.NAMES | arrays.NAMES
WEIGHT_NAMES = DATA_NAMES | tensors.NAMES
DUMPED_NAMES = DATA_NAMES | plain_tensors.NAMES

"""Reading a checkpoint without running anything that it asks for.

A pickle names the functions to call while it is read. Here a name is looked up in one table of
functions that build data (tensors, arrays, plain containers, mmengine's ``HistoryBuffer``); any
other name becomes a class of inert :class:`Foreign` objects, so weights load beside objects of
packages that are absent or hostile.
"""

import collections
import pickle
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._utils import _rebuild_tensor_v2

from ..base import FileMissingError, UsageError, nearest_path
from .safetensors_file import SUFFIX, read_safetensors


class Foreign:
    """Stands for an object that is not data: takes every call a pickle can make, does nothing.

    ``origin`` is the name it was pickled under.
    """

    origin = 'unknown'

    def __new__(cls, *args, **kwargs):  # noqa: D102
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):  # noqa: D102
        return self

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    def append(self, value):
        """Take a list item, keep nothing."""

    def extend(self, values):
        """Take list items, keep nothing."""

    def add(self, value):
        """Take a set item, keep nothing."""

    def __reduce__(self):
        return Foreign, ()

    def __repr__(self):
        return f'<foreign object {self.origin}>'


def _tensor(storage, offset, size, stride, requires_grad, hooks=None, metadata=None) -> Tensor:
    """A tensor without the hooks and the metadata that came with it."""
    return _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, OrderedDict())


def _parameter(data, requires_grad, hooks=None, state=None) -> torch.nn.Parameter:
    return torch.nn.Parameter(data, requires_grad)


def _latin1(text: str, encoding: str) -> bytes:
    """``_codecs.encode`` as numpy uses it for bytes under pickle protocol 2."""
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'bytes are encoded as latin1, this one says {encoding!r}')
    return text.encode('latin1')


def _array(subtype, shape, dtype) -> np.ndarray:
    """An empty array whose content follows as its state."""
    return np.ndarray(shape, dtype)


def _scalar(dtype: np.dtype, value: bytes) -> np.generic:
    if dtype.hasobject:
        raise pickle.UnpicklingError('a numpy scalar of an object type is not data')
    return np.frombuffer(value, dtype, count=1)[0]


def _table() -> dict[tuple[str, str], Any]:
    """(module, name) as pickled -> what it stands for."""
    builders = {
        ('collections', 'OrderedDict'): OrderedDict,
        ('collections', 'defaultdict'): collections.defaultdict,
        ('torch._utils', '_rebuild_tensor_v2'): _tensor,
        ('torch._utils', '_rebuild_parameter'): _parameter,
        ('torch._utils', '_rebuild_parameter_with_state'): _parameter,
        ('torch', 'Size'): torch.Size,
        ('torch', 'device'): torch.device,
        ('numpy', 'ndarray'): np.ndarray,
        ('numpy', 'dtype'): np.dtype,
        ('_codecs', 'encode'): _latin1,
    }
    for core in ('numpy.core', 'numpy._core'):  # numpy 1 and 2
        builders[f'{core}.multiarray', '_reconstruct'] = _array
        builders[f'{core}.multiarray', 'scalar'] = _scalar
    plain = (
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        bytearray,
        slice,
        list,
        tuple,
        dict,
        set,
        frozenset,
    )
    for module in ('builtins', '__builtin__'):  # pickle protocol 2 writes the latter
        builders.update({(module, kind.__name__): kind for kind in plain})
    builders.update(
        {
            ('torch', str(value).removeprefix('torch.')): value
            for value in vars(torch).values()
            if isinstance(value, torch.dtype)
        }
    )
    try:
        from mmengine.config import ConfigDict
        from mmengine.logging import HistoryBuffer
    except ImportError:
        return builders

    class Restored(HistoryBuffer):
        """Takes the numbers of a pickled buffer and leaves the functions pickled with them."""

        def __setstate__(self, state):
            self.__init__(state['_log_history'], state['_count_history'], state['max_length'])
            self.__class__ = HistoryBuffer  # a later checkpoint must name mmengine's class

    def config_dict(entries: dict) -> ConfigDict:
        return ConfigDict(dict(entries))

    builders['mmengine.logging.history_buffer', 'HistoryBuffer'] = Restored
    # data sets keep parts of their config in the metainfo, which a resume compares
    builders['mmengine.config.config', 'ConfigDict'] = config_dict
    return builders


class DataUnpickler(pickle.Unpickler):
    """An unpickler that builds data and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Look ``module.name`` up in the table; nothing is ever imported."""
        found = TABLE.get((module, name))
        if found is None:
            found = type('Foreign', (Foreign,), {'origin': f'{module}.{name}'})
        return found


def _load(file, **kwargs) -> Any:
    return DataUnpickler(file, **kwargs).load()


TABLE = _table()
# what torch.load needs of a pickle module
_PICKLE = SimpleNamespace(Unpickler=DataUnpickler, load=_load, __name__='safe_pickle')


def load_checkpoint(path: str | Path, map_location: Any = 'cpu') -> Any:
    """Read a file of ``torch.save`` or safetensors, running none of the code that it names.

    Args:
        path: A checkpoint: weights, resume state, or somebody else's.
        map_location: As in :func:`torch.load`.

    Returns:
        What was saved; objects that are not data are :class:`Foreign`.

    Raises:
        FileMissingError: There is no such file.
        UsageError: It is not a checkpoint, or damaged, or a kind that runs code (TorchScript).
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileMissingError(f'{path} can not be found; {nearest_path(path)}')
    if path.suffix == SUFFIX:
        return read_safetensors(path, map_location)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            script = any(Path(name).name == 'constants.pkl' for name in archive.namelist())
        if script:
            raise UsageError(
                f'{path} is a TorchScript program; expected a checkpoint written by torch.save.'
            )
    elif tarfile.is_tarfile(path):
        raise UsageError(
            f'{path} is a tar file; expected a checkpoint written by torch.save '
            '(PyTorch 0.4 or later).'
        )
    try:
        return torch.load(
            path, map_location=map_location, pickle_module=_PICKLE, weights_only=False
        )
    except (
        pickle.UnpicklingError,
        EOFError,
        OSError,
        RuntimeError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise UsageError(
            f'{path} ({path.stat().st_size:,} bytes) is damaged or not a checkpoint '
            f'written by torch.save: {type(error).__name__}: {error}'
        ) from error

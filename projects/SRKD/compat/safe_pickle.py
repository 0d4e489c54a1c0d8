"""Reading a checkpoint without running anything that it asks for.

What its pickle names is built by :mod:`~projects.SRKD.base.safe_reading` if it is data; any other
name becomes an inert :class:`Foreign` object, so weights load beside objects of packages that are
absent or hostile. Text that a consumer would run as a config is left out.
"""

import hashlib
import re
from collections.abc import MutableMapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch.serialization import _get_restore_location

from ..base import FileMissingError, UsageError, nearest_path
from ..base.safe_reading import (
    WEIGHT_NAMES,
    Foreign,
    Names,
    UnreadableError,
    read_archive,
    read_legacy,
)
from .safetensors_file import SUFFIX, read_safetensors

__all__ = ['Foreign', 'load_checkpoint']

_DIGEST = re.compile(r'-([0-9a-f]{8,64})\.(?:pth|pt|safetensors)$')
_ZIP = b'PK\x03\x04'
# Where mmengine looks for a config as text, which ``Config.fromstring`` then runs.
_CONFIGS = (('meta', 'config'), ('meta', 'cfg'), ('message_hub', 'runtime_info', 'cfg'))


def load_checkpoint(path: str | Path, map_location: Any = 'cpu') -> Any:
    """Read a file of ``torch.save`` or safetensors, running none of the code that it names.

    Args:
        path: A checkpoint: weights, resume state, or somebody else's.
        map_location: As in :func:`torch.load`.

    Returns:
        What was saved, without the text of its config; objects that are not data are
        :class:`Foreign`.

    Raises:
        FileMissingError: There is no such file.
        UsageError: It is not a checkpoint, or damaged, or a kind that runs code (TorchScript), or
            not the file that the digest in its name is of.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileMissingError(f'{path} can not be found; {nearest_path(path)}')
    check_name(path)
    if path.suffix == SUFFIX:
        return without_config(read_safetensors(path, map_location))
    try:
        with path.open('rb') as file:
            read = read_archive if file.read(4) == _ZIP else read_legacy
        content = read(path, _names(), _get_restore_location(map_location))
        return without_removals(without_config(content))
    except (UnreadableError, OSError, RuntimeError, MemoryError) as error:
        said = ' '.join(str(error).split()) or type(error).__name__
        raise UsageError(
            f'{path} ({path.stat().st_size:,} bytes) is damaged or not a checkpoint '
            f'written by torch.save: {said}'
        ) from error


def check_name(path: Path) -> None:
    """Compare a file with the digest in its name, if that has one: ``network-37dc2420.pth``.

    So torch's hub, torchvision and OpenMMLab name what they publish: by the first digits of its
    SHA-256, eight at least. Decimal digits alone may be a date and are passed over.

    Raises:
        UsageError: If they differ.
    """
    named = _DIGEST.search(path.name)
    if named is None or named[1].isdecimal():
        return
    with path.open('rb') as file:
        found = hashlib.file_digest(file, 'sha256').hexdigest()
    if not found.startswith(named[1]):
        raise UsageError(
            f'{path} must have the SHA-256 that its name tells, {named[1]}, but has '
            f'{found[: len(named[1])]}: download it again, or rename it if you changed it yourself'
        )


def without_config(content: Any) -> Any:
    """Leave out, in place, what mmengine would run: a config is code, and this one a stranger's.

    Resuming runs ``meta['config']``, an inferencer of weights alone ``meta['cfg']`` or the message
    hub's. Nothing compares them with the run's own.

    Returns:
        The content.

    Example:
        >>> without_config(dict(meta=dict(cfg='import os', epoch=3)))
        {'meta': {'epoch': 3}}
    """
    for *way, last in _CONFIGS:
        place = content
        for key in way:
            place = place.get(key) if isinstance(place, MutableMapping) else None
        if isinstance(place, MutableMapping) and not _is_name(place.get(last)):
            place.pop(last, None)
    return content


def without_removals(content: Any) -> Any:
    """Leave out, in place, files that a resumed run would remove and that are no checkpoints.

    mmengine removes the old best checkpoint (a folder with all that is in it), and outdated ones by
    their numbers, as the message hub of the file it resumes from names them.

    Returns:
        The content.

    Example:
        >>> without_removals(dict(message_hub=dict(runtime_info=dict(best_ckpt='/home/me'))))
        {'message_hub': {'runtime_info': {}}}
    """
    hub = content.get('message_hub') if isinstance(content, MutableMapping) else None
    info = hub.get('runtime_info') if isinstance(hub, MutableMapping) else None
    if isinstance(info, MutableMapping):
        for key, value in list(info.items()):
            best = str(key).startswith('best_ckpt') and not _is_best(value)
            kept = key == 'keep_ckpt_ids' and not _is_numbers(value)
            if best or kept:
                del info[key]
    return content


def _is_best(path: Any) -> bool:
    return isinstance(path, str) and bool(re.fullmatch(r'best_.*\.(pth|pt|ckpt)', Path(path).name))


def _is_numbers(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(type(number) is int for number in value)


def _is_name(text: Any) -> bool:
    """Whether it is the name of a config, as published teachers have it: a word runs nothing."""
    return isinstance(text, str) and re.fullmatch(r'[\w-]{1,200}', text) is not None


@cache
def _names() -> Names:
    try:
        from mmengine.config import ConfigDict
        from mmengine.logging import HistoryBuffer
    except ImportError:
        return WEIGHT_NAMES

    class Waiting:
        """A history whose numbers are yet to come."""

    def history(machine: Any, waiting: Waiting, state: Any) -> HistoryBuffer:
        """Takes the numbers and leaves the functions pickled with them."""
        if type(state) is not dict:
            raise UnreadableError('a HistoryBuffer has no numbers')
        parts = [state.get(key) for key in ('_log_history', '_count_history')]
        most = state.get('max_length')
        if any(not isinstance(p, np.ndarray) or p.ndim != 1 or p.dtype.hasobject for p in parts):
            raise UnreadableError('a HistoryBuffer has no rows of numbers')
        if len(parts[0]) != len(parts[1]) or type(most) is not int or most < 1:
            raise UnreadableError('a HistoryBuffer has rows of different lengths')
        return HistoryBuffer(*parts, most)

    def config_dict(machine: Any, entries: Any = None) -> ConfigDict:
        entries = {} if entries is None else entries
        if type(entries) is not dict:
            raise UnreadableError('a ConfigDict is made of a dict')
        _count(machine, entries)
        return ConfigDict(entries)

    values = {
        ('mmengine.logging.history_buffer', 'HistoryBuffer'): HistoryBuffer,
        # data sets keep parts of their config in the metainfo, which a resume compares
        ('mmengine.config.config', 'ConfigDict'): ConfigDict,
    }
    calls = {HistoryBuffer: lambda machine: Waiting(), ConfigDict: config_dict}
    return WEIGHT_NAMES | Names(values, calls, {Waiting: history})


def _count(machine: Any, entries: Any) -> None:
    """Count what a ConfigDict copies: plain containers in it, again and again."""
    machine.charge(1 + len(entries))
    for entry in entries.values() if isinstance(entries, dict) else entries:
        if type(entry) in (dict, list, tuple):
            _count(machine, entry)

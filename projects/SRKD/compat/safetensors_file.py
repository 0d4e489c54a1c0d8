"""Weights in the safetensors form, which holds tensors and text and can run nothing.

Breaks: ``torch.load`` and with it mmengine's loader do not know the form.
Where: torch ``torch/serialization.py``.
Delete when: mmengine's ``load_checkpoint`` reads ``.safetensors``.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..base import UsageError, write_whole

SUFFIX = '.safetensors'
_META = 'meta'  # safetensors keeps text alone: our meta is JSON under this key
_SUM = 'crc32'  # of names, types, shapes, values and meta: the form itself has no checksum


def read_safetensors(path: str | Path, map_location: Any = 'cpu') -> dict[str, Any]:
    """Read weights as a checkpoint: ``state_dict`` and ``meta``.

    Args:
        path: File that ends in ``.safetensors``.
        map_location: Device; anything but a name or a device leaves them on the CPU.

    Raises:
        UsageError: If the file is damaged or another kind, or the package is missing.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise UsageError(
            f'{path} needs a package that is not installed: pip install safetensors'
        ) from None
    try:
        with safe_open(str(path), framework='pt', device='cpu') as file:
            keys = list(file.keys())  # no mapping: it cannot be iterated
            about = file.metadata() or {}
            weights = {key: file.get_tensor(key) for key in keys}
        text = about.get(_META, '{}')
        if _SUM in about and about[_SUM] != _checksum(weights, text):
            raise ValueError('its checksum is another one')
        meta = json.loads(text)
        if not isinstance(meta, dict):
            raise ValueError(f'its meta is a {type(meta).__name__}, expected a dict')
    except (SafetensorError, OSError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f'{path} is damaged or no safetensors file: {error}') from None
    if isinstance(map_location, (str, torch.device)):
        weights = {key: value.to(map_location) for key, value in weights.items()}
    return dict(state_dict=weights, meta=meta)


def _checksum(weights: Mapping[str, Tensor], text: str) -> str:
    value = zlib.crc32(text.encode())
    for key in sorted(weights):
        tensor = weights[key]
        value = zlib.crc32(f'{key} {tensor.dtype} {tuple(tensor.shape)}'.encode(), value)
        if tensor.numel():
            value = zlib.crc32(tensor.flatten().view(torch.uint8).numpy(), value)
    return f'{value:08x}'


def write_safetensors(
    path: str | Path, weights: Mapping[str, Tensor], meta: Mapping[str, Any]
) -> None:
    """Write weights; the file appears whole.

    Args:
        path: File that ends in ``.safetensors``.
        weights: Parameters and buffers by name.
        meta: What JSON can hold.

    Raises:
        UsageError: If the name ends otherwise: a reader goes by it.
    """
    from safetensors.torch import save_file

    if Path(path).suffix != SUFFIX:
        raise UsageError(f'{path} must end in {SUFFIX}')
    whole = {key: value.detach().cpu().contiguous() for key, value in weights.items()}
    text = json.dumps(dict(meta))
    about = {'format': 'pt', _META: text, _SUM: _checksum(whole, text)}
    with write_whole(path) as new:
        save_file(whole, str(new), metadata=about)

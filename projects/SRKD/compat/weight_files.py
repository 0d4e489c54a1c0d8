"""Weights written in the form that the file's ending names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..base import UsageError, write_whole
from .safetensors_file import SUFFIX, write_safetensors

SUFFIXES = ('.pth', '.pt', SUFFIX)


def write_weights(path: str | Path, weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write weights and what is known of them; the file appears whole.

    Args:
        path: Ends in ``.pth`` or ``.pt`` for torch's form, in ``.safetensors`` for that one.
        weights: Parameters and buffers by name.
        meta: Numbers, text and containers of them; safetensors makes lists of tuples.

    Raises:
        UsageError: If the name ends otherwise.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise UsageError(f'{path} must end in {", ".join(SUFFIXES)}, but ends in {path.suffix!r}')
    if path.suffix == SUFFIX:
        return write_safetensors(path, weights, plain(meta))
    whole = {key: value.detach().cpu().contiguous() for key, value in weights.items()}
    with write_whole(path) as new:
        torch.save(dict(state_dict=whole, meta=dict(meta)), new)
    return None


def plain(value: Any) -> Any:
    """Tuples as lists, arrays and their numbers as Python's: what JSON can hold.

    Example:
        >>> import numpy as np
        >>> plain({1: (np.float32(0.5), np.arange(2))})
        {'1': [0.5, [0, 1]]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(of) for key, of in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(of) for of in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return value.tolist() if hasattr(value, 'tolist') else str(value)

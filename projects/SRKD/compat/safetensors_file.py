"""Weights in the safetensors form, which holds tensors and text and can run nothing.

Breaks: ``torch.load`` and with it mmengine's loader do not know the form.
Where: torch ``torch/serialization.py``.
Delete when: mmengine's ``load_checkpoint`` reads ``.safetensors``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..base import UsageError, write_whole

SUFFIX = '.safetensors'
_META = 'meta'  # safetensors keeps text alone: our meta is JSON under this key


def read_safetensors(path: str | Path, map_location: Any = 'cpu') -> dict[str, Any]:
    """Read weights as a checkpoint: ``state_dict`` and ``meta``.

    Args:
        path: File that ends in ``.safetensors``.
        map_location: Device.

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
        with safe_open(str(path), framework='pt', device=str(map_location or 'cpu')) as file:
            keys = list(file.keys())  # no mapping: it cannot be iterated
            text = (file.metadata() or {}).get(_META, '{}')
            return dict(state_dict={key: file.get_tensor(key) for key in keys},
                        meta=json.loads(text))  # fmt: skip
    except (SafetensorError, OSError, ValueError) as error:
        raise UsageError(f'{path} is damaged or no safetensors file: {error}') from None


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
    with write_whole(path) as new:
        save_file(whole, str(new), metadata={'format': 'pt', _META: json.dumps(dict(meta))})

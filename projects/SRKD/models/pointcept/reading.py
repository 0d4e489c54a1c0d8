"""Weights of a file of Pointcept's, and what else such a file may be, told in one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mmengine.runner.checkpoint import _load_checkpoint
from torch import Tensor

from ...base import FileMissingError, UsageError, nearest_path

_MOST = 20_000  # entries; the largest published network has about two thousand
_WRAPPERS = ('state_dict', 'model_state_dict', 'model_state', 'model', 'net', 'weights')
_PREFIXES = ('module.', '_orig_mod.', 'model.')  # of DDP, torch.compile and a plain wrapper
_STATES = ('optimizer', 'optimizer_states', 'param_groups', 'scheduler', 'scaler')
# A key of another kind of network, and what it then is.
_OTHERS = (
    (r'decode_head\.conv_seg\.', 'already has the names of this project, so load it as it is'),
    (r'(bbox_head|pts_bbox_head|rpn_head|roi_head|dense_head|backbone_3d|voxel_encoder)\.',
     'is a detector, and Pointcept has no detector of this kind; mmdet3d\'s load as they are'),
    (r'(backbone\.)?embedding\.(mask_token|stem\.linear)',
     'is PT-v3m2 or m3 (Sonata, Concerto, Utonia), a structure that this project lacks'),
    (r'(student|teacher)\.(backbone|mask_head|unmask_head)', 'is a pretraining, without classes'),
    (r'(backbone\.)?conv_input\.0\.weight',
     'is SpUNet, whose stem is one convolution of 5 x 5 x 5 where mmdet3d\'s MinkUNetBackbone '
     'has two of 3 x 3 x 3, and whose strided convolutions change the width'),
    (r'(backbone\.)?conv0p1s1\.kernel',
     'is Pointcept\'s MinkUNet, whose stem is one convolution of 5 x 5 x 5 where mmdet3d\'s '
     'MinkUNetBackbone has two of 3 x 3 x 3'),
    (r'(backbone\.)?enc\d\.0\.linear|(backbone\.)?patch_embed\.', 'is PTv1 or PTv2'),
    (r'cls_head\.', 'is a classifier of whole clouds'),
)  # fmt: skip


def read_released(path: str, name: str = 'checkpoint') -> dict[str, Tensor]:
    """Read a file's weights; nothing in it is run.

    Args:
        path: ``.pth`` or ``.safetensors``; weights alone or below ``state_dict``, ``model`` ...
        name: What it is called in a message.

    Returns:
        Weights without the prefixes that wrappers of networks add.

    Raises:
        FileMissingError: If the file does not exist.
        UsageError: If it is damaged, no checkpoint, or one of a network that cannot be converted.
    """
    try:
        content = _load_checkpoint(path, map_location='cpu')
    except FileNotFoundError:
        raise FileMissingError(f'{name} {path} does not exist; {nearest_path(path)}') from None
    except UsageError:
        raise
    except (OSError, EOFError, RuntimeError, ValueError) as error:
        raise UsageError(
            f'{name} {path} cannot be read ({type(error).__name__}), expected a file of '
            'torch.save or safetensors: it may be truncated'
        ) from error
    weights = without_prefixes(_weights_of(content, f'{name} {path}'))
    _refuse_others(weights, f'{name} {path}')
    return weights


def _weights_of(content: Any, source: str) -> dict[str, Tensor]:
    wanted = 'expected weights by name, alone or under one of ' + ', '.join(_WRAPPERS)
    if not isinstance(content, Mapping):
        raise UsageError(f'{source} holds a {type(content).__name__}: {wanted}')
    inside = next(
        (content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None
    )
    found = content if inside is None else inside
    if len(found) > _MOST:
        raise UsageError(
            f'{source} has {len(found):,} entries, expected at most {_MOST:,}: no network of '
            'Pointcept has so many'
        )
    weights = {key: value for key, value in found.items() if isinstance(value, Tensor)}
    if not weights:
        states = [key for key in _STATES if key in content]
        told = f'the state of a training alone ({", ".join(states)})' if states else 'no weights'
        raise UsageError(f'{source} holds {told}, with the keys {list(content)[:5]}: {wanted}')
    return weights


def without_prefixes(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off what every key begins with, as often as it does.

    Example:
        >>> list(without_prefixes({'module._orig_mod.a.b': 0, 'module._orig_mod.c': 0}))
        ['a.b', 'c']
    """
    weights = dict(weights)
    while prefix := next((p for p in _PREFIXES if all(k.startswith(p) for k in weights)), None):
        weights = {key.removeprefix(prefix): value for key, value in weights.items()}
    return weights


def _refuse_others(weights: Mapping[str, Tensor], source: str) -> None:
    for pattern, what in _OTHERS:
        key = next((key for key in weights if re.match(pattern, key)), None)
        if key is not None:
            raise UsageError(
                f'{source} {what} (by its {key}), expected a segmentation checkpoint of PTv3 '
                '(PT-v3m1, with or without PPT), LitePT or CDSegNet'
            )

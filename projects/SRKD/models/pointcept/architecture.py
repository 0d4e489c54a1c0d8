"""The network that a file of weights belongs to, read off the shapes of its parameters.

Shape letters: C channels of a stage, C_in channels of a voxel, k edge of a kernel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ...base import UsageError
from .families import Family

# What no shape tells, by the argument's name: the values of every published config.
_STRIDE = 2
_PATCH = 1024
UNTOLD = (
    'order', 'stride', 'enc_num_head', 'enc_patch_size', 'dec_num_head', 'dec_patch_size',
    'rope_freq', 'noise', 'qk_scale',
)  # fmt: skip


def architecture(
    weights: Mapping[str, Tensor], family: Family, told: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Arguments of the backbone.

    Args:
        weights: By the names of this project.
        family: Its kind.
        told: Arguments that a config tells; those that no shape tells are taken from it.

    Raises:
        UsageError: If a parameter that says a width is missing.
    """
    told = {key: value for key, value in (told or {}).items() if key in UNTOLD}
    found = _main(weights, family)
    if family.name == 'LitePT':
        found |= _attention_stages(weights, found)
    if family.name == 'CDSegNet':
        side = _main(weights, family, 'backbone.noise.')
        found['time_channels'] = weights['backbone.noise.time.0.weight'].shape[1]
        steps = len(side['dec_depths'])
        halvings = len(found['dec_depths'])
        if not steps or halvings % steps:
            raise UsageError(
                f'the noise branch has {steps} steps where the main branch has {halvings}: '
                'expected a divisor, both end on one grid'
            )
        keep = ('enc_depths', 'enc_channels', 'dec_depths', 'dec_channels')
        found['noise'] = dict(
            stride=(2 ** (halvings // steps),) * steps,
            **{key: side[key] for key in keep},
            **_untold(side, family),
        )
    return (
        dict(found, stride=(_STRIDE,) * len(found['dec_depths']), **_untold(found, family)) | told
    )


def _main(weights: Mapping[str, Tensor], family: Family, prefix: str = 'backbone.') -> dict:
    stem = _needed(weights, f'{prefix}embedding.stem.conv.weight')
    # spconv 2.x: (C, k, k, k, C_in), 1.x: (k, k, k, C_in, C)
    old = stem.dim() == 5 and tuple(stem.shape[:3]) == (5, 5, 5)
    first, channels = (stem.shape[4], stem.shape[3]) if old else (stem.shape[0], stem.shape[-1])
    enc, dec = (_stages(weights, f'{prefix}{part}.{part}') for part in ('enc', 'dec'))
    widths = [first] + [
        len(_needed(weights, f'{prefix}enc.enc{k}.down.proj.weight')) for k in range(1, len(enc))
    ]
    ups = [len(_needed(weights, f'{prefix}dec.dec{k}.up.proj.0.weight')) for k in range(len(dec))]
    found = dict(
        in_channels=channels, enc_depths=tuple(enc), enc_channels=tuple(widths),
        dec_depths=tuple(dec), dec_channels=tuple(ups),
    )  # fmt: skip
    hidden = next((w for key, w in weights.items() if key.endswith('mlp.0.fc1.weight')), None)
    if hidden is not None and prefix == 'backbone.':
        found['mlp_ratio'] = hidden.shape[0] / hidden.shape[1]
        found['qkv_bias'] = any(key.endswith('.attn.qkv.bias') for key in weights)
    return found


def _stages(weights: Mapping[str, Tensor], prefix: str) -> list[int]:
    """Blocks per stage, finest first."""
    pattern = re.compile(re.escape(prefix) + r'(\d+)\.(?:block(\d+)\.)?')
    found: dict[int, int] = {}
    for key in weights:
        match = pattern.match(key)
        if match:
            stage, block = int(match[1]), int(match[2]) + 1 if match[2] else 0
            found[stage] = max(found.get(stage, 0), block)
    missing = next((k for k in range(len(found)) if k not in found), None)
    if missing is not None:
        raise UsageError(
            f'{prefix}{missing} must be there as {prefix}{max(found)} is, but got no such stage'
        )
    return [found[k] for k in sorted(found)]


def _untold(found: Mapping[str, Any], family: Family) -> dict[str, Sequence[int]]:
    heads = family.head_channels
    return dict(
        enc_num_head=tuple(max(width // heads, 1) for width in found['enc_channels']),
        enc_patch_size=(_PATCH,) * len(found['enc_channels']),
        dec_num_head=tuple(max(width // heads, 1) for width in found['dec_channels']),
        dec_patch_size=(_PATCH,) * len(found['dec_channels']),
    )


def _attention_stages(weights: Mapping[str, Tensor], found: Mapping[str, Any]) -> dict:
    def attends(part: str, count: int) -> tuple[bool, ...]:
        return tuple(
            any(key.startswith(f'backbone.{part}.{part}{k}.block0.attn.') for key in weights)
            for k in range(count)
        )

    return dict(
        enc_attn=attends('enc', len(found['enc_depths'])),
        dec_attn=attends('dec', len(found['dec_depths'])),
    )


def _needed(weights: Mapping[str, Tensor], key: str) -> Tensor:
    if key not in weights:
        raise UsageError(f'{key} must be in the file to tell a width, but got no such parameter')
    return weights[key]

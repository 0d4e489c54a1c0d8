"""The config of a converted network, as a file that builds on the shipped ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .conversion import Conversion


def config_text(conversion: Conversion) -> str:
    """Python text of a config: data, schedule and network of a converted file."""
    about = conversion.meta['converted']
    release = f' of Pointcept {about["release"]}' if about['release'] else ''
    model = dict(conversion.model)
    model['backbone'] = dict(_delete_=True, **model['backbone'])
    bases = '\n'.join(
        f"    __import__('projects.SRKD').SRKD.configs({name!r})," for name in conversion.bases
    )
    inputs = ', '.join(conversion.meta['inputs'])
    return (
        f'# {about["family"]}{release}, trained on {about["dataset"]}: {about["file"]!r}\n'
        f'# through pointcept_to_mmdet3d.py. Its voxels have the columns {inputs}.\n'
        f'_base_ = [\n{bases}\n]\nmodel = {_call(model)}\n'
    )


def _call(values: Mapping[str, Any], depth: int = 0) -> str:
    """``dict(...)`` as Python text, an argument a line."""
    inner = ' ' * 4 * (depth + 1)
    lines = [
        f'{inner}{key}={_call(value, depth + 1) if isinstance(value, Mapping) else repr(value)},'
        for key, value in values.items()
    ]
    return '\n'.join(['dict(', *lines, ' ' * 4 * depth + ')'])

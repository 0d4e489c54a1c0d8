"""Which blocks of a deep network a shallower one takes, stage by stage."""

from __future__ import annotations

from collections.abc import Callable

from mmdet3d.models.backbones import SECOND, MinkUNetBackbone
from torch import nn

from ...backbones.ptv3.block import Stage
from ...base import UsageError

BLOCKS: dict[str, Callable[[int, int], list[int]]] = dict(
    first=lambda count, of: list(range(count)),
    even=lambda count, of: [i * of // count for i in range(count)],
)
"""Blocks of the student's stage and of the teacher's -> the teacher's for each; both begin with the
first, which changes resolution or width in some networks."""

Stages = dict[str, list[list[str]]]
"""Path of a stage -> its blocks, each as the paths of its layers."""


def stages_of(network: nn.Module) -> Stages:
    """Stages whose number of blocks is free: of PTv3, MinkUNet and SECOND."""
    found: Stages = {}
    for path, module in network.named_modules():
        if isinstance(module, Stage):
            found[path] = [[f'{path}.block{i}'] for i in range(module.depth)]
        elif isinstance(module, MinkUNetBackbone):
            for i, layers in enumerate(module.encoder):
                stage = f'{path}.encoder.{i}'  # its layer 0 halves the resolution
                found[stage] = [[f'{stage}.{j}'] for j in range(1, len(layers))]
            for i, (_, layers) in enumerate(module.decoder):
                stage = f'{path}.decoder.{i}.1'
                found[stage] = [[f'{stage}.{j}'] for j in range(len(layers))]
        elif isinstance(module, SECOND):
            for i, layers in enumerate(module.blocks):
                stage = f'{path}.blocks.{i}'  # convolution, norm and activation in turn
                names = [f'{stage}.{j}' for j in range(len(layers))]
                found[stage] = [names[j : j + 3] for j in range(0, len(names), 3)]
    return found


def check_blocks(blocks: str) -> None:
    """Refuse an unknown choice of blocks.

    Raises:
        UsageError: Naming those there are.
    """
    if blocks not in BLOCKS:
        raise UsageError(
            f'blocks must be one of {", ".join(map(repr, BLOCKS))}, but got {blocks!r}'
        )


def taken_blocks(student: nn.Module, teacher: nn.Module, blocks: str) -> dict[str, str | None]:
    """Pair the blocks of two networks of the same stages.

    Args:
        student: The shallower one, or as deep.
        teacher: The deeper one.
        blocks: ``'first'``: the leading ones of each stage; ``'even'``: evenly spaced ones.

    Returns:
        Path of a layer of the teacher's stages -> its path in the student, None where that has no
        such layer.

    Raises:
        UsageError: If ``blocks`` is unknown, the stages differ, or a stage of the teacher has fewer
            blocks.
    """
    check_blocks(blocks)
    ours, theirs = stages_of(student), stages_of(teacher)
    for stage in sorted(ours.keys() ^ theirs.keys()):
        raise UsageError(
            f'teacher and student must have the same stages, but {stage} is the '
            f"{'student' if stage in ours else 'teacher'}'s alone"
        )
    paths: dict[str, str | None] = {}
    for stage, own in ours.items():
        if len(own) > len(theirs[stage]):
            raise UsageError(
                f'{stage} of the student has {len(own)} blocks, of the teacher '
                f'{len(theirs[stage])}, expected a student no deeper than its teacher'
            )
        paths |= {path: None for block in theirs[stage] for path in block}
        for block, number in zip(own, BLOCKS[blocks](len(own), len(theirs[stage]))):
            paths |= dict(zip(theirs[stage][number], block))
    return paths


def in_student(path: str, paths: dict[str, str | None]) -> str | None:
    """A layer's or weight's path in the student, given :func:`taken_blocks`; None: left out.

    Example:
        >>> in_student('enc.block2.norm.bias', {'enc.block2': 'enc.block1'})
        'enc.block1.norm.bias'
    """
    words = path.split('.')
    for n in range(1, len(words) + 1):
        stem = '.'.join(words[:n])
        if stem in paths:
            return None if paths[stem] is None else '.'.join([paths[stem], *words[n:]])
    return path

"""Parameters of a file by the names of this project, and what became of each.

Shape letters: L classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from ...base import UsageError
from .families import FAMILIES, Family, family_of, with_backbone
from .prompted import (
    ROOMS,
    STREETS,
    condition_index,
    norm_of_condition,
    prompted_norms,
    text_head,
)

_HEAD = 'decode_head.conv_seg.'
_TEXT = {
    'proj_head.weight': 'proj.weight',
    'proj_head.bias': 'proj.bias',
    'class_embedding': 'embedding',
    'logit_scale': 'logit_scale',
}


@dataclass(frozen=True)
class Note:
    """What became of a parameter.

    Attributes:
        key: Its name in the file, without the wrappers' prefixes.
        new: Its name here; None where it is dropped.
        why: Why it is dropped or changed.
    """

    key: str
    new: str | None
    why: str = ''

    def __str__(self) -> str:
        """``kept``, ``renamed`` or ``dropped``, the names, and why."""
        if self.new is None:
            return f'dropped {self.key}: {self.why}'
        if self.new == self.key:
            return f'kept    {self.key}'
        return f'renamed {self.key} -> {self.new}' + (f' ({self.why})' if self.why else '')


@dataclass(frozen=True)
class Named:
    """A file's weights by the names of this project."""

    family: Family
    weights: dict[str, Tensor]
    notes: list[Note]
    text_channels: int | None = None


@dataclass(frozen=True)
class Prompt:
    """Which part of a network of several data sets is kept.

    Attributes:
        condition: Name of the data set; None: told by the number of classes.
        conditions: Data sets of the norms, in the order of ``pdnorm_conditions``; empty: those of
            the published configs.
    """

    condition: str | None = None
    conditions: tuple[str, ...] = ()


def to_ours(
    weights: Mapping[str, Tensor],
    source: str,
    classes: int | None = None,
    prompt: Prompt = Prompt(),
) -> Named:
    """Name a file's weights as this project does.

    Args:
        weights: By Pointcept's names.
        source: What the file is called in a message.
        classes: L, where the file has heads for several data sets.
        prompt: Which data set's norms are kept.

    Raises:
        UsageError: If the file has no head, or several of which none is chosen.
    """
    weights = {with_backbone(key): value for key, value in weights.items()}
    family, count, index = family_of(weights, source), prompted_norms(weights), 0
    if count:
        conditions = prompt.conditions or _published(weights)
        index = condition_index(prompt.condition, conditions, count)
    heads = _heads(weights, source, classes)
    notes = [_note(key, family, index, prompt.condition, heads) for key in weights]
    found = {note.new: weights[note.key] for note in notes if note.new is not None}
    if 'proj_head.weight' not in heads:
        return Named(family, found, notes)
    found |= {_HEAD + name: value for name, value in text_head(weights, classes).items()}
    return Named(family, found, notes, text_channels=len(weights['proj_head.weight']))


def to_theirs(weights: Mapping[str, Tensor], source: str) -> Named:
    """Name weights of this project as Pointcept does, with ``module.`` in front.

    Raises:
        UsageError: If they belong to no network that Pointcept has.
    """
    family = next(
        (one for one in FAMILIES if any(re.match(one.own_mark, key) for key in weights)), None
    )
    if family is None:
        raise UsageError(
            f'{source} holds no network that Pointcept has, expected '
            f'{", ".join(one.name for one in FAMILIES)} in the names of this project, but '
            f'got keys such as {", ".join(list(weights)[:3])}'
        )
    if f'{_HEAD}proj.weight' in weights:
        raise UsageError(
            f'{source} has the text head of one data set, from which the head of several cannot '
            'be made again: expected a linear one'
        )
    renamed = {key: f'module.{family.to_theirs(key)}' for key in weights}
    return Named(
        family,
        {renamed[key]: value for key, value in weights.items()},
        [Note(key, new) for key, new in renamed.items()],
    )


def _published(weights: Mapping[str, Tensor]) -> Sequence[str]:
    stem = weights['backbone.embedding.stem.conv.weight']
    return STREETS if 4 in (stem.shape[-1], stem.shape[3]) else ROOMS


def _note(
    key: str, family: Family, index: int, condition: str | None, heads: Mapping[str, str]
) -> Note:
    if key in heads:
        return Note(key, _HEAD + heads[key], '' if key not in _TEXT else 'of its classes')
    new, one_of_several = norm_of_condition(key, index)
    if new is None or not key.startswith('backbone.'):
        return Note(key, None, _why_dropped(key, condition))
    return Note(key, family.to_ours(new), f'the norm of {condition}' if one_of_several else '')


def _heads(weights: Mapping[str, Tensor], source: str, classes: int | None) -> dict[str, str]:
    """Parameters of the head that is kept: name in the file -> name in the head here."""
    single = [key for key in weights if key.startswith(('seg_head.', 'backbone._n_head.'))]
    if single:
        return {key: key.rpartition('.')[2] for key in single}
    sizes = {
        key.split('.')[1]: len(value)
        for key, value in weights.items()
        if key.startswith('seg_heads.') and key.endswith('.weight')
    }
    if not sizes and any(key not in weights for key in _TEXT):
        raise UsageError(
            f'{source} has no class head, expected seg_head.weight, seg_heads.N.weight or '
            'proj_head.weight with class_embedding and logit_scale: a teacher needs its classes'
        )
    if classes is None:
        raise UsageError(
            f'{source} has the head of several data sets, so dataset must name one: scannet, '
            'scannet200, nuscenes or semantickitti'
        )
    if not sizes:
        return dict(_TEXT)
    chosen = next((number for number, size in sizes.items() if size == classes), None)
    if chosen is None:
        raise UsageError(
            f'{source} has heads of {", ".join(map(str, sizes.values()))} classes, but the data '
            f'set has {classes}'
        )
    return {f'seg_heads.{chosen}.{name}': name for name in ('weight', 'bias')}


def _why_dropped(key: str, condition: str | None) -> str:
    if norm_of_condition(key, -1)[1]:
        return f'the norm of another data set than {condition}'
    if key.startswith('seg_heads.'):
        return 'the head of another data set'
    if key.startswith('criteria'):
        return 'belongs to a loss'
    if key.startswith('embedding_table'):
        return 'the prompt of each data set, which modulates no norm here'
    return 'no part of the network that predicts'

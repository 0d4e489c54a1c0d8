"""Kinds of networks and their parameter names, there and here.

Here the names are those of mmdet3d's segmentor: ``backbone`` and ``decode_head.conv_seg``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ...base import UsageError


@dataclass(frozen=True)
class Family:
    """One kind of network.

    Attributes:
        name: What it is called in messages.
        mark: Pattern of a key there that no other kind has.
        own_mark: The same for a key here.
        renamed: Beginnings of keys there and here; every other key must be here as it is there.
        head_channels: Channels of an attention head in the published configs; the files of weights
            do not say.
    """

    name: str
    mark: str
    own_mark: str
    renamed: tuple[tuple[str, str], ...] = (('seg_head.', 'decode_head.conv_seg.'),)
    head_channels: int = 16

    def to_ours(self, key: str) -> str:
        """Name of a parameter here."""
        return _replaced(key, self.renamed)

    def to_theirs(self, key: str) -> str:
        """Name of a parameter there."""
        return _replaced(key, [(ours, theirs) for theirs, ours in self.renamed])


_LITEPT = r'backbone\.enc\.enc\d+\.block\d+\.conv\.0\.weight'
_PTV3 = r'backbone\.enc\.enc\d+\.block\d+\.cpe\.0\.weight'
# More special ones first.
FAMILIES = (
    Family(
        'CDSegNet',
        r'backbone\._n_embedding\.',
        r'backbone\.noise\.',
        (
            ('backbone._n_head.', 'decode_head.conv_seg.'),
            ('backbone.fc_t1.', 'backbone.noise.time.0.'),
            ('backbone.fc_t2.', 'backbone.noise.time.2.'),
            ('backbone._c_', 'backbone.noise.'),
            ('backbone._tm_dec0.cross_block2.', 'backbone.fusion.'),
            ('backbone._n_', 'backbone.'),
        ),
    ),
    Family('LitePT', _LITEPT, _LITEPT, head_channels=18),
    Family('PTv3', _PTV3, _PTV3),
)


def family_of(weights: Mapping[str, Tensor], source: str) -> Family:
    """The kind of network that weights belong to.

    Args:
        weights: Names of Pointcept.
        source: What the file is called in the message.

    Raises:
        UsageError: If it is none of the known.
    """
    for family in FAMILIES:
        if any(re.match(family.mark, key) for key in weights):
            return family
    raise UsageError(
        f'{source} holds no network that can be converted, expected '
        f'{", ".join(family.name for family in FAMILIES)}, but got keys such as '
        f'{", ".join(list(weights)[:3])}'
    )


def with_backbone(key: str) -> str:
    """Name of a parameter in a segmentor; files of a bare backbone lack the first word.

    Example:
        >>> with_backbone('embedding.stem.conv.weight'), with_backbone('seg_head.bias')
        ('backbone.embedding.stem.conv.weight', 'seg_head.bias')
    """
    return f'backbone.{key}' if re.match(r'(embedding|enc|dec|_[nc]_\w+)\.', key) else key


def _replaced(key: str, pairs) -> str:
    return next((new + key[len(old) :] for old, new in pairs if key.startswith(old)), key)

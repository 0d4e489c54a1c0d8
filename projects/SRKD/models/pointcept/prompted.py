"""Networks of Point Prompt Training (PPT): one norm and one head for each data set, one kept.

Source: X. Wu et al., Towards Large-scale 3D Representation Learning with Multi-dataset Point Prompt
Training, arXiv 2308.09718; names and lists of classes: Pointcept's configs of PT-v3m1 with PPT.

Shape letters: C channels, E channels of the text, K classes of all data sets, L of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...base import UsageError

ROOMS = ('ScanNet', 'S3DIS', 'Structured3D')  # pdnorm_conditions of the configs
STREETS = ('nuScenes', 'SemanticKITTI', 'Waymo')
# not down.norm.0, a container of one in every network
_OWN_NORM = re.compile(
    r'(.+)(?<!\.down)\.norm\.(\d+)\.(weight|bias|running_mean|running_var|num_batches_tracked)'
)
# Classes of a data set among the 36 of the text head, ``valid_index`` of the config.
_TEXT_CLASSES = {
    20: ('ScanNet', (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 20, 22, 24, 25, 27, 34)),
    13: ('S3DIS', (0, 1, 4, 5, 6, 7, 8, 10, 19, 29, 30, 31, 32)),
}


def prompted_norms(weights: Mapping[str, Tensor]) -> int:
    """How many norms stand side by side, 0 in a network without prompts.

    Raises:
        UsageError: If the norms are modulated by a learned context.
    """
    modulated = next((key for key in weights if '.modulation.' in key), None)
    if modulated:
        raise UsageError(
            f'{modulated} belongs to norms that a learned context modulates (pdnorm_adaptive), '
            'which cannot be converted: expected pdnorm_adaptive=False, as in the published configs'
        )
    found = [int(match[2]) for key in weights if (match := _OWN_NORM.fullmatch(key))]
    return max(found, default=-1) + 1


def condition_index(condition: str | None, conditions: Sequence[str], count: int) -> int:
    """Which of the norms is that of a data set.

    Raises:
        UsageError: If no data set is named, or one that the network does not know.
    """
    if len(conditions) != count:
        raise UsageError(
            f'conditions must name the {count} data sets of the norms in the order of '
            f'pdnorm_conditions, but got {len(conditions)}: {", ".join(conditions)}'
        )
    if condition not in conditions:
        raise UsageError(
            f'condition must name the data set whose norms are kept, one of '
            f'{", ".join(conditions)}, but got {condition}'
        )
    return list(conditions).index(condition)


def norm_of_condition(key: str, index: int) -> tuple[str | None, bool]:
    """Name of a key once one norm is kept, and whether it was one of several.

    Example:
        >>> norm_of_condition('enc.enc0.block0.norm1.0.norm.1.weight', 1)
        ('enc.enc0.block0.norm1.0.weight', True)
        >>> norm_of_condition('enc.enc0.block0.norm1.0.norm.2.weight', 1)
        (None, True)
    """
    match = _OWN_NORM.fullmatch(key)
    if match is None:
        return key, False
    return (f'{match[1]}.{match[3]}' if int(match[2]) == index else None), True


def text_head(weights: Mapping[str, Tensor], classes: int) -> dict[str, Tensor]:
    """The head that compares features with embedded class names, for one data set's classes.

    Args:
        weights: With ``proj_head`` (E, C), ``class_embedding`` (K, E) and ``logit_scale``.
        classes: L.

    Returns:
        Parameters of :class:`~projects.SRKD.models.aligned_seg_head.AlignedClasses`.

    Raises:
        UsageError: If the lists of classes do not agree.
    """
    if classes not in _TEXT_CLASSES:
        known = ' or '.join(f'{count} ({name})' for count, (name, _) in _TEXT_CLASSES.items())
        raise UsageError(f'the text head must be kept for {known} classes, but got {classes}')
    embedding, (_, index) = weights['class_embedding'], _TEXT_CLASSES[classes]
    if len(embedding) <= max(index):
        raise UsageError(
            f'class_embedding must hold the 36 classes of the published config, but got '
            f'{tuple(embedding.shape)}'
        )
    return {
        'proj.weight': weights['proj_head.weight'],
        'proj.bias': weights['proj_head.bias'],
        'embedding': embedding[list(index)].float(),
        'logit_scale': torch.as_tensor(weights['logit_scale']).float().reshape(()),
    }

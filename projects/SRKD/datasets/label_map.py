"""Label maps, raw label id -> class, and whether they fit a class list."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from ..base import UsageError

_LISTED = 3  # ids shown in a message


def check_label_map(
    label_map: Mapping[int, int],
    classes: Sequence[str],
    ignore_index: int,
    max_label: int,
    owner: str,
) -> None:
    """Refuse a label map that does not fit its class list.

    mmdet3d takes any map: a class too many in it trains on labels the head does not have, a class
    too few is scored as if the network never found it.

    Args:
        label_map: Raw label id -> class number or ``ignore_index``.
        classes: Names of the classes, in order.
        ignore_index: Label of points without a class.
        max_label: Largest raw id of the data set.
        owner: Whose map it is, for the message.

    Raises:
        UsageError: If a target is no class, a class has no raw id, or a raw id exceeds
            ``max_label``.

    Example:
        >>> check_label_map({0: 2, 1: 0}, ('car', 'bus'), 2, 1, 'Toy')  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        projects.SRKD.base.errors.UsageError: seg_label_mapping of Toy maps no raw id to class ...
    """
    last = len(classes) - 1
    for raw, target in label_map.items():
        if not (0 <= target <= last or target == ignore_index):
            raise UsageError(
                f'seg_label_mapping of {owner} maps raw id {raw} to class {target}, expected 0 to '
                f'{last} for its {len(classes)} classes or the ignored label {ignore_index}: the '
                'class list does not fit the label map'
            )
        if not 0 <= raw <= max_label:
            raise UsageError(
                f'seg_label_mapping of {owner} has raw id {raw}, expected 0 to its max_label '
                f'{max_label}'
            )
    targets = set(label_map.values())
    for number, name in enumerate(classes):
        if number not in targets and number != ignore_index:
            raise UsageError(
                f'seg_label_mapping of {owner} maps no raw id to class {number}, {name!r}: the '
                'class list does not fit the label map'
            )


def label_map_by_name(
    raw_classes: Mapping[int, str],
    classes: Sequence[str],
    ignore_index: int,
    max_label: int,
    owner: str,
) -> dict[int, int]:
    """Map raw ids to the classes that carry their names, all others to ``ignore_index``.

    Args:
        raw_classes: Raw label id -> name of its class.
        classes: Names to map to, in order; some may be left out.
        ignore_index: Label of points without a class.
        max_label: Largest raw id of the data set.
        owner: Whose classes they are, for the message.

    Raises:
        UsageError: If a class is not among ``raw_classes``; names the nearest.
    """
    known = sorted(set(raw_classes.values()))
    for name in classes:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f'the nearest is {near[0]!r}' if near else f'it has {", ".join(known)}'
            raise UsageError(f'{owner} has no class {name!r}; {hint}')
    number = {name: i for i, name in enumerate(classes)}
    return {raw: number.get(raw_classes.get(raw), ignore_index) for raw in range(max_label + 1)}


def nearest_ids(wanted: int, known: Sequence[int]) -> str:
    """Words on the known ids next to an unknown one.

    Example:
        >>> nearest_ids(12, [0, 1, 10, 11, 13, 252])
        '11, 13, 10'
    """
    ids = np.unique(known)
    order = np.argsort(np.abs(ids - wanted), kind='stable')
    return ', '.join(str(i) for i in ids[order[:_LISTED]])

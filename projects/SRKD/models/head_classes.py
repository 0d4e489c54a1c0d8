"""What the channels of a network's head stand for.

Shape letters: K classes, A anchors of a cell, D numbers of a box.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import Tensor

from ..base import UsageError

HEADS = ('bbox_head', 'pts_bbox_head', 'rpn_head', 'decode_head')
"""Names of the heads that tell classes apart, in mmdet3d's detectors and segmentors."""

_BRANCH = re.compile(r'task_heads\.(\d+)\.(\w+?)(?:\.(\d+))?$')


def head_of(model: Mapping) -> tuple[str, Mapping] | None:
    """Name and config of the head that tells classes apart, None if there is none."""
    return next(((key, model[key]) for key in HEADS if isinstance(model.get(key), Mapping)), None)


def class_count(model: Mapping) -> int | None:
    """K of a network's head, None where the config does not say."""
    _, head = head_of(model) or (None, {})
    if head.get('tasks'):
        return sum(len(task['class_names']) for task in head['tasks'])
    return head.get('num_classes')


def task_names(model: Mapping) -> tuple[str, ...] | None:
    """Names in a center head's tasks, one after the other; None for other heads."""
    _, head = head_of(model) or (None, {})
    tasks = head.get('tasks')
    return tuple(name for task in tasks for name in task['class_names']) if tasks else None


def task_ids(model: Mapping, path: str) -> tuple[int, ...] | None:
    """Class ids of the task that a module of a center head belongs to, else None."""
    key, head = head_of(model) or ('', {})
    found = re.match(rf'{key}\.task_heads\.(\d+)\.', path)
    if not found or not head.get('tasks'):
        return None
    sizes = [len(task['class_names']) for task in head['tasks']]
    start = sum(sizes[: int(found[1])])
    return tuple(range(start, start + sizes[int(found[1])]))


def check_head(model: Mapping, role: str = 'model') -> None:
    """Refuse a head whose own lists disagree on the number of its classes.

    Raises:
        UsageError: With both numbers and the keys that hold them.
    """
    key, head = head_of(model) or (None, {})
    for number, task in enumerate(head.get('tasks') or ()):
        if task.get('num_class', len(task['class_names'])) != len(task['class_names']):
            raise UsageError(
                f'{role}.{key}.tasks[{number}] has num_class={task["num_class"]} but names '
                f'{len(task["class_names"])} classes, {_listed(task["class_names"])}'
            )
    count, anchors = head.get('num_classes'), head.get('anchor_generator') or {}
    if count is None or not head.get('assign_per_class'):
        return
    assigners = _part(model.get('train_cfg')).get('assigner')
    lists = {f'{key}.anchor_generator.sizes': anchors.get('sizes')}
    if isinstance(assigners, Sequence):
        lists['train_cfg.assigner'] = assigners
    for place, entries in lists.items():
        if entries is not None and len(entries) != count:
            raise UsageError(
                f'{role}.{key}.num_classes is {count}, but {role}.{place} has {len(entries)} '
                'entries, one for each class (assign_per_class=True): both must be the number of '
                'classes'
            )


def channel_meaning(
    model: Mapping, path: str, names: Sequence[Hashable]
) -> tuple[Hashable, ...] | None:
    """Say what every channel of a module's output stands for.

    Two networks' outputs may be compared channel by channel where these are equal; where one is a
    permutation of the other the channels can be put in order.

    Args:
        model: Config of the network.
        path: Module path of the tap.
        names: Its K classes, in order.

    Returns:
        One entry a channel: its class, and of anchor heads the anchor, of center heads the task.
        None where the output is features, whose channels mean nothing by themselves.
    """
    key, head = head_of(model) or (None, {})
    if key is None or not path.startswith(f'{key}.'):
        return None
    inner = path[len(key) + 1 :]
    if head.get('tasks'):
        return _branch_channels(head, inner, names)
    if head.get('anchor_generator'):
        return _anchor_channels(head, inner, names)
    layers = (head.get('pred_layer_cfg') or {}).get('cls_linear_channels', ())
    last = f'cls_layers.{3 * len(layers)}'  # behind a linear layer, a norm and a ReLU for each
    return tuple(names) if inner in ('conv_seg', 'cls_layers', last) else None


def channel_order(student: Sequence[Hashable], teacher: Sequence[Hashable]) -> Tensor | None:
    """Put a teacher's channels into a student's order.

    Args:
        student: Meaning of its channels, C entries, see :func:`channel_meaning`.
        teacher: The same.

    Returns:
        The teacher's channel for each of the student's, (C,) int64; None unless one is a
        permutation of the other.

    Example:
        >>> channel_order(('car', 'bus'), ('bus', 'car'))
        tensor([1, 0])
    """
    if student == teacher:
        return torch.arange(len(student))
    if set(student) != set(teacher) or not len(set(student)) == len(student) == len(teacher):
        return None
    return torch.tensor([teacher.index(channel) for channel in student])


def _branch_channels(head: Mapping, inner: str, names: Sequence[Hashable]) -> tuple | None:
    found = _BRANCH.match(inner)
    if not found:
        return None
    number, branch, layer = int(found[1]), found[2], found[3]
    sizes = [len(task['class_names']) for task in head['tasks']]
    start = sum(sizes[:number])
    task = tuple(names[start : start + sizes[number]])
    branches = dict(head.get('common_heads') or {})
    width, depth = branches.get(branch, (len(task), head.get('num_heatmap_convs', 2)))
    if layer is not None and int(layer) != depth - 1:
        return None  # a hidden layer
    if branch == 'heatmap':
        return task
    return tuple((frozenset(task), branch, number) for number in range(width))


def _anchor_channels(head: Mapping, inner: str, names: Sequence[Hashable]) -> tuple | None:
    generator = head['anchor_generator']
    sizes = generator.get('sizes', [[3.9, 1.6, 1.56]])
    ranges = list(generator['ranges'])
    ranges = ranges * len(sizes) if len(ranges) == 1 else ranges
    owners = names if head.get('assign_per_class') else [None] * len(sizes)
    anchors = [
        (owner, reach[2], tuple(size), float(turn))
        for owner, reach, size in zip(owners, ranges, sizes)
        for turn in generator.get('rotations', [0, 1.5707963])
    ]  # A
    kinds = list(names)
    if not (head.get('loss_cls') or {}).get('use_sigmoid', False):
        kinds.append('background')
    width = (head.get('bbox_coder') or {}).get('code_size', 7)
    channels = dict(conv_cls=kinds, conv_reg=range(width), conv_dir_cls=range(2)).get(inner)
    return channels and tuple((anchor, channel) for anchor in anchors for channel in channels)


def _part(config: Mapping | None) -> Mapping:
    """Settings of the LiDAR branch, where a detector has several."""
    config = config or {}
    return config.get('pts') or config.get('rcnn') or config


def _listed(names: Sequence[str]) -> str:
    return ', '.join(map(str, names))

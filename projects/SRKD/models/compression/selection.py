"""Starting a student from a uniform selection of its teacher's channels and blocks.

Source: Z. Xu et al., Initializing Models with Larger Ones, ICLR 2024 (weight selection).
Two departures from its release: attention keeps whole heads where it can, and widths
that do not divide are refused, not rounded.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ...backbones.ptv3.attention import SerializedAttention
from ...base import UsageError
from .depth import in_student, taken_blocks
from .inheritance import Inheritance, axes_of
from .inheritance_rules import RULES, copy_all, modules_of


@torch.no_grad()
def select_weights(student: nn.Module, teacher: nn.Module, blocks: str = 'first') -> list[str]:
    """Copy every n-th channel of every width, of some blocks of every stage.

    Channels are chosen alike wherever they flow: the inputs of a layer are the channels kept of
    what enters, part by part where maps are joined. In attention, heads are chosen evenly and then
    channels within each, the same for queries, keys and values; where the student's number of
    heads or their width does not divide the teacher's, every n-th channel of all heads. Layers of
    predictions stay as initialized. With the teacher's own sizes the copy is the teacher.

    Args:
        student: A detector or voxel segmentor; changed in place.
        teacher: The trained network, left as it is.
        blocks: ``'first'``: the leading blocks of a stage; ``'even'``: evenly spaced ones.

    Returns:
        Layers of predictions, which were left.

    Raises:
        UsageError: If the networks are of two families, a width of the student does not divide its
            teacher's, a stage of the teacher has fewer blocks, or layers differ otherwise.
    """
    _check_family(modules_of(student, 'student'), modules_of(teacher, 'teacher'))
    paths = taken_blocks(student, teacher, blocks)
    weights = {in_student(key, paths): value.cpu() for key, value in teacher.state_dict().items()}
    weights.pop(None, None)
    heads = {
        in_student(path, paths): module.num_heads
        for path, module in teacher.named_modules()
        if isinstance(module, SerializedAttention)
    }
    copier = Inheritance(student, weights, 'even', lambda path, count: None, heads)
    return copy_all(copier, student)


def _check_family(ours: dict[str, nn.Module], theirs: dict[str, nn.Module]) -> None:
    for slot in {**ours, **theirs}:
        own, other = (type(each.get(slot)).__name__ for each in (ours, theirs))
        if RULES.get(own) is not RULES.get(other):
            own, other = ('missing' if name == 'NoneType' else name for name in (own, other))
            raise UsageError(
                f'teacher and student must be of one family, but {slot} of the student is '
                f'{own}, of the teacher {other}'
            )


@torch.no_grad()
def shuffle_channels(network: nn.Module, seed: int, but: Iterable[str] = ()) -> None:
    """Permute the channels of every layer, each layer in its own way.

    What a layer's weights are stays, to what they belong goes: the control for
    :func:`select_weights`. Filters move with their bias, and their inputs apart from them; a norm's
    factors move with its statistics.

    Args:
        network: Changed in place.
        seed: Of the permutations.
        but: Paths of layers that are left alone.
    """
    generator = torch.Generator().manual_seed(seed)

    def permuted(value: Tensor, axis: int, order: Tensor) -> Tensor:
        return value.index_select(axis, order.to(value.device))

    skipped = set(but)
    for path, module in network.named_modules():
        weight = getattr(module, 'weight', None)
        if path in skipped or not isinstance(weight, Tensor):
            continue
        if isinstance(module, (_NormBase, nn.GroupNorm, nn.LayerNorm)):
            order = torch.randperm(len(weight), generator=generator)
            for value in module.state_dict().values():
                if value.dim():
                    value.copy_(permuted(value, 0, order))
            continue
        out, into = axes_of(module)
        order = torch.randperm(weight.shape[out], generator=generator)
        others = torch.randperm(weight.shape[into], generator=generator)
        weight.copy_(permuted(permuted(weight, out, order), into, others))
        if module.bias is not None:
            module.bias.copy_(permuted(module.bias, 0, order))

"""Where in a step numbers stop being finite, in words: batch, weights, teacher, losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from ...distill import DistillModel
from ...distill.live_teacher import LiveTeacher
from ...models.weights import weights_beside, wrong_weights
from .packing import tensors_in
from .step_start import Lesson, StepStart

_SHOWN = 3  # of each kind in a message


def wrong_terms(terms: Mapping[str, Tensor], scans: Sequence[str]) -> str:
    """Entries of a loss that are not finite, and the scans that it is about; '' if all are.

    Example:
        >>> import torch
        >>> wrong_terms(dict(a=torch.tensor(1.0), b=torch.tensor(float('nan'))), ['x.bin'])
        'b=nan on x.bin'
    """
    values = {name: value.item() for name, value in terms.items()}
    wrong = {name: value for name, value in values.items() if not isfinite(value)}
    named = ', '.join(f'{name}={value}' for name, value in wrong.items())
    return wrong and f'{named} on {_all_of(scans)}' or ''


def wrong_gradients(model: nn.Module, wrapper: OptimWrapper, scans: Sequence[str]) -> str:
    """Parameters whose gradients are not finite, of a loss whose every entry is."""
    names = names_of_wrong_gradients(model, wrapper)
    found = (
        f'the gradients of {len(names)} parameters are not ({first_of(names)})'
        if names
        else 'the norm of the gradients is not'
    )
    return f'every term is a number, {found}, on {_all_of(scans)}'


def names_of_wrong_gradients(model: nn.Module, wrapper: OptimWrapper) -> list[str]:
    """Names of the parameters that an optimizer steps and whose gradient is not finite."""
    names = {param: name for name, param in model.named_parameters()}
    params = (param for group in wrapper.optimizer.param_groups for param in group['params'])
    return [
        names.get(param, 'a parameter outside the model')
        for param in params
        if param.grad is not None and not param.grad.isfinite().all()
    ]


def origins(model: nn.Module, start: StepStart, wrapper: OptimWrapper) -> list[str]:
    """Who brought it, in the order of the data flow; if nobody did, that it arises in the step.

    Args:
        model: The network, its weights those before the step.
        start: What the step began with.
        wrapper: Tells the learning rate.
    """
    scans = scans_of(start.batch)
    from_batch = [
        _of_batch(path, value, scans)
        for path, value in tensors_in(start.batch)
        if not value.isfinite().all()
    ]
    found = from_batch[:_SHOWN]
    buffers = {name: value for name, value in start.buffers.items() if name not in start.by_design}
    names = wrong_weights(dict(model.named_parameters()) | buffers)
    if names:
        found.append(
            f'{len(names)} weights of the student were not finite before the step '
            f'({first_of(names)}), at {rate_of(wrapper)}'
        )
    if not from_batch:
        found += _of_teacher(model, start.lesson)
    if not found:
        largest, name = max(((p.abs().max().item(), n) for n, p in model.named_parameters()
                             if p.numel()), default=(0.0, 'none'))  # fmt: skip
        taught = ', the teacher' if start.lesson else ''
        found.append(
            f'the batch{taught} and the weights are finite, so it arises in the student or in its '
            f'losses (largest weight {largest:g}, {name}; {rate_of(wrapper)})'
        )
    return found


def lost_weights(checkpoint: Mapping, by_design: set[str]) -> str:
    """What a checkpoint's weights, averages and connectors hold that is no number; '' if nothing.

    Args:
        checkpoint: What is about to be saved.
        by_design: Names of tensors that were not finite from the first.
    """
    names = wrong_weights(checkpoint['state_dict']) + wrong_weights(weights_beside(checkpoint))
    names = [name for name in names if name.removeprefix('module.') not in by_design]
    return f'it has lost {len(names)} weights ({first_of(names)})' if names else ''


def first_of(names: Sequence[str]) -> str:
    """The first names, and whether there are more.

    Example:
        >>> first_of('abcd')
        'a, b, c, ...'
    """
    return ', '.join(names[:_SHOWN]) + (', ...' if len(names) > _SHOWN else '')


def rate_of(wrapper: OptimWrapper) -> str:
    """Its largest learning rate, in words."""
    rate = max(float(group['lr']) for group in wrapper.optimizer.param_groups)
    return f'a learning rate of {rate:g}'


def scans_of(batch: Any) -> list[str]:
    """Names of the scans of a packed batch."""
    samples = batch.get('data_samples') if isinstance(batch, Mapping) else None
    listed = samples if isinstance(samples, list) else []
    metas = [each.get('metainfo', {}) for each in listed if isinstance(each, Mapping)]
    return [
        str(meta.get('lidar_path') or f'sample {meta.get("sample_idx", "without a name")}')
        for meta in metas
    ]


def _of_batch(path: tuple, value: Tensor, scans: list[str]) -> str:
    number = next((key for key in path if isinstance(key, int)), None)
    field = '.'.join(str(key) for key in path if not isinstance(key, int))
    scan = f' of {scans[number]}' if number is not None and number < len(scans) else ''
    count = int((~value.isfinite()).sum())
    return f'{field}{scan} hold {count} of {value.numel():,} numbers that are not finite'


def _of_teacher(model: nn.Module, lesson: Lesson | None) -> list[str]:
    if lesson is None or not isinstance(model, DistillModel):
        return []
    taps = [path for path, taught in lesson.taught.items() if not taught.feat.isfinite().all()]
    if not taps:
        return []
    teacher = model.teacher
    live = isinstance(teacher, LiveTeacher) and teacher.built
    names = wrong_weights(teacher.network.state_dict()) if live else []
    if names:
        weights = f'{len(names)} of its weights are not ({first_of(names)})'
    else:
        weights = 'its weights are' if live else 'it was read from a cache'
    return [f'the teacher brought it: its taps {first_of(taps)} are not finite, {weights}']


def _all_of(scans: Sequence[str]) -> str:
    return ', '.join(scans) or 'scans without a name'

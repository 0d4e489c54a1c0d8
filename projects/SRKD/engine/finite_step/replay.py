"""A step that was not finite, done again from its folder to the bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmdet3d.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings
from torch import Tensor, nn

from ...base import UsageError
from ...base.random_numbers import restore_random_state
from ...distill import DistillModel, Features
from .causes import first_of
from .kept_step import arithmetic, digest, gradients_by_name
from .packing import unpack
from .recorded_teacher import RecordedTeacher
from .step_folder import read_rank, read_weights
from .watched_steps import scaler_of, wrappers_in


class Replay(NamedTuple):
    """What came of a step that was done again.

    Attributes:
        kept: What the folder says of it.
        loss: The total that was differentiated, as scaled by accumulation.
        terms: Entries of the loss by name.
        gradients: By name of the parameter.
        first: The first part of the network whose output is not finite, and its class; None: none.
        same_terms: Whether every entry has the bits of the run.
        same_gradients: Likewise of the gradients; None where the folder does not know those of this
            step alone: a loss that was not differentiated, several processes, earlier gradients in
            the sum, a gradient scaler.
        differs: What of this machine is not as it was in the run, e.g. the number of threads.
    """

    kept: dict
    loss: Tensor | None
    terms: dict[str, float]
    gradients: dict[str, Tensor]
    first: tuple[str, str] | None
    same_terms: bool
    same_gradients: bool | None
    differs: list[str]

    @property
    def same(self) -> bool:
        """Whether all that is known of the run was repeated to the bit."""
        return self.same_terms and self.same_gradients is not False

    def report(self) -> str:
        """What a reader wants to know, one thing in a line."""
        wrong = [name for name, value in self.gradients.items() if not value.isfinite().all()]
        terms = ', '.join(f'{name}={value}' for name, value in self.terms.items())
        first = 'every output is finite' if self.first is None else '{} ({})'.format(*self.first)
        bits = {True: 'those of the run', False: 'NOT those of the run', None: 'not kept'}
        lines = [
            f'the run said: {self.kept["message"]}',
            f'repeated: {terms}; bits: {bits[self.same_terms]}',
            f'first output that is not finite: {first}',
            f'gradients: {len(wrong)} of {len(self.gradients)} parameters have some that are not '
            f'finite{": " * bool(wrong)}{first_of(wrong)}; bits: {bits[self.same_gradients]}',
        ]
        if not self.kept['batch_is_as_loaded']:
            lines.append('the network wrote to its batch, of which the folder has what it became')
        lines += [f'not as in the run: {each}' for each in self.differs]
        return '\n'.join(lines)


def replay_step(
    folder: str | Path, rank: int | None = None, model: nn.Module | None = None
) -> Replay:
    """Repeat a step: forward, loss and gradients, without the optimizer's own step.

    The teacher is not run: what it said is in the folder. The config in there is built as that of a
    run is, with what it imports: replay folders of people whose configs you would run.

    Args:
        folder: ``non_finite_iterN`` of a work dir.
        rank: Whose step; None: that of the first process that has kept one.
        model: The network, where the run was made without a config.

    Raises:
        UsageError: If it is no such folder, or one without a config and ``model`` is None.
    """
    kept = read_rank(folder, rank)
    config = ConfigDict(unpack(kept['config']))
    init_default_scope(config.get('default_scope') or 'mmdet3d')
    if config.get('custom_imports'):
        import_modules_from_strings(**config.custom_imports)
    if model is None:
        if 'model' not in config:
            raise UsageError(
                f'{folder} must hold the config of its run, but got none: the run was made without '
                'one, so give replay_step its model'
            )
        model = MODELS.build(config.model)
    wanted = kept['arithmetic']
    gpu = wanted['device'] != 'cpu' and torch.cuda.is_available()
    device = torch.device('cuda' if gpu else 'cpu')
    _prepare(model.to(device), kept, read_weights(folder), device)
    with _as_in_run(wanted):
        loss, terms, first = _step(model, config, kept)
        now = arithmetic(device)
    differs = [f'{key} is {now[key]}, was {wanted[key]}' for key in now if now[key] != wanted[key]]
    found = gradients_by_name(model)
    known = kept['gradients']
    same = None if known is None else digest(found) == known
    return Replay(kept, loss, terms, found, first, _same(terms, kept['terms']), same, differs)


def _prepare(model: nn.Module, kept: Mapping, weights: Mapping, device: torch.device) -> None:
    """Give a network the state that it had before the step."""
    with torch.no_grad():
        for name, param in model.named_parameters():
            param.copy_(weights[name])
            param.requires_grad_(name not in kept['frozen'])
        for name, buffer in model.named_buffers():
            if name in kept['buffers']:
                buffer.copy_(kept['buffers'][name])
    for name, module in model.named_modules():
        module.training = name not in kept['modules_in_eval']
    if not isinstance(model, DistillModel):
        return
    lesson = kept['lesson'] and _on(unpack(kept['lesson']), device)
    model.teacher = model.class_agreement.teacher = RecordedTeacher(model.teacher, lesson)
    model.tell_connectors_are_kept()
    model.set_distill_scale(kept['distill']['scale'])
    if kept['distill']['balance'] is not None:
        model.balance.load_state_dict(kept['distill']['balance'])
    if kept['distill']['classes'] is not None:
        model.learn_classes(kept['distill']['classes'])


def _step(
    model: nn.Module, config: ConfigDict, kept: Mapping
) -> tuple[Tensor | None, dict[str, float], tuple[str, str] | None]:
    """Loss, its entries, and the first output that is not finite."""
    built = build_optim_wrapper(model, config.get('optim_wrapper') or _SGD)
    seen: list[Tensor] = []
    for wrapper in wrappers_in(built).values():
        wrapper.initialize_count_status(nn.Module(), **kept['counts'])
        wrapper.step = wrapper.zero_grad = lambda **_: None  # the gradients are what is asked for
        wrapper.scale_loss = _noting(wrapper.scale_loss, seen)
    if kept['scaler'] is not None:
        scaler_of(wrappers_in(built)[kept['wrapper']]).load_state_dict(kept['scaler'])
    batch = unpack(kept['batch'])
    with _first_wrong_output(model) as first, _losses_of(model) as losses:
        restore_random_state(kept['random'])
        model.train_step(batch, built)
    terms = {}
    if losses:
        with torch.no_grad():
            terms = {name: each.item() for name, each in model.parse_losses(losses[-1])[1].items()}
    return seen[-1] if seen else None, terms, first[0] if first else None


_SGD = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.0))


def _noting(scale_loss, seen: list[Tensor]):
    def scaled(loss: Tensor) -> Tensor:
        loss = scale_loss(loss)
        seen.append(loss.detach())
        return loss

    return scaled


@contextmanager
def _losses_of(model: nn.Module) -> Iterator[list[dict]]:
    found: list[dict] = []

    def note(module: nn.Module, inputs: tuple, losses: Any) -> None:
        if isinstance(losses, dict):
            found.append(losses)

    handle = model.register_forward_hook(note)
    try:
        yield found
    finally:
        handle.remove()


@contextmanager
def _first_wrong_output(model: nn.Module) -> Iterator[list[tuple[str, str]]]:
    """Collects modules whose outputs are not finite, the innermost and earliest first."""
    found: list[tuple[str, str]] = []

    def watched(name: str):
        def look(module: nn.Module, inputs: tuple, output: Any) -> None:
            if not found and not all(each.isfinite().all() for each in _tensors_of(output)):
                found.append((name, type(module).__name__))

        return look

    handles = [m.register_forward_hook(watched(name)) for name, m in model.named_modules() if name]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _tensors_of(output: Any) -> Iterator[Tensor]:
    """Tensors of a module's output, those that carriers of features hold included."""
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        for each in output.values():
            yield from _tensors_of(each)
    elif isinstance(output, (list, tuple)):
        for each in output:
            yield from _tensors_of(each)
    else:
        for name in ('feat', 'features'):
            if isinstance(getattr(output, name, None), Tensor):
                yield from _tensors_of(getattr(output, name))


@contextmanager
def _as_in_run(wanted: Mapping) -> Iterator[None]:
    """Compute as the run did: threads, deterministic kernels, precision."""
    before = arithmetic(torch.device('cpu'))
    _set_arithmetic(wanted)
    try:
        yield
    finally:
        _set_arithmetic(before)


def _set_arithmetic(wanted: Mapping) -> None:
    torch.set_num_threads(wanted['threads'])
    torch.use_deterministic_algorithms(wanted['deterministic'])
    torch.set_float32_matmul_precision(wanted['matmul'])
    for name, value in wanted['cudnn'].items():
        setattr(torch.backends.cudnn, name, value)


def _same(terms: Mapping[str, float], kept: Mapping[str, float]) -> bool:
    """Whether numbers are equal; every NaN is like the other."""
    return terms.keys() == kept.keys() and all(
        value == kept[name] or (value != value and kept[name] != kept[name])
        for name, value in terms.items()
    )


def _on(value: Any, device: torch.device) -> Any:
    """Tensors, features and containers of them on a device; other things as they are."""
    if isinstance(value, Features):
        return Features(**{name: _on(each, device) for name, each in vars(value).items()})
    if isinstance(value, Mapping):
        return {key: _on(each, device) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_on(each, device) for each in value)
    return value.to(device) if hasattr(value, 'to') else value

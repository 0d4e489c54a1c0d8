"""What is written of a step that was not finite, and how two of them are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch
from mmengine.dist import get_dist_info
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from ...distill import DistillModel
from ..distill_checkpoint_hook import unwrap
from .causes import names_of_wrong_gradients
from .packing import pack
from .step_folder import FORMAT, WEIGHTS
from .step_start import StepStart
from .watched_steps import wrappers_in


def weights_file(model: nn.Module) -> dict[str, dict[str, Tensor]]:
    """File name and content: the parameters of the student and its terms."""
    return {WEIGHTS: {name: param.detach() for name, param in model.named_parameters()}}


def rank_file(
    runner: Runner,
    start: StepStart,
    wrapper: OptimWrapper,
    message: str,
    terms: Mapping[str, Tensor],
    gradients: bool,
) -> dict[str, dict]:
    """File name and content: what a process began its step with, and what came of it.

    Args:
        runner: Of the run.
        start: What the step began with.
        wrapper: Whose step it was.
        message: What the run ends with.
        terms: Entries of the loss.
        gradients: Whether the gradients are those of this step alone, as they came.
    """
    model = unwrap(runner.model)
    rank, world = get_dist_info()
    alone = world == 1 and start.counts['init_counts'] % wrapper._accumulative_counts == 0
    content = dict(
        format=FORMAT,
        message=message,
        iteration=runner.iter + 1,
        epoch=runner.epoch + 1,
        rank=rank,
        processes=world,
        config=_config(runner, model),
        batch=start.batch,
        batch_is_as_loaded=start.batch_is_as_loaded,
        random=start.random,
        buffers=start.buffers,
        modules_in_eval=[name for name, each in model.named_modules() if not each.training],
        frozen=[name for name, each in model.named_parameters() if not each.requires_grad],
        distill=start.distill | _classes(model),
        lesson=None if start.lesson is None else start.lesson.packed(),
        counts=start.counts,
        wrapper=next(n for n, w in wrappers_in(runner.optim_wrapper).items() if w is wrapper),
        scaler=start.scaler,
        arithmetic=arithmetic(next(model.parameters()).device),
        versions={name: version(name) for name in ('torch', 'mmengine', 'mmdet3d')},
        terms={name: value.item() for name, value in terms.items()},
        wrong_gradients=names_of_wrong_gradients(model, wrapper) if gradients else None,
        gradients=digest(gradients_by_name(model)) if gradients and alone else None,
    )
    return {f'rank{rank}.pth': content}


def gradients_by_name(model: nn.Module) -> dict[str, Tensor]:
    """Gradients of the parameters that have one."""
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def digest(tensors: Mapping[str, Tensor]) -> str:
    """A checksum of the bits of named tensors; every NaN has its own.

    Example:
        >>> zero = torch.zeros(3)
        >>> digest(dict(a=zero)) == digest(dict(a=zero.clone())), digest(dict(a=zero)) == digest(
        ...     dict(a=-zero)
        ... )
        (True, False)
    """
    found = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        found.update(f'{name} {value.dtype} {tuple(value.shape)}\n'.encode())
        found.update(value.view(torch.uint8).numpy().tobytes() if value.dim() else
                     value[None].view(torch.uint8).numpy().tobytes())  # fmt: skip
    return found.hexdigest()


def arithmetic(device: torch.device) -> dict:
    """What equal bits need beside equal numbers."""
    return dict(
        device=device.type,
        name=torch.cuda.get_device_name(device) if device.type == 'cuda' else '',
        threads=torch.get_num_threads(),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        matmul=torch.get_float32_matmul_precision(),
        cudnn=dict(
            benchmark=torch.backends.cudnn.benchmark,
            deterministic=torch.backends.cudnn.deterministic,
            allow_tf32=torch.backends.cudnn.allow_tf32,
        ),
    )


def _config(runner: Runner, model: nn.Module) -> Any:
    """The run's config as plain data; a teacher's is spelled out, so that no file need be there."""
    config = runner.cfg.to_dict()
    if isinstance(model, DistillModel) and 'teacher' in (config.get('model') or {}):
        teacher = dict(config['model']['teacher'])
        teacher.update(
            config=model.teacher.config.to_dict(), checkpoint=str(model.teacher.checkpoint)
        )
        config['model'] = config['model'] | dict(teacher=teacher)
    return pack(config)


def _classes(model: nn.Module) -> dict:
    return dict(classes=model.class_agreement.names) if isinstance(model, DistillModel) else {}

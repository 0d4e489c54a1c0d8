"""Weights of a file beside those of a network: what fits, and what is wrong told in one report."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from mmengine.runner.checkpoint import _load_checkpoint
from torch import Tensor, nn

from ..base import FileMissingError, UsageError, nearest_path
from ..ops.spconv_layout import to_spconv2
from .minkunet_layouts import to_spconv_layout

_SHOWN = 3  # keys named in a message


@dataclass(frozen=True)
class WeightReport:
    """A network's keys against those of a file.

    Attributes:
        network: Name of the network's class.
        total: How many keys the network has.
        missing: Keys that only the network has.
        unexpected: Keys that only the file has.
        misshapen: Key -> shape in the network and shape in the file, where they differ.
    """

    network: str
    total: int
    missing: list[str]
    unexpected: list[str]
    misshapen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]

    @property
    def matched(self) -> int:
        """How many keys of the network the file fills."""
        return self.total - len(self.missing) - len(self.misshapen)

    @property
    def fills(self) -> bool:
        """Whether no weight of the network stays as it was initialized."""
        return self.matched == self.total

    def __str__(self) -> str:
        """Counts, then the first keys of each kind with the nearest of the file."""
        lines = [
            f'{self.matched} of {self.total} keys match, {len(self.missing)} missing, '
            f'{len(self.unexpected)} unexpected, {len(self.misshapen)} of another shape'
        ]
        for key, (own, found) in list(self.misshapen.items())[:_SHOWN]:
            lines.append(f'{key}: expected {own}, got {found}')
        for key in self.missing[:_SHOWN]:
            nearest = get_close_matches(key, self.unexpected, n=1, cutoff=0.5)
            lines.append(f'missing {key}' + (f', nearest present {nearest[0]}' if nearest else ''))
        if not self.missing:
            lines += [f'unexpected {key}' for key in self.unexpected[:_SHOWN]]
        return '; '.join(lines)


def compare_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> WeightReport:
    """Look which weights of a network a file fills; nothing is loaded.

    Args:
        network: Asked for its ``state_dict``; a distillation model answers for its student.
        weights: Keys without ``module.``; kernels may have the layout of spconv 1.x.
    """
    own = network.state_dict()
    misshapen = {}
    for key in own.keys() & weights.keys():
        wanted, found = tuple(own[key].shape), tuple(weights[key].shape)
        if tuple(to_spconv2(weights[key], own[key].shape).shape) != wanted:
            misshapen[key] = wanted, found
    return WeightReport(
        network=type(network).__name__,
        total=len(own),
        missing=[key for key in own if key not in weights],
        unexpected=[key for key in weights if key not in own],
        misshapen={key: misshapen[key] for key in own if key in misshapen},
    )


def wrong_weights(weights: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that hold a NaN or an infinity.

    Example:
        >>> import torch
        >>> wrong_weights(dict(a=torch.ones(2), b=torch.tensor([1.0, float('inf')])))
        ['b']
    """
    return [
        name
        for name, value in weights.items()
        if value.is_floating_point() and not value.isfinite().all()
    ]


def weights_beside(checkpoint: Mapping) -> dict[str, Tensor]:
    """What a run saves beside ``state_dict`` and trains or tests with: averages and connectors."""
    connectors = (checkpoint.get('distill') or {}).get('connectors') or {}
    return {**(checkpoint.get('ema_state_dict') or {}), **connectors}


def check_finite(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Refuse weights that are no numbers where the network has them.

    What the network itself is built with, such as a mask of minus infinity, is no fault.

    Args:
        network: Asked for its ``state_dict``, as it was before loading.
        weights: As for :func:`compare_weights`.
        source: What the file is called in the message.

    Raises:
        UsageError: Counts such tensors and names the first.
    """
    wrong = wrong_weights(weights)
    if wrong:
        own = network.state_dict()
        wrong = [name for name in wrong if name in own and own[name].isfinite().all()]
    if wrong:
        shown = [
            f'{name} ({int((~weights[name].isfinite()).sum()):,} of {weights[name].numel():,})'
            for name in wrong[:_SHOWN]
        ]
        raise UsageError(
            f'weights must be finite, but got {source} with {len(wrong)} of {len(weights)} tensors '
            f'that hold NaN or infinity: {", ".join(shown)}{", ..." * (len(wrong) > _SHOWN)}; the '
            'run that saved them had diverged: take one of its earlier checkpoints'
        )


def weights_in(content: object, source: str) -> dict[str, Tensor]:
    """Weights of what a file holds, without ``module.`` prefixes.

    Args:
        content: ``state_dict`` inside or the plain dict.
        source: What the file is called in a message, e.g. ``checkpoint work_dirs/a/epoch_1.pth``.

    Raises:
        UsageError: If there are none.
    """
    weights = content.get('state_dict', content) if isinstance(content, Mapping) else None
    tensors = isinstance(weights, Mapping) and all(isinstance(w, Tensor) for w in weights.values())
    if not weights or not tensors:
        raise UsageError(
            f'{source} holds no weights, expected a dict of tensors or one under "state_dict", '
            f'but got {type(content).__name__}'
        )
    return {key.removeprefix('module.'): value for key, value in weights.items()}


def read_checkpoint(
    checkpoint: str, name: str = 'teacher checkpoint'
) -> tuple[dict[str, Tensor], Mapping]:
    """Weights in a checkpoint, without ``module.`` prefixes, and its ``meta``.

    Both are on the CPU.

    Args:
        checkpoint: Path or URL mmengine can read; ``state_dict`` inside or the plain dict.
        name: What it is called in a message.

    Raises:
        FileMissingError: If the file does not exist.
        UsageError: If the file is no checkpoint.
    """
    try:
        content = _load_checkpoint(checkpoint, map_location='cpu')
    except FileNotFoundError:
        raise FileMissingError(
            f'{name} {checkpoint} does not exist; {nearest_path(checkpoint)}'
        ) from None
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise UsageError(
            f'{name} {checkpoint} cannot be read ({type(error).__name__}: '
            f'{str(error).splitlines()[0] if str(error) else "no message"}), expected a file '
            'written by torch.save: it may be truncated'
        ) from error
    weights = weights_in(content, f'{name} {checkpoint}')
    meta = content.get('meta') if 'state_dict' in content else None
    return weights, meta if isinstance(meta, Mapping) else {}


def load_strictly(network: nn.Module, checkpoint: str, name: str = 'teacher checkpoint') -> Mapping:
    """Load every weight of a network or refuse with a report.

    MinkUNets of mmdet3d's other sparse backends are laid out for spconv.

    Args:
        network: Receives the weights.
        checkpoint: See :func:`read_checkpoint`.
        name: What it is called in a message.

    Returns:
        The ``meta`` that was stored with the weights.

    Raises:
        FileMissingError: If the file does not exist.
        UsageError: If the file is no checkpoint, any key is missing, unexpected or of another
            shape, or a weight is not finite: the message counts them and names the first.
    """
    weights, meta = read_checkpoint(checkpoint, name)
    weights = to_spconv_layout(weights)
    report = compare_weights(network, weights)
    if report.unexpected or not report.fills:
        raise UsageError(f'{name} {checkpoint} does not fit {report.network}: {report}')
    check_finite(network, weights, f'{name} {checkpoint}')
    network.load_state_dict(weights, strict=True)
    return meta

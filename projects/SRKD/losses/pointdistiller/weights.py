"""How much every anchor of a local graph counts: one small class for each answer.

Shape letters: Q_b anchors of sample b, Q anchors of all samples, B samples of the mini-batch.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...base import UsageError
from ...base.checks import check_choice
from ..checks import check_temperature
from ..parts import build_part
from .importance import SCALES, softmax_weight

Weights = Callable[[Sequence[Tensor], int], Tensor | Callable[[Tensor], Tensor]]
"""From the anchors' importance, (Q_b,) of each sample, and B to what :func:`local_graph_mse` takes
as ``weight``: (Q,), or a function of the teacher's largest graph feature of every anchor, (Q,)."""


class SoftmaxWeights:
    """Softmax of the anchors' importance within each sample, times their number.

    Source: PointDistiller (arXiv 2205.11098), for voxels and maps; see :func:`softmax_weight`.

    Args:
        temperature: Of the softmax; 0.01 to 0.0001 in the release, on raw scores.
        scale: How scores are scaled before: ``'minmax'`` (ours), ``'log1p'`` or ``'none'`` (paper
            and release).

    Raises:
        UsageError: If the temperature is not positive or the scale is unknown.

    Example:
        >>> SoftmaxWeights(temperature=1.0)([torch.tensor([4.0, 8.0])], 1)
        tensor([0.5379, 1.4621])
    """

    needs_graphs = False

    def __init__(self, temperature: float = 0.1, scale: str = 'minmax') -> None:
        check_temperature(temperature)
        check_choice('scale', scale, SCALES)
        self.temperature, self.scale = temperature, scale

    def __call__(
        self, importance: Sequence[Tensor], num_samples: int
    ) -> Tensor | Callable[[Tensor], Tensor]:
        """Weigh anchors by their importance, B times (Q_b,)."""
        return torch.cat([softmax_weight(s, self.temperature, self.scale) for s in importance])


class GraphWeights(SoftmaxWeights):
    """Softmax of the teacher's largest graph feature among an anchor's edges.

    Source: PointDistiller (arXiv 2205.11098), for points; its release never applies it.

    Args:
        temperature: As in :class:`SoftmaxWeights`.
        scale: As in :class:`SoftmaxWeights`.

    Raises:
        UsageError: As in :class:`SoftmaxWeights`.
    """

    needs_graphs = True

    def __call__(
        self, importance: Sequence[Tensor], num_samples: int
    ) -> Callable[[Tensor], Tensor]:
        """Return what weighs anchors by their largest graph feature, (Q,) to (Q,)."""
        sizes = [len(scores) for scores in importance]
        weigh = functools.partial(super().__call__, num_samples=num_samples)
        return lambda peaks: weigh(peaks.split(sizes))


class InertWeights:
    """The number of samples, for every anchor alike.

    Source: PointDistiller's release on bird's eye view maps, where the softmax runs over an axis of
    length one, so that every weight is the batch size.
    """

    needs_graphs = False

    def __call__(self, importance: Sequence[Tensor], num_samples: int) -> Tensor:
        """Weigh all anchors alike, whatever their importance, B times (Q_b,)."""
        return torch.full_like(torch.cat(list(importance)), num_samples)


WEIGHTS = {kind.__name__: kind for kind in (SoftmaxWeights, GraphWeights, InertWeights)}

_OF_REWEIGHTING = dict(softmax=SoftmaxWeights, graph=GraphWeights, inert=InertWeights, none=None)


def build_weights(weights: Weights | dict | None) -> Weights | None:
    """Build weights from their config; anything callable, and None, is taken as it is.

    Raises:
        UsageError: If the type is unknown, naming the nearest.

    Example:
        >>> build_weights(dict(type='GraphWeights', temperature=0.5)).temperature
        0.5
    """
    return None if weights is None else build_part('weights', weights, WEIGHTS)


def with_old_arguments(
    weights: Weights | None,
    reweighting: str | None = None,
    temperature: float | None = None,
    scale: str | None = None,
) -> Weights | None:
    """Weights as changed by the arguments that said so before 0.2; goes with 0.3.

    Args:
        weights: What is built without them.
        reweighting: ``'softmax'``, ``'graph'``, ``'inert'`` or ``'none'``; None: not given.
        temperature: Of a softmax; None: not given.
        scale: Of a softmax; None: not given.

    Raises:
        UsageError: If one of them is unknown or out of range.
    """
    old = dict(reweighting=reweighting, temperature=temperature, scale=scale)
    given = {name: value for name, value in old.items() if value is not None}
    if not given:
        return weights
    kind = None if weights is None else type(weights)
    if 'reweighting' in given:
        check_choice('reweighting', reweighting, _OF_REWEIGHTING)
        kind = _OF_REWEIGHTING[reweighting]
    checked = SoftmaxWeights(**{k: v for k, v in given.items() if k != 'reweighting'})
    options = {}
    if kind in (SoftmaxWeights, GraphWeights):
        own = weights if isinstance(weights, SoftmaxWeights) else checked
        options = {
            name: getattr(checked if name in given else own, name)
            for name in ('temperature', 'scale')
        }
    elif kind not in (InertWeights, None):
        raise UsageError(
            f'{" and ".join(given)} cannot change {kind.__name__}, expected SoftmaxWeights or '
            'another of ours: say it where they are made'
        )
    said = ''.join(f', {name}={value!r}' for name, value in options.items())
    successor = 'None' if kind is None else f'dict(type={kind.__name__!r}{said})'
    warnings.warn(
        f'{", ".join(f"{name}={value!r}" for name, value in given.items())}: write '
        f'weights={successor} now; the old arguments go with 0.3',
        FutureWarning,
        stacklevel=3,
    )
    return None if kind is None else kind(**options)

"""Which points of a scan a local graph is built around, and how much each of them counts.

Shape letters: M nodes (points or voxels), Q anchors, C channels, P raw points.
"""

from __future__ import annotations

import torch
from torch import Tensor

SCALES = ('minmax', 'log1p', 'none')


def channel_max(feat: Tensor) -> Tensor:
    """Importance of a node by its strongest channel, (M, C) -> (M,).

    Source: PointDistiller (arXiv 2205.11098), for point detectors and bird's eye view maps, on the
    teacher's features.

    Example:
        >>> channel_max(torch.tensor([[1.0, 3.0], [2.0, -5.0]]))
        tensor([3., 2.])
    """
    return feat.amax(dim=1) if feat.shape[1] else feat.new_zeros(len(feat))


def top_rows(score: Tensor, limit: int) -> Tensor:
    """Rows of the highest scores, highest first: (M,) -> (min(limit, M),) int64.

    PointDistiller's release stops with an error when a scan has fewer rows than wanted.

    Example:
        >>> top_rows(torch.tensor([1.0, 5.0, 3.0]), limit=2)
        tensor([1, 2])
    """
    return score.topk(min(limit, len(score))).indices


def softmax_weight(score: Tensor, temperature: float, scale: str = 'minmax') -> Tensor:
    r"""Weights of anchors with mean one.

    .. math:: w_q = Q \operatorname{softmax}_q(g(s) / \tau)

    Source: PointDistiller (arXiv 2205.11098), with g the identity (``'none'``). Raw scores have any
    size: with the release's temperature 0.01, a point more in a voxel means e^100 times its weight,
    so that all weight lies on the fullest voxels. ``'minmax'`` (ours) maps the scores of one sample
    to [0, 1], so that a temperature means the same for every network; ``'log1p'`` is for counts.

    Args:
        score: Scores of one sample's anchors, (Q,).
        temperature: tau.
        scale: g, one of :data:`SCALES`.

    Returns:
        Weights, (Q,); all one for equal scores.

    Example:
        >>> softmax_weight(torch.tensor([4.0, 8.0]), temperature=1.0)
        tensor([0.5379, 1.4621])
    """
    if scale == 'minmax' and len(score):
        low, high = torch.aminmax(score)
        spread = high - low
        score = (score - low) / torch.where(spread > 0, spread, 1)
    elif scale == 'log1p':
        # Below zero (features, not counts) the logarithm ends: such scores count as nothing.
        score = torch.log1p(score.clamp_min(0))
    return len(score) * torch.softmax(score / temperature, dim=0)
